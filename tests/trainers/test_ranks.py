import os
import subprocess
import sys
from pathlib import Path

import torch
from share_a_batch import two_steps
from tiny import networks


def test_two_ranks_with_half_the_batch_each_take_the_step_of_one_process(tmp_path):
    program = Path(__file__).with_name("share_a_batch.py")
    environment = os.environ | {"PYTHONPATH": f"{program.parent}:{program.parents[2]}", "OMP_NUM_THREADS": "1"}
    place, weights = tmp_path / "meeting", tmp_path / "weights.pt"
    command = [sys.executable, str(program)]
    ranks = [subprocess.Popen([*command, rank, "2", place, weights], env=environment) for rank in ("0", "1")]
    assert [rank.wait(timeout=120) for rank in ranks] == [0, 0]
    with torch.random.fork_rng():
        expected = two_steps()
    shared = torch.load(weights, weights_only=True)
    before = networks().generator.state_dict()
    assert max((expected[f"0.{name}"] - value).abs().max() for name, value in before.items()) > 1e-3
    for name, value in shared.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
