import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fire.parser
import pytest
import torch  # noqa: F401 - asks a program of the system when it is first imported, which no fast test may

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

        def execute(self, step, files):
            self.ran.append(step)
            self.clock += 10
            for path in step.writes:
                path.mkdir(exist_ok=True)
                (path / "result").write_text(step.name)
            code = self.codes.pop(0) if self.codes else 0
            if isinstance(code, BaseException):
                raise code
            return code

    machine = Machine()
    monkeypatch.setattr(steps, "execute", machine.execute)
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
    told = "see its message above, if there is one, then start again"
    with pytest.raises(InputError, match=f"^fail: ended with exit code 3; {told}$"):
        StepRunner(tmp_path, 1).run(Step("fail", ("-c", "raise SystemExit(3)")))
    with pytest.raises(InputError, match=f"^killed: was ended by SIGKILL; {told}$"):
        StepRunner(tmp_path, 1).run(Step("killed", ("-c", "import os; os.kill(os.getpid(), 9)")))


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
        ({"initialize": []}, "initialize: is no choice of train; did you mean initial_share?"),
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
    with pytest.raises(InputError, match="nowhere: is not there; install tanq-monai again"):
        bundle_step("train", "nowhere", "train", {})


def test_a_step_that_failed_may_be_run_with_other_settings(tmp_path, machine):
    machine.codes += [1]
    with pytest.raises(InputError, match="ended with exit code 1"):
        StepRunner(tmp_path, 1).run(STEP)
    StepRunner(tmp_path, 1).run(Step("translate", ("-m", "something", "--size", "c")))
    assert json.loads((tmp_path / "translate.json").read_text())["command"].endswith("--size c")


@pytest.fixture
def step(tmp_path):
    """A step that reads a folder of two scans and writes another folder."""
    for name in ("a", "b"):
        (tmp_path / "scans" / "site").mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / "site" / name).write_text(name)
    return Step("segment", ("-m", "something"), reads=(tmp_path / "scans",), writes=(tmp_path / "labels",))


CHANGES = {
    "scans/site/new is new": lambda root: (root / "scans" / "site" / "new").touch(),
    "scans/site/a is gone": lambda root: (root / "scans" / "site" / "a").unlink(),
    "scans/site/b has changed": lambda root: (root / "scans" / "site" / "b").write_text("other"),
    "labels/result is gone": lambda root: (root / "labels" / "result").unlink(),
    "labels/result has changed": lambda root: (root / "labels" / "result").write_text("corrected"),
}


@pytest.mark.parametrize("told", CHANGES)
def test_a_step_of_which_something_has_changed_is_run_again_and_it_is_told(tmp_path, machine, step, capsys, told):
    StepRunner(tmp_path / "steps", 1).run(step)
    CHANGES[told](tmp_path)
    StepRunner(tmp_path / "steps", 1).run(step)
    assert len(machine.ran) == 2
    assert f"segment was done before, but {tmp_path}/{told}\n" in capsys.readouterr().out
    StepRunner(tmp_path / "steps", 1).run(step)
    assert len(machine.ran) == 2


def test_what_others_add_to_its_results_and_hidden_files_are_no_change(tmp_path, machine, step):
    StepRunner(tmp_path / "steps", 1).run(step)
    (tmp_path / "labels" / "another").touch()
    (tmp_path / "scans" / ".hidden").touch()
    StepRunner(tmp_path / "steps", 1).run(step)
    assert len(machine.ran) == 1


def test_what_changes_while_a_step_runs_counts_as_a_change(tmp_path, machine, step, monkeypatch):
    def execute(step, files):
        (tmp_path / "scans" / "late").touch()
        return machine.execute(step, files)

    monkeypatch.setattr(steps, "execute", execute)
    StepRunner(tmp_path / "steps", 1).run(step)
    StepRunner(tmp_path / "steps", 1).run(step)
    assert len(machine.ran) == 2


WHOLE = {"command": "python", "seconds": 1.0, "done": True, "reads": [], "writes": []}
EDITS = ({"reads": 5}, {"reads": [1]}, {"writes": [[]]}, {"done": "no"}, {"seconds": "1"}, {"more": 1})


@pytest.mark.parametrize(
    "text",
    [
        *("", '{"command": ', "[]", "{}", '{"command": "python", "seconds": 1, "done": true}'),
        *(json.dumps(WHOLE | edit) for edit in EDITS),
    ],
)
def test_a_record_that_is_none_is_told_and_the_run_goes_on_without_it(tmp_path, machine, text):
    record = tmp_path / "translate.json"
    record.write_text(text)
    with pytest.raises(InputError, match=r"translate.json: is no record of a step; remove it, and the step is run"):
        StepRunner(tmp_path, 1).run(STEP)
    record.unlink()
    StepRunner(tmp_path, 1).run(STEP)
    assert len(machine.ran) == 1


def test_a_folder_in_place_of_a_record_is_told(tmp_path, machine):
    (tmp_path / "translate.json").mkdir()
    with pytest.raises(InputError, match=r"translate.json: is no record of a step; remove it"):
        StepRunner(tmp_path, 1).run(STEP)


HEAR = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # ignored in the background
WORK = """
from pathlib import Path
from tanq_monai.errors import print_mistakes_in_one_line
from tanq_monai.steps import Step, StepRunner
print_mistakes_in_one_line()
StepRunner(Path({folder!r}), 1).run(Step({name!r}, ("-c", {program!r})))
"""
SLEEP = """
import os, pathlib, time
try:
    pathlib.Path({begun!r}).with_suffix(".new").write_text(str(os.getpid()))
    pathlib.Path({begun!r}).with_suffix(".new").replace({begun!r})
    time.sleep(60)
finally:
    pathlib.Path({begun!r}).with_suffix(".cleaned").touch()
"""


@pytest.fixture
def work(tmp_path):
    """A work in a process of its own, with a step that is a work as well; what it prints goes to ``said``."""
    begun = tmp_path / "begun"
    hook = "from tanq_monai.errors import print_mistakes_in_one_line\nprint_mistakes_in_one_line()"
    inner = WORK.format(folder=str(tmp_path), name="inner", program=hook + SLEEP.format(begun=str(begun)))
    outer = HEAR + WORK.format(folder=str(tmp_path), name="outer", program=inner)
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen([sys.executable, "-c", outer], start_new_session=True, stderr=said, stdout=said)
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.05)
    yield process, int(begun.read_text())
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a process that was killed")
@pytest.mark.parametrize(
    ("send", "how", "code"),
    [
        (os.killpg, signal.SIGINT, 130),  # as a terminal tells all of them of Ctrl-C
        (os.kill, signal.SIGTERM, 143),
        (os.killpg, signal.SIGTERM, 143),  # as schedulers end a job
        (os.kill, signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_however_a_work_ends_no_step_of_its_steps_lives_on_and_each_cleans_up(tmp_path, work, send, how, code):
    process, step = work
    send(process.pid, how)
    assert process.wait(timeout=30) == code
    deadline = time.monotonic() + 30
    while is_alive(step) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(step)
    assert (tmp_path / "begun.cleaned").exists()
    said = (tmp_path / "said").read_text()
    assert "Traceback" not in said
    assert said.count("stopped") == (how == signal.SIGINT)
    if how != signal.SIGKILL:
        assert not json.loads((tmp_path / "inner.json").read_text())["done"]


@pytest.mark.slow
def test_a_step_that_is_running_is_not_started_beside_itself(tmp_path, work):
    with pytest.raises(InputError, match="inner: is still running, started before; wait for it, or end it"):
        StepRunner(tmp_path, 1).run(Step("inner", ()))
