import processes
import pytest
import torch
from share_a_batch import two_steps, two_steps_as_rank
from tiny import networks


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
