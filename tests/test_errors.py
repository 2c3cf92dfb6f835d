import textwrap

import pytest
from typed import Done, ended

from tanq_monai.errors import InputError, InputErrors, mistake_behind

PREAMBLE = "from tanq_monai.errors import *\nprint_mistakes_in_one_line()\n"


def _run(code: str) -> Done:
    """Run ``code`` as a program, with the hook installed."""
    return ended(lambda: exec(PREAMBLE + textwrap.dedent(code), {}))


def test_message_says_where_what_and_what_to_do():
    assert str(InputError("a.nii.gz", "is empty", "download it again")) == "a.nii.gz: is empty; download it again"


def test_a_message_is_one_line_without_signs_that_a_terminal_acts_on():
    error = InputError("a\nerror: b", "is \x1b[2J\u202e\ud800", "call it ä")
    assert str(error) == "a\\nerror: b: is \\x1b[2J\\u202e\\ud800; call it ä"


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
