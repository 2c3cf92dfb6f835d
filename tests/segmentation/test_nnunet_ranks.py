"""nnU-Net on several ranks, as real processes."""

import processes
import pytest
import torch
from share_nnunet_batch import two_steps, two_steps_as_rank


@pytest.mark.slow
def test_two_ranks_with_half_of_nnunets_batch_each_take_the_steps_of_one_process(tiny_phantom, tmp_path):
    data, place, shared = tiny_phantom / "training_source", tmp_path / "meeting", tmp_path / "shared"
    ranks = [processes.start(two_steps_as_rank, rank, 2, place, data, shared) for rank in (0, 1)]
    assert processes.end(*ranks) == [0, 0]
    with torch.random.fork_rng():
        two_steps(data, tmp_path / "alone")
    together, alone = (torch.load(tmp_path / run / "models" / "model.pt") for run in ("shared", "alone"))
    for name, value in alone.items():
        # The Dice of nnU-Net's 2D plan is that of the whole batch; 1e-6 is the weight of its coarsest output on ranks.
        torch.testing.assert_close(together[name], value, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
