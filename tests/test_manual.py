"""Manual pages: all that a command has is on its page, as it is typed; what the page shows works."""

import inspect
import re
import shlex

import pytest
from typed import run_command

from tanq_monai import RESEARCH_ONLY, __version__, cli
from tanq_monai.words import plain_words

COMMANDS = sorted(cli.COMMANDS.items())


def helped(*words):
    done = run_command(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_version_is_printed():
    assert helped("--version") == f"tanq-monai {__version__}\n"


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_the_list_names_every_command_and_for_what_it_may_be_used(words):
    text = helped(*words)
    assert re.findall(r"^    ([\w-]+)  +\S", text, flags=re.MULTILINE) == [*cli.COMMANDS]
    assert RESEARCH_ONLY in " ".join(text.split())


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_a_page_has_every_option_as_it_is_typed_and_what_it_means(name, command):
    text = helped(name, "--help")
    options = re.findall(r"^    (?:--)?(\S+).*\n        (\S.*)$", text.partition("OPTIONS")[2], flags=re.MULTILINE)
    words = [one.replace("_", "-") for one in inspect.signature(command).parameters]
    assert [option.replace("SCAN...", "scans") for option, _ in options if option in (*words, "SCAN...")] == words
    assert "_" not in "".join(option for option, _ in options)
    assert RESEARCH_ONLY in text
    assert max(map(len, text.partition("EXAMPLES")[0].splitlines())) <= 88


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_examples_of_a_page_have_the_options_of_the_command(name, command):
    examples = re.findall(rf"^    tanq-monai ({name}\b.*)$", helped(name, "-h").partition("EXAMPLES")[2], re.MULTILINE)
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" > ")[0])
        plain_words(name, command, words[1:])


def test_segmenting_is_shown_by_example():
    assert "EXAMPLES\n    tanq-monai segment scan.nii.gz --output-dir out\n" in helped("segment", "--help")


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("a --json b -o out", ["a", "b", "--json=true", "--output-dir=out"]),
        ("a -o out --json no b", ["a", "b", "--output-dir=out", "--json=no"]),
        ("a --noears-first b --output_dir=out", ["a", "b", "--ears-first=false", "--output-dir=out"]),
        ("-1 --output-dir -1", ["-1", "--output-dir=-1"]),
    ],
)
def test_a_flag_does_not_take_the_scan_behind_it(words, plain):
    assert plain_words("segment", cli.COMMANDS["segment"], words.split()) == plain
