"""Words of the command line, completed by real shells."""

import inspect
import shutil
import subprocess

import pytest

from tanq_monai import cli, completion

pytestmark = pytest.mark.slow
ASK = """
COMP_WORDS=({words}); COMP_CWORD={last}
_tanq_monai
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(params=["bash", "zsh"])
def completed(request, tmp_path):
    """Asks a shell for what may stand in place of the last word."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    (tmp_path / "script").write_text(completion.script(cli.COMMANDS))

    def ask(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in ("tanq-monai", *words))
        # zsh calls the function with bash's arrays, and looks by itself which of the words begin as what is typed.
        shell = "emulate sh" if request.param == "zsh" else ""
        program = f"source {tmp_path / 'script'}\n{shell}\n" + ASK.format(words=quoted, last=len(words))
        done = subprocess.run([request.param, "-c", program], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return [word for word in done.stdout.split() if request.param == "bash" or word.startswith(words[-1])]

    return ask


def test_the_first_word_is_a_command(completed):
    assert completed("") == [*cli.COMMANDS, "--help", "--version", "--completion"]
    assert completed("seg") == ["segment"]
    assert completed("p") == ["phantom", "phantom-check"]


def test_a_command_has_its_own_options(completed):
    own = [f"--{name.replace('_', '-')}" for name in inspect.signature(cli.COMMANDS["growth"]).parameters]
    assert completed("growth", "--") == [*own, "--help"]
    assert completed("segment", "scan.nii.gz", "--ens") == ["--ensemble-dir"]


def test_an_option_has_the_words_that_it_allows(completed):
    assert completed("cohort", "--cluster", "s") == ["slurm", "sge"]
    assert completed("evaluate", "--assd", "") == ["directed", "pooled"]


def test_where_there_are_no_words_the_shell_completes_files(completed):
    assert completed("segment", "sc") == []
    assert "complete -o default" in completion.script(cli.COMMANDS)
