"""nnU-Net on several ranks, as real processes."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from share_nnunet_batch import two_steps


def test_two_ranks_with_half_of_nnunets_batch_each_take_the_steps_of_one_process(tiny_phantom, tmp_path):
    program, data = Path(__file__).with_name("share_nnunet_batch.py"), tiny_phantom / "training_source"
    environment = os.environ | {"PYTHONPATH": f"{program.parent}:{program.parents[2]}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(program)]
    shared = [tmp_path / "meeting", data, tmp_path / "shared"]
    ranks = [subprocess.Popen([*command, rank, "2", *map(str, shared)], env=environment) for rank in ("0", "1")]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    with torch.random.fork_rng():
        two_steps(str(data), str(tmp_path / "alone"))
    together, alone = (torch.load(tmp_path / run / "models" / "model.pt") for run in ("shared", "alone"))
    for name, value in alone.items():
        # The Dice of nnU-Net's 2D plan is that of the whole batch; 1e-6 is the weight of its coarsest output on ranks.
        torch.testing.assert_close(together[name], value, rtol=0, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
