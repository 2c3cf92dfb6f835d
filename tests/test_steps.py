import json
import os
import signal
import subprocess
import sys
import time

import fire.parser
import pytest

from tanq_monai import steps
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.steps import BUNDLES, Step, StepRunner, bundle_step

STEP = Step("translate", ("-m", "something", "--size", "a b"))


@pytest.fixture
def machine(monkeypatch):
    """A machine on which every command takes ten seconds; ``codes`` are its next exit codes, ``ran`` what it ran."""

    class Machine:
        def __init__(self):
            self.codes, self.ran, self.clock = [], [], 0.0

        def run(self, command, cwd=None, **options):
            self.ran.append((command, cwd))
            self.clock += 10
            code = self.codes.pop(0) if self.codes else 0
            if isinstance(code, BaseException):
                raise code
            return subprocess.CompletedProcess(command, code)

    machine = Machine()
    monkeypatch.setattr(steps.subprocess, "run", machine.run)
    monkeypatch.setattr(steps.time, "perf_counter", lambda: machine.clock)
    return machine


@pytest.mark.slow
def test_a_step_runs_its_command_in_its_folder(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    StepRunner(tmp_path / "steps", 1).run(Step("write", ("-c", "open('here', 'w').write('done')"), folder))
    assert (folder / "here").read_text() == "done"
    assert json.loads((tmp_path / "steps" / "write.json").read_text())["done"] is True


@pytest.mark.slow
def test_a_real_command_that_fails_is_told(tmp_path):
    with pytest.raises(InputError, match=r"^fail: ended with exit code 3; see its message above, then start again$"):
        StepRunner(tmp_path, 1).run(Step("fail", ("-c", "raise SystemExit(3)")))


def test_a_step_that_is_done_is_not_run_again(tmp_path, machine):
    assert StepRunner(tmp_path, 1).run(STEP) == 10
    assert StepRunner(tmp_path, 1).run(STEP) == 10
    assert len(machine.ran) == 1


def test_a_step_that_failed_is_run_again_and_the_seconds_add_up(tmp_path, machine):
    machine.codes += [1, 2, 0]
    for code in (1, 2):
        with pytest.raises(InputError, match=f"translate: ended with exit code {code}"):
            StepRunner(tmp_path, 1).run(STEP)
    assert StepRunner(tmp_path, 1).run(STEP) == 30
    assert len(machine.ran) == 3


def test_an_interrupted_step_is_run_again_and_its_seconds_count(tmp_path, machine):
    machine.codes.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        StepRunner(tmp_path, 1).run(STEP)
    assert StepRunner(tmp_path, 1).run(STEP) == 20


def test_a_step_that_was_done_with_other_settings_is_refused(tmp_path, machine):
    StepRunner(tmp_path, 1).run(STEP)
    other = Step("translate", ("-m", "something", "--size", "c"))
    with pytest.raises(InputError, match=r"translate\.json: was made with other settings; choose another --output-dir"):
        StepRunner(tmp_path, 1).run(other)
    assert len(machine.ran) == 1


def test_progress_counts_the_steps_that_are_done(tmp_path, machine):
    machine.codes += [0, 1]
    runner = StepRunner(tmp_path, 2)
    runner.run(STEP)
    assert runner.progress.n == 1
    with pytest.raises(InputError):
        runner.run(Step("other", ("-V",)))
    assert runner.progress.n == 1


def test_only_records_are_left_in_the_folder(tmp_path, machine):
    StepRunner(tmp_path / "steps", 1).run(STEP)
    assert [path.name for path in (tmp_path / "steps").iterdir()] == ["translate.json"]


def test_a_command_reads_as_it_would_be_typed():
    assert STEP.command == "python -m something --size 'a b'"


def test_a_bundle_step_runs_a_config_of_the_bundle_with_its_choices():
    step = bundle_step("train", "tanq_translation", "train", {"dataset_dir": "/d", "weights#levels": 10.0})
    assert step.folder == BUNDLES / "tanq_translation"
    assert step.command == (
        "python -m monai.bundle run --config_file configs/train.yaml --meta_file configs/metadata.json "
        "--logging_file configs/logging.conf --dataset_dir /d '--weights#levels' 10.0"
    )
    assert (step.folder / "configs" / "train.yaml").is_file()


TEXTS = ("['\\x24print(1)']", "'quoted'", '"a"', "1e-3", "(1, 2)", "{a: b}", "plain", "2d", "a b", "\\x24")


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_reaches_monai_as_what_it_is_and_as_nothing_to_evaluate(text):
    words = bundle_step("train", "vs_cochlea_seg", "train", {"trainer": text}).arguments
    assert fire.parser.DefaultParseValue(words[words.index("--trainer") + 1]) == text


@pytest.mark.parametrize("value", [1e-05, None, True, [1, "it's"], {"a": {"b": "\\x24"}}, ["None"], ""])
def test_a_value_reaches_monai_as_what_it_is(value):
    words = bundle_step("train", "vs_cochlea_seg", "train", {"plans_override": {"a": value}}).arguments
    assert fire.parser.DefaultParseValue(words[words.index("--plans_override") + 1]) == {"a": value}


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"max_epoch": 3}, "max_epoch: is no choice of train; did you mean max_epochs?"),
        ({"config_file": "other.yaml"}, "config_file: is no choice of train; choose of "),
        ({"initialize": []}, "initialize: is no choice of train; did you mean initial_model?"),
        ({"wieghts#levels": 3}, "wieghts#levels: is no choice of train; choose of "),
        ({"run#0": "x"}, "run#0: is no choice of train; choose of "),
        ({"max_epochs": 0}, "max_epochs 0: is not a whole number, 1 or more; give one (epochs)"),
    ],
)
def test_a_choice_that_the_config_does_not_have_or_allow_is_told_before_the_step_is_run(choices, told):
    with pytest.raises(InputErrors) as caught:
        bundle_step("train", "vs_cochlea_seg", "train", choices)
    assert str(caught.value).startswith(told)


def test_a_bundle_that_is_not_beside_the_package_is_told():
    with pytest.raises(InputError, match="nowhere: is not there; run it from a clone of the repository"):
        bundle_step("train", "nowhere", "train", {})


def test_a_step_that_failed_may_be_run_with_other_settings(tmp_path, machine):
    machine.codes += [1]
    with pytest.raises(InputError, match="ended with exit code 1"):
        StepRunner(tmp_path, 1).run(STEP)
    StepRunner(tmp_path, 1).run(Step("translate", ("-m", "something", "--size", "c")))
    assert json.loads((tmp_path / "translate.json").read_text())["command"].endswith("--size c")


@pytest.mark.slow
def test_a_step_whose_first_run_is_still_alive_is_not_started_beside_it(tmp_path):
    begun = tmp_path / "begun"
    slow = Step("slow", ("-c", f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"))
    program = "from pathlib import Path; from tanq_monai.steps import Step, StepRunner; "
    program += f"StepRunner(Path({str(tmp_path)!r}), 1).run(Step('slow', {slow.arguments}))"
    parent = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stderr=subprocess.DEVNULL)
    while not begun.exists():
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()  # its step lives on
    parent.wait()
    try:
        with pytest.raises(InputError, match="slow: is still running, started before; wait for it, or end it"):
            StepRunner(tmp_path, 1).run(slow)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
