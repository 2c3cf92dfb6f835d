"""What the documents tell a user to type or to click is there: commands, options, configs, links, `make` targets."""

import ast
import inspect
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tanq_monai import cli, manual

ROOT = Path(__file__).parents[1]
CARDS = {f"bundles/{bundle}/docs/README.md": bundle for bundle in ("tanq_translation", "vs_cochlea_seg")}
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
    *CARDS,
]
MONAIS_OWN = {"config_file", "meta_file", "logging_file", "tracking"}
OPTION = re.compile(r"--([\w#-]+)")


class Command(NamedTuple):
    """Words of a command in a document and the folder below the repository in which it is typed."""

    document: str
    folder: str
    words: tuple[str, ...]

    def options(self) -> dict[str, str]:
        """Name and value of every ``--option``."""
        pairs = zip(self.words, [*self.words[1:], ""], strict=True)
        return {word[2:]: value for word, value in pairs if word.startswith("--")}

    def after(self, word: str) -> "Command":
        """The part of it behind a word: that which a launcher starts."""
        return self._replace(words=self.words[self.words.index(word) + 1 :])

    def follows(self, *words: str) -> bool:
        """Whether ``words`` stand beside each other in the command."""
        return any(self.words[at : at + len(words)] == words for at in range(len(self.words)))


def blocks(text: str) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def inline_code(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def commands() -> list[Command]:
    """Every line of every code block, in the folder that ``cd`` lines before it lead to."""
    found = []
    for document in DOCUMENTS:
        for block in blocks((ROOT / document).read_text()):
            folder = ROOT / "bundles" / CARDS[document] if document in CARDS else ROOT
            for line in block.replace("\\\n", " ").splitlines():
                words = tuple(shlex.split(line, comments=True))
                if words[:1] == ("cd",):
                    folder = (folder / re.sub(r"_v[\d.]+$", "", words[1])).resolve()  # as fetch names it
                elif words:
                    found.append(Command(document, str(folder.relative_to(ROOT)), words))
    return found


COMMANDS = commands()
BUNDLE_RUNS = [command for command in COMMANDS if command.follows("-m", "monai.bundle", "run")]
CALLS = [command.words for command in COMMANDS if command.follows("-m", "tanq_monai")]
CALLS += [
    tuple(shlex.split(code))
    for document in DOCUMENTS
    for code in inline_code((ROOT / document).read_text())
    if "-m tanq_monai " in code
]
CALLS += [command.words for command in COMMANDS if command.words[0] == manual.PROGRAM]
CALLS += [tuple(line.split()) for line in (ROOT / "Makefile").read_text().splitlines() if "-m tanq_monai " in line]


def holds(config: Any, option: str) -> bool:
    """Whether ``a#b`` is an id of the config."""
    for key in option.split("#"):
        if not isinstance(config, dict) or key not in config:
            return False
        config = config[key]
    return True


def ids_of_bundle(bundle: str) -> list[Any]:
    return [yaml.safe_load(path.read_text()) for path in (ROOT / "bundles" / bundle / "configs").glob("*.yaml")]


def files_of(value: str) -> list[str]:
    """One path, or a list of configs that lie over each other."""
    return yaml.safe_load(value) if value.startswith("[") else [value]


def test_every_document_that_should_hold_commands_holds_them():
    runs = [run.document for run in BUNDLE_RUNS]
    assert runs.count("docs/adapt.md") == 5
    assert all(runs.count(card) >= 2 for card in CARDS)
    assert len(CALLS) >= 3


@pytest.mark.parametrize("run", BUNDLE_RUNS, ids=lambda run: f"{run.document}-{run.options()['config_file']}")
def test_files_and_options_of_a_bundle_command_are_those_of_the_bundle(run):
    options = run.after("monai.bundle").options()
    files = {name: files_of(options[name]) for name in MONAIS_OWN & set(options)}
    for file in (file for several in files.values() for file in several):
        assert (ROOT / run.folder / file).is_file(), file
    configs = [yaml.safe_load((ROOT / run.folder / file).read_text()) for file in files["config_file"]]
    own = [name for name in options if name not in MONAIS_OWN]
    assert [name for name in own if not any(holds(config, name) for config in configs)] == []


@pytest.mark.parametrize("document", ["README.md", *CARDS])
def test_options_named_in_the_text_belong_to_a_config_or_the_command_line(document):
    text = (ROOT / document).read_text()
    bundles = [CARDS[document]] if document in CARDS else sorted(CARDS.values())
    configs = [config for bundle in bundles for config in ids_of_bundle(bundle)]
    snippets = [code for code in inline_code(text) if "tanq_monai" not in code and "scripts/" not in code]
    snippets += [block for block in blocks(text) if block.startswith("--")]
    options = [option for code in snippets for option in OPTION.findall(code)]
    parameters = {name for function in cli.COMMANDS.values() for name in inspect.signature(function).parameters}
    typed = {name.replace("_", "-") for name in parameters} | {"help", "version", "completion"}
    assert options
    unknown = [o for o in options if o not in MONAIS_OWN and not any(holds(config, o) for config in configs)]
    assert [option for option in unknown if option not in typed] == []


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_options_of_the_command_line_are_parameters_of_its_functions(words):
    program = "tanq_monai" if "tanq_monai" in words else manual.PROGRAM
    name, *rest = words[words.index(program) + 1 :]
    function = cli.COMMANDS[name]
    assert function.__module__.startswith(f"{cli.__name__}.")
    options = {word[2:].replace("-", "_") for word in rest if word.startswith("--")}
    assert options <= set(inspect.signature(function).parameters)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_options_of_scripts_are_parameters_in_them(document):
    benchmarks = list((ROOT / "scripts" / "benchmarks").glob("*.py"))
    for script, rest in re.findall(r"scripts/(\w+\.py)([^`\n]*)", (ROOT / document).read_text()):
        files = [ROOT / "scripts" / script, *(benchmarks if script == "bench.py" else [])]
        nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
        known = {arg.arg for node in nodes if isinstance(node, ast.FunctionDef) for arg in node.args.args}
        assert {option.replace("-", "_") for option in OPTION.findall(rest)} <= known, script


@pytest.mark.parametrize("document", DOCUMENTS)
def test_relative_links_and_images_lead_to_files(document):
    targets = re.findall(r"\]\(([^)\s]+)\)", (ROOT / document).read_text())
    relative = [target.split("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert [target for target in relative if not ((ROOT / document).parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tests_scripts_and_configs_named_in_the_text_exist(document):
    named = re.findall(r"\b(?:tests|scripts|configs)/[\w/]+\.(?:py|yaml|json)\b", (ROOT / document).read_text())
    bundles = [CARDS[document]] if document in CARDS else sorted(CARDS.values())
    folders = [ROOT, *(ROOT / "bundles" / bundle for bundle in bundles)]
    sources = [re.sub(r"^(configs/(?:inference|train)).json$", r"\1.yaml", name) for name in named]  # rendered to JSON
    assert [name for name in sources if not any((folder / name).is_file() for folder in folders)] == []


def test_make_targets_named_in_the_documents_exist():
    targets = set(re.findall(r"^([\w./-]+):(?!=)", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    texts = [code for document in DOCUMENTS for code in inline_code((ROOT / document).read_text())]
    named = {words[1] for words in map(str.split, texts) if len(words) == 2 and words[0] == "make"}
    named |= {command.words[1] for command in COMMANDS if command.words[0] == "make"}
    assert {"demo", "test"} <= named
    assert named <= targets
