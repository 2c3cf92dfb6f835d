"""What completes words of the command line: one script for bash and for zsh."""

import inspect
from collections.abc import Callable, Mapping

from tanq_monai import manual
from tanq_monai.choices.kinds import Word
from tanq_monai.choices.table import CHOICES, OPTIONS

_SCRIPT = """\
# {program}: words of its command line for bash and zsh, as of eval "$({program} --completion)".
if [ -n "${{ZSH_VERSION-}}" ]; then
    autoload -Uz compinit bashcompinit
    (( $+functions[compdef] )) || compinit
    bashcompinit
fi
_{function}() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" fitting=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        fitting="{commands} --help --version --completion"
    else
        case "${{COMP_WORDS[1]}} $before" in
{values}
        *) case "${{COMP_WORDS[1]}} $word" in
{options}
            esac ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$fitting" -- "$word"))
}}
complete -o default -F _{function} {program}
"""


def script(commands: Mapping[str, Callable[..., object]]) -> str:
    """The script: commands, their options, the words that an option allows; where it has none, files.

    Args:
        commands: by name.
    """
    parameters = {name: list(inspect.signature(command).parameters) for name, command in commands.items()}
    values, options = [], []
    for name, own in parameters.items():
        words = " ".join(f"--{manual.dashed(one)}" for one in own)
        options.append(f'            "{name} -"*) fitting="{words} --help" ;;')
        for one in own:
            kind = (CHOICES | OPTIONS)[one].kind
            if isinstance(kind, Word):
                values.append(f'        "{name} --{manual.dashed(one)}") fitting="{" ".join(kind.words)}" ;;')
    return _SCRIPT.format(
        program=manual.PROGRAM,
        function=manual.PROGRAM.replace("-", "_"),
        commands=" ".join(commands),
        values="\n".join(values),
        options="\n".join(options),
    )
