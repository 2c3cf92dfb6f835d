"""The command line: ``tanq-monai COMMAND``, or ``python -m tanq_monai COMMAND``.

Research use only; not a medical device.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence

import fire

from tanq_monai import FULL_INSTALLATION, RESEARCH_ONLY, __version__, completion, manual
from tanq_monai.choices.config import did_you_mean
from tanq_monai.cli.output import print_lines
from tanq_monai.cli.results import evaluate, report
from tanq_monai.cli.scans import check, cohort, growth, segment, translate
from tanq_monai.cli.training import adapt, demo, export_onnx, federate, import_nnunet
from tanq_monai.cli.virtual import phantom, phantom_check
from tanq_monai.cli.zoo import audit, fetch
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.words import Command, plain_words, typed

COMMANDS: dict[str, Command] = {
    "segment": segment,
    "cohort": cohort,
    "growth": growth,
    "translate": translate,
    "check": check,
    "adapt": adapt,
    "federate": federate,
    "evaluate": evaluate,
    "report": report,
    "demo": demo,
    "phantom": phantom,
    "phantom-check": phantom_check,
    "import-nnunet": import_nnunet,
    "export-onnx": export_onnx,
    "fetch": fetch,
    "audit": audit,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; it ends as :func:`tanq_monai.errors.print_mistakes_in_one_line` says.

    Args:
        argv: the command and its options. Default: those that this process was started with.
    """
    print_mistakes_in_one_line()
    words = sys.argv[1:] if argv is None else list(argv)
    command, helps = words[0] if words else "", {"--help", "-h"}
    if command == "--version":
        print_lines([f"{manual.PROGRAM} {__version__}"])
    elif command == "--completion":
        print_lines([completion.script(COMMANDS)])
    elif not command or command in helps:
        print_lines(manual.overview(COMMANDS, RESEARCH_ONLY))
    elif command not in COMMANDS:
        raise InputError(command, "is no command", did_you_mean(command, COMMANDS))
    elif helps & {*words}:
        print_lines(manual.page(command, COMMANDS[command], RESEARCH_ONLY))
    else:
        with _told_where_missing(command):
            plain = [command, *plain_words(command, COMMANDS[command], words[1:])]
            fire.Fire({name: typed(one) for name, one in COMMANDS.items()}, command=plain, name=manual.PROGRAM)


@contextlib.contextmanager
def _told_where_missing(command: str) -> Iterator[None]:
    """A package that a command needs and an installation without torch lacks becomes a user's mistake."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package == __package__.partition(".")[0]:
            raise
        raise InputError(command, f"needs {package}, which is not installed", FULL_INSTALLATION) from error
