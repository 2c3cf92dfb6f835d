"""Steps of two commits in turn."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmarks.measure import alternate_trees  # noqa: E402
from benchmarks.training import training  # noqa: E402


def _tree(folder, name):
    """A checkout whose package knows its name."""
    (folder / name / "tanq_monai").mkdir(parents=True)
    (folder / name / "tanq_monai" / "__init__.py").write_text(f"NAME = {name!r}")
    return folder / name


def test_each_command_finds_the_package_of_its_checkout_and_they_take_turns(tmp_path):
    log = tmp_path / "log"
    say = f"import benchmarks.measure as m; from tanq_monai import NAME; open({str(log)!r}, 'a').write(NAME)"
    runs = [(_tree(tmp_path, name), ["-c", f"{say}; m.tell([len(NAME)])"]) for name in ("old", "newer")]
    assert alternate_trees(runs, repeats=2) == [[[3]] * 2, [[5]] * 2]
    assert log.read_text() == "oldnewer" * 2


def test_a_folder_without_the_package_is_not_taken_for_a_checkout(tmp_path):
    with pytest.raises(RuntimeError, match="holds no package"):
        alternate_trees([(tmp_path, ["-c", "print(1)"])], repeats=1)


def test_a_command_that_fails_is_told_with_its_words(tmp_path):
    with pytest.raises(RuntimeError, match=r"^exit code 1: -c 1 / 0\n(?s:.*)ZeroDivisionError"):
        alternate_trees([(_tree(tmp_path, "old"), ["-c", "1 / 0"])], repeats=1)


def test_a_step_is_measured_against_that_of_another_checkout(capsys, monkeypatch):
    """Both in this process, which has imported already what each would import in one of its own, as above."""

    def in_turn(runs, repeats):
        assert [tree for tree, _ in runs] == [Path("other"), SCRIPTS.parent]
        return [[_printed(capsys, arguments) for _ in range(repeats)] for _, arguments in runs]

    monkeypatch.setattr("benchmarks.training.alternate_trees", in_turn)
    training("other", repeats=1, steps=1, threads=1, batch=1, size=32, width=4)
    told = capsys.readouterr().out
    numbers = re.findall(
        r"TANQ step, (?:seconds|gigabytes) here / there: ([\d.]+)(?:, bar [\d.]+: (holds|missed))?", told
    )
    assert len(numbers) == 2
    assert all(float(ratio) > 0 for ratio, _ in numbers)
    assert re.search(r"there float32\n1 threads", told)


def _printed(capsys, arguments):
    """The JSON that ``python -m`` prints."""
    dash_m, module, *words = arguments
    assert dash_m == "-m"
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(torch, "set_num_threads", lambda _: None)
        patch.setattr(sys, "argv", [module, *words])
        runpy.run_module(module, run_name="__main__")
    return json.loads(capsys.readouterr().out)
