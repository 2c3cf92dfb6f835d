"""What `--help` prints: a manual page of a command, made of its signature and docstring, and the list of all commands.

A docstring has a first line, paragraphs, `Args:`, and perhaps `Examples:`, one command a line.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import Parameter

PROGRAM = "tanq-monai"
_WIDTH = 88
_SYNOPSIS = f"{PROGRAM} COMMAND [OPTIONS], {PROGRAM} COMMAND --help, {PROGRAM} --version, {PROGRAM} --completion"
_COMPLETION = f'Of words in bash and zsh, by a line in ~/.bashrc or ~/.zshrc: eval "$({PROGRAM} --completion)"'
_STATUS = (
    "0: done. 1: something could not be used; every such file or option is reported in one line that begins with "
    '"error:", and what could be done is done. 130: stopped by Ctrl-C. 143: ended by SIGTERM.'
)
_SECTION = re.compile(r"^(Args|Examples):$", re.MULTILINE)
_ARGUMENT = re.compile(r"^    (\w+): ", re.MULTILINE)


def dashed(name: str) -> str:
    """The word for a parameter as it is typed."""
    return name.replace("_", "-")


def overview(commands: Mapping[str, Callable[..., object]], about: str) -> list[str]:
    """Lines about all commands.

    Args:
        commands: by name.
        about: what stands above and at the end: for what the program may be used.
    """
    width = max(map(len, commands)) + 2
    rows = (
        textwrap.fill(
            _summary(command), _WIDTH, initial_indent=f"    {name:{width}}", subsequent_indent=" " * (width + 4)
        )
        for name, command in commands.items()
    )
    return [
        *_section("name", [f"{PROGRAM} - segment vestibular schwannoma and cochlea on hrT2 MRI", about]),
        *_section(
            "synopsis",
            [_SYNOPSIS],
        ),
        "COMMANDS",
        *rows,
        "",
        *_section("completion", [_COMPLETION]),
        *_section("exit status", [_STATUS]),
    ]


def page(name: str, command: Callable[..., object], about: str) -> list[str]:
    """Lines of the manual page of a command.

    Args:
        name: of the command.
        command: a function.
        about: what stands at the end.
    """
    description, arguments, examples = _parts(command)
    parameters = list(inspect.signature(command).parameters.values())
    required = [needed(one) for one in parameters if one.default is Parameter.empty]
    synopsis = [PROGRAM, name, *required, *(["[OPTIONS]"] if len(required) < len(parameters) else [])]
    options = [line for one in parameters for line in _option(one, arguments.get(one.name, ""))]
    summary, *more = description
    return [
        *_section("name", [f"{PROGRAM} {name} - {summary}"]),
        *_section("synopsis", [" ".join(synopsis)]),
        *(_section("description", more) if more else ()),
        "OPTIONS",
        *options,
        *(["EXAMPLES", *(f"    {line}" for line in examples), ""] if examples else []),
        *_section("exit status", [_STATUS]),
        about,
    ]


def needed(parameter: Parameter) -> str:
    """How a parameter without a default is typed."""
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return f"{_value(parameter).removesuffix('S')}..."
    return f"--{dashed(parameter.name)} {_value(parameter)}"


def _summary(command: Callable[..., object]) -> str:
    description, _, _ = _parts(command)
    return description[0]


def _parts(command: Callable[..., object]) -> tuple[list[str], dict[str, str], list[str]]:
    """Paragraphs, text of every argument, and examples of a docstring."""
    above, *sections = _SECTION.split(inspect.getdoc(command) or "")
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    _, *arguments = _ARGUMENT.split(found.get("Args", ""))
    texts = (" ".join(text.split()) for text in arguments[1::2])
    examples = [line.strip() for line in found.get("Examples", "").splitlines() if line.strip()]
    paragraphs = [" ".join(paragraph.split()) for paragraph in above.strip().split("\n\n")]
    return paragraphs, dict(zip(arguments[::2], texts, strict=True)), examples


def _section(title: str, paragraphs: Sequence[str]) -> Iterator[str]:
    yield title.upper()
    for paragraph in paragraphs:
        yield textwrap.fill(paragraph, _WIDTH, initial_indent="    ", subsequent_indent="    ")
        yield ""


def _value(parameter: Parameter) -> str:
    return dashed(parameter.name).upper()


def _option(parameter: Parameter, text: str) -> Iterator[str]:
    """How it is typed, and below that what it means."""
    word, default = f"--{dashed(parameter.name)}", parameter.default
    if default is Parameter.empty:
        word = needed(parameter)
    elif default is True:
        word += " false"
    elif default is not False:
        word += f" {_value(parameter)}"
    if default not in (Parameter.empty, None, True, False) and "default" not in text.lower():
        text += f" Default: {default}."
    yield f"    {word}"
    yield textwrap.fill(text, _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    yield ""
