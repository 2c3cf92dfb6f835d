import errno
import io
import signal
import subprocess
import sys
import textwrap

import pytest
from typed import Done, ended

from tanq_monai.errors import InputError, InputErrors, deaf_children, mistake_behind, print_mistakes_in_one_line

PREAMBLE = "from tanq_monai.errors import *\nprint_mistakes_in_one_line()\n"


def _run(code: str) -> Done:
    """Run ``code`` as a program, with the hook installed."""
    return ended(lambda: exec(PREAMBLE + textwrap.dedent(code), {}))


def test_message_says_where_what_and_what_to_do():
    assert str(InputError("a.nii.gz", "is empty", "download it again")) == "a.nii.gz: is empty; download it again"


def test_a_message_is_one_line_without_signs_that_a_terminal_acts_on():
    error = InputError("a\nerror: b", "is \x1b[2J\u202e\ud800", "call it ä")
    assert str(error) == "a\\nerror: b: is \\x1b[2J\\u202e\\ud800; call it ä"


def test_letters_that_the_terminal_lacks_do_not_end_a_program(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    term = signal.getsignal(signal.SIGTERM)
    print_mistakes_in_one_line()
    signal.signal(signal.SIGTERM, term)
    print("VS 3 mm³ in caf\udce9", flush=True)
    assert written.getvalue() == rb"VS 3 mm\xb3 in caf\udce9" + b"\n"


def test_several_mistakes_are_one_line_each():
    errors = InputErrors([InputError("a", "is empty", "fill it"), InputError("b", "is 4D", "split it")])
    assert str(errors).splitlines() == ["a: is empty; fill it", "b: is 4D; split it"]


def test_both_are_value_errors():
    assert issubclass(InputError, ValueError)
    assert issubclass(InputErrors, ValueError)


def test_an_uncaught_mistake_is_one_line_and_exit_code_1():
    done = _run("raise InputError('a.nii.gz', 'is empty', 'download it again')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: a.nii.gz: is empty; download it again\n"


@pytest.mark.parametrize("how", ["raise RuntimeError('component failed') from error", "raise RuntimeError('failed')"])
def test_a_mistake_wrapped_twice_as_monai_does_is_still_one_line(how):
    done = _run(
        f"""
        try:
            try:
                raise InputError('labels', 'holds no label', 'give another folder')
            except ValueError as error:
                {how}
        except RuntimeError as error:
            {how}
        """
    )
    assert done.returncode == 1
    assert done.stderr == "error: labels: holds no label; give another folder\n"


def test_several_uncaught_mistakes_are_several_error_lines():
    done = _run("raise InputErrors([InputError('a', 'is empty', 'fill it'), InputError('b', 'is 4D', 'split it')])")
    assert done.returncode == 1
    assert done.stderr == "error: a: is empty; fill it\nerror: b: is 4D; split it\n"


def test_any_other_exception_keeps_its_traceback():
    done = _run("raise ValueError('a fault of ours')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ValueError: a fault of ours\n")


def test_the_mistake_is_found_in_the_chain_and_absent_elsewhere():
    mistake = InputError("a", "is empty", "fill it")
    wrapped = RuntimeError("component failed")
    wrapped.__cause__ = mistake
    assert mistake_behind(wrapped) is mistake
    assert mistake_behind(mistake) is mistake
    assert mistake_behind(RuntimeError("no mistake")) is None
    assert mistake_behind(None) is None


def test_what_the_machine_refuses_is_a_mistake_that_says_what_to_do():
    full = OSError(errno.ENOSPC, "No space left on device")
    assert str(mistake_behind(full)) == "disk: cannot be used (No space left on device); make room and start again"
    wrapped = RuntimeError("Failed to evaluate")
    wrapped.__cause__ = PermissionError(errno.EACCES, "Permission denied", "a.nii.gz")
    assert str(mistake_behind(wrapped)).startswith("a.nii.gz: cannot be used (Permission denied); choose another")
    assert mistake_behind(FileNotFoundError(errno.ENOENT, "No such file", "a")) is None
    short = OSError("98304 requested and 20416 written")  # NumPy's, which has no errno
    assert str(mistake_behind(short)) == f"disk: cannot be used ({short}); make room and start again"
    assert mistake_behind(OSError("cannot write mode F as PNG")) is None


@pytest.mark.parametrize("told", ["DataLoader worker (pid 7) is killed by signal: Killed.", "Some background worker"])
def test_a_process_that_was_killed_while_it_prepared_data_is_no_fault_of_the_program(told):
    assert "was killed, perhaps because memory ran out; start again" in str(mistake_behind(RuntimeError(told)))


def test_a_fault_that_came_up_while_the_disk_was_full_keeps_its_traceback():
    done = _run(
        """
        try:
            raise OSError(28, 'No space left on device')
        except OSError:
            {}['fault']
        """
    )
    assert done.stderr.endswith("KeyError: 'fault'\n")


WAIT = """
from tanq_monai.errors import *
print_mistakes_in_one_line()
import signal, sys, time
from tqdm import tqdm
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    for _ in tqdm(range(100)):
        print('begun', flush=True)
        time.sleep(60)
finally:
    print('cleaned', flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "code", "last"), [(signal.SIGINT, 130, ["stopped"]), (signal.SIGTERM, 143, [])])
def test_a_program_that_is_stopped_cleans_up_and_says_so_in_a_line_of_its_own(how, code, last):
    command = [sys.executable, "-c", WAIT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(how)
        printed, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert printed == "cleaned\n"
    assert "Traceback" not in told
    assert [line for line in told.splitlines() if "it/s" not in line and line] == last


FORK = """
from tanq_monai.errors import *
print_mistakes_in_one_line()
import multiprocessing, signal, time
fork = multiprocessing.get_context('fork')
begun = fork.Event()
def wait():
    try:
        begun.set()
        time.sleep(60)
    finally:
        print('cleaned', flush=True)
child = fork.Process(target=wait)
child.start()
begun.wait()
child.terminate()
child.join(20)
print(child.exitcode, signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL)
"""


@pytest.mark.slow
def test_a_forked_process_ends_by_sigterm_at_once_and_its_parent_still_cleans_up():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{-signal.SIGTERM} True\n"


def test_who_has_a_way_of_its_own_to_end_keeps_it():
    before = signal.getsignal(signal.SIGTERM)
    own = lambda *_: None  # noqa: E731
    try:
        signal.signal(signal.SIGTERM, own)
        ended(print_mistakes_in_one_line)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_children_hear_nothing_of_ctrl_c_and_this_process_does_again():
    before = signal.getsignal(signal.SIGINT)
    with deaf_children():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is before
