import numpy as np
import pytest

from tanq_monai.errors import InputError
from tanq_monai.structures import label_values, mask_of


def test_a_structure_is_one_label_or_the_union_of_several():
    assert label_values({"VS": [1, 2], "cochlea": 3}) == {"VS": (1, 2), "cochlea": (3,)}
    labels = np.array([0, 1, 2, 3], dtype=np.uint8)
    assert mask_of(labels, (1, 2)).tolist() == [False, True, True, False]
    assert mask_of(labels, (3,)).tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    "structures",
    [
        {},
        "VS",
        None,
        [1, 2],
        {"VS": []},
        {"VS": 0},
        {"VS": 256},
        {"VS": 1.0},
        {"VS": "1"},
        {"VS": [1, "2"]},
        {"VS": True},
    ],
)
def test_what_names_no_label_is_an_error_in_one_line(structures):
    with pytest.raises(InputError, match="structures") as caught:
        label_values(structures)
    assert "\n" not in str(caught.value)
