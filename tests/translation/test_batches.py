from itertools import islice

import pytest

from tanq_monai.errors import InputError
from tanq_monai.translation.batches import Batches


def test_batches_go_through_epoch_after_epoch_and_leave_out_what_fills_no_batch():
    batches = Batches(range(5), batch_size=2)
    assert len(batches) == 2
    assert list(islice(batches, 3)) == [[(1, 0), (1, 1)], [(1, 2), (1, 3)], [(2, 0), (2, 1)]]


@pytest.mark.parametrize("step", [1, 2, 5])
def test_a_run_that_starts_later_sees_what_would_have_come(step):
    whole, resumed = Batches(range(6), batch_size=2), Batches(range(6), batch_size=2)
    resumed.first_step = step
    assert list(islice(resumed, 4)) == list(islice(whole, step + 4))[step:]


def test_an_epoch_without_a_full_batch_is_refused():
    with pytest.raises(InputError, match="batch_size 8: is more than the 5 slices of an epoch; choose a smaller one"):
        Batches(range(5), batch_size=8)
