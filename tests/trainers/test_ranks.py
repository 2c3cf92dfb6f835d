import processes
import pytest
import torch
from share_a_batch import two_steps, two_steps_as_rank
from tiny import networks
from torch import distributed as dist

from tanq_monai.errors import InputError
from tanq_monai.ranks import check_same_checkpoint


@pytest.mark.slow
def test_two_ranks_with_half_the_batch_each_take_the_step_of_one_process(tmp_path):
    place, weights = tmp_path / "meeting", tmp_path / "weights.pt"
    ranks = [processes.start(two_steps_as_rank, rank, 2, place, weights) for rank in (0, 1)]
    assert processes.end(*ranks) == [0, 0]
    with torch.random.fork_rng():
        expected = two_steps()
    shared = torch.load(weights, weights_only=True)
    before = networks().generator.state_dict()
    assert max((expected[f"0.{name}"] - value).abs().max() for name, value in before.items()) > 1e-3
    for name, value in shared.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")


def check_as_rank(rank, place, folder, steps):
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    try:
        check_same_checkpoint(folder / "checkpoint.pt", steps)
    except InputError as error:
        (folder / str(rank)).write_text(error.problem)


@pytest.mark.slow
def test_ranks_that_have_read_different_checkpoints_all_end(tmp_path):
    """As on machines whose output folders are not one; they would go on from different weights."""
    ranks = [processes.start(check_as_rank, rank, tmp_path / "meeting", tmp_path, 4 * rank) for rank in (0, 1)]
    assert processes.end(*ranks) == [0, 0]
    told = [(tmp_path / str(rank)).read_text() for rank in (0, 1)]
    assert told == [f"is not the same for all processes: {steps} steps here, others have 0 to 4" for steps in (0, 4)]


@pytest.mark.slow
def test_ranks_that_have_read_the_same_checkpoint_go_on(tmp_path):
    ranks = [processes.start(check_as_rank, rank, tmp_path / "meeting", tmp_path, 4) for rank in (0, 1)]
    assert processes.end(*ranks) == [0, 0]
    assert [path.name for path in tmp_path.iterdir() if path.name in "01"] == []
