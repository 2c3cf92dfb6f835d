"""May this ``$`` expression of a config be evaluated?

Python's own parser takes it apart, after MONAI's own code has put its references in; what is not known to be harmless
is refused. Chains of names, ``torch.optim.Adam``, must be on the list as a whole, called or not. Of what is only known
when it runs, such as another part of the config, few attributes may be read and few methods called; nothing else that
is not on the list is ever called.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from monai.bundle.config_parser import ConfigParser
from monai.bundle.reference_resolver import ReferenceResolver

from tanq_monai.deploy.zoo.allowed import ATTRIBUTES, BUILTINS, GLOBALS, METHODS, MODULES, NAMES, Call
from tanq_monai.deploy.zoo.findings import RefusedError
from tanq_monai.deploy.zoo.paths import check_text

IMPORTS = "imports"
REFERENCES = "__local_refs"  # MONAI's name for the parts of the config that an expression refers to
Aliases = Mapping[str, frozenset[str]]  # what a name stands for, in any of the configs
_PLAIN = (
    *(ast.Expression, ast.Load, ast.List, ast.Tuple, ast.Dict, ast.Starred, ast.keyword),
    *(ast.BinOp, ast.Add, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.IfExp),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot),
)


class _AnyReference(dict[str, object]):
    def __contains__(self, key: object) -> bool:
        return True


def imported_module(expression: str) -> tuple[str, str] | None:
    """The name and the module of ``$import module as name``; None where it is no import.

    Raises:
        RefusedError: for a module that is not on the list, or any other form of import.
    """
    statements = _parsed(_as_python(expression, ""), "exec").body
    if not any(isinstance(node, ast.Import | ast.ImportFrom) for node in statements):
        return None
    node = statements[0]
    if len(statements) > 1 or not isinstance(node, ast.Import) or len(node.names) > 1:
        raise RefusedError("is no plain `import module as name`")
    module, name = node.names[0].name, node.names[0].asname or node.names[0].name
    if module not in MODULES:
        raise RefusedError(f"imports {module}, which is not on the list")
    if name in BUILTINS or GLOBALS.get(name, module) != module:
        raise RefusedError(f"gives another meaning to {name}")
    return name, module


def check_references(text: str, place: str) -> None:
    """Raise :class:`RefusedError` if a string refers to an import, or to all of the config, as if it were a value."""
    try:
        absolute = ConfigParser.resolve_relative_ids(place, text)
    except ValueError as error:
        raise RefusedError("refers to what is not there") from error
    for reference in ReferenceResolver.match_refs_pattern(absolute):
        if reference.split("::")[0] in ("", IMPORTS):
            raise RefusedError(f"refers to @{reference}, a module or the whole config")


def called_names(expression: str, place: str, aliases: Aliases) -> list[str]:
    """Every name on the lists that an expression uses, in order.

    Args:
        expression: begins with ``$``.
        place: its id in the config, to which relative references are relative.
        aliases: what the imports of all configs call what.

    Raises:
        RefusedError: when it uses anything else.
    """
    if REFERENCES in expression or not expression.isascii():  # Python takes other letters for these, too
        raise RefusedError(f"names {REFERENCES}, or holds other letters than ASCII")
    check_references(expression, place)
    checker = _Checker(aliases)
    checker.check(_parsed(_as_python(expression, place), "eval"), frozenset())
    return checker.used


def _as_python(expression: str, place: str) -> str:
    """With references as MONAI writes them before it evaluates."""
    absolute = expression if not place else ConfigParser.resolve_relative_ids(place, expression)
    text: str = ReferenceResolver.update_refs_pattern(absolute, _AnyReference())
    return text[1:].strip()


def _parsed(text: str, mode: Literal["exec", "eval"]) -> Any:
    try:
        return ast.parse(text, mode=mode)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RefusedError("is no Python expression") from error


class _Checker:
    """Walks through an expression; ``used`` are the names that it found on the lists."""

    def __init__(self, aliases: Aliases) -> None:
        self.aliases = aliases
        self.used: list[str] = []

    def check(self, node: ast.AST, local: frozenset[str]) -> None:
        """Raise unless ``node`` and all inside it are allowed; ``local``: the arguments of lambdas around it."""
        match node:
            case ast.Call():
                self._check_call(node, local)
            case ast.Attribute():
                self._check_attribute(node, local)
            case ast.Name():
                self._check_name(node, local)
            case ast.Subscript(value=ast.Name(id=name)) if name == REFERENCES:
                pass  # check_references saw it
            case ast.Subscript():
                self._check_all((node.value, node.slice), local)
            case ast.Lambda():
                self.check(node.body, local | self._arguments(node))
            case ast.Constant():
                _check_constant(node.value)
            case ast.BinOp(right=ast.Constant(value=str(end))):  # @bundle_root + '/models': no path by itself
                check_text(end, is_end=True)
                self.check(node.left, local)
                _check_operator(node)
            case _ if isinstance(node, _PLAIN):
                self._check_all(ast.iter_child_nodes(node), local)
            case _:
                raise RefusedError(f"holds a {type(node).__name__}, which no config needs")

    def _check_all(self, nodes: Iterator[ast.AST] | tuple[ast.AST, ...], local: frozenset[str]) -> None:
        for node in nodes:
            self.check(node, local)

    def _check_call(self, node: ast.Call, local: frozenset[str]) -> None:
        function = node.func
        rules: list[tuple[str, Call]] = []
        if isinstance(function, ast.Name) and function.id in BUILTINS and function.id not in local:
            rules = [(function.id, BUILTINS[function.id])]
            self.used.append(function.id)
        elif names := self._listed(function, local):
            rules = [(name, NAMES[name]) for name in names]
        elif isinstance(function, ast.Attribute) and function.attr in METHODS:
            rules = [(f".{function.attr}", METHODS[function.attr])]
            self.check(function.value, local)
        else:
            raise RefusedError(f"calls {ast.unparse(function)}, which is not on the list")
        for name, rule in rules:
            _check_arguments(name, rule, node)
        self._check_all((*node.args, *(keyword.value for keyword in node.keywords)), local)

    def _check_attribute(self, node: ast.Attribute, local: frozenset[str]) -> None:
        if self._listed(node, local):
            return
        if node.attr not in ATTRIBUTES:
            raise RefusedError(f"reads .{node.attr} of what is not known here")
        self.check(node.value, local)

    def _check_name(self, node: ast.Name, local: frozenset[str]) -> None:
        if node.id not in local:
            raise RefusedError(f"names {node.id} by itself")

    def _listed(self, node: ast.AST, local: frozenset[str]) -> list[str]:
        """The full names of a chain that begins with an import, all of which are on the list; [] for no such chain."""
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not parts or not isinstance(node, ast.Name) or node.id in local or node.id == REFERENCES:
            return []
        modules = self.aliases.get(node.id, frozenset()) | {m for n, m in GLOBALS.items() if n == node.id}
        if not modules:
            raise RefusedError(f"names {node.id}, which nothing imports")
        names = [".".join((module, *reversed(parts))) for module in sorted(modules)]
        for name in names:
            if name not in NAMES:
                raise RefusedError(f"uses {name}, which is not on the list")
        self.used += names
        return names

    def _arguments(self, node: ast.Lambda) -> frozenset[str]:
        arguments = node.args
        names = frozenset(argument.arg for argument in arguments.args)
        if ast.unparse(arguments) != ", ".join(argument.arg for argument in arguments.args):
            raise RefusedError("holds a lambda with other than plain arguments")
        if taken := names & (BUILTINS.keys() | GLOBALS.keys() | self.aliases.keys() | {REFERENCES}):
            raise RefusedError(f"gives another meaning to {min(taken)}")
        return names


def _check_arguments(name: str, rule: Call, node: ast.Call) -> None:
    if rule.positional is not None and len(node.args) > rule.positional:
        raise RefusedError(f"calls {name} with {len(node.args)} plain arguments")
    if rule.positional is not None and any(isinstance(argument, ast.Starred) for argument in node.args):
        raise RefusedError(f"calls {name} with any number of arguments")
    for keyword in node.keywords:
        if rule.keywords is not None and keyword.arg not in rule.keywords:
            raise RefusedError(f"calls {name} with {keyword.arg or '**'}")


def _check_operator(node: ast.BinOp) -> None:
    if not isinstance(node.op, ast.Add):
        raise RefusedError(f"holds a {type(node.op).__name__}, which no config needs")


def _check_constant(value: object) -> None:
    if isinstance(value, str):
        if "__" in value:
            raise RefusedError(f"holds the text {value!r}")
        check_text(value)
