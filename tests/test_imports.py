"""The arrows of the package point one way: what may import what, written out."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tanq_monai"

BASE = frozenset({"errors", "files", "structures", "choices"})
PARTS = frozenset({"networks", "losses", "transforms", "metrics", "phantom"})  # import nothing of each other
ALLOWED = {
    "errors": frozenset(),
    "files": frozenset({"errors"}),
    "precision": frozenset({"errors"}),
    "progress": frozenset(),
    "choices": frozenset({"errors"}),
    "steps": BASE,
    "ranks": frozenset(),
    "inferers": frozenset({"errors"}),
    "structures": frozenset({"errors"}),
    "scans": BASE,
    **{part: BASE | {"scans"} for part in PARTS},
    "data": PARTS | BASE | {"scans"},
    "trainers": PARTS | BASE | {"scans", "data", "ranks"},
    "segmentation": PARTS | BASE | {"scans", "data", "ranks", "steps"},
    "views": PARTS | BASE | {"scans", "data", "inferers"},
    "deploy": PARTS | BASE | {"scans", "data", "segmentation", "report", "steps", "precision"},
    "report": PARTS | BASE | {"scans", "data"},
    "adaptation": PARTS | BASE | {"scans", "data", "steps", "segmentation"},
    "demo": PARTS | BASE | {"scans", "data", "trainers", "segmentation", "steps", "report", "adaptation"},
    "cli": PARTS | BASE | {"scans", "data", "trainers", "segmentation", "report", "adaptation", "demo", "deploy"},
    "__main__": frozenset({"cli"}),
    "__init__": frozenset(),
}
NEVER = {"tests", "bundles", "scripts"}
# Inside the phantom: tissue, how it is painted, what is painted, how it is scanned, what is done with scans.
PHANTOM = ("tissues", "painting", "anatomy", "scanner", "parallel", "dataset", "check")


def _imported_modules(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Dotted names that a module imports, at its top or inside a function, relative ones resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")
            base = parents[: len(parents) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            # `from tanq_monai import metrics` imports a part as well
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def forbidden_imports(package: Path) -> list[str]:
    """Every import of ``package`` that the rule does not allow, as ``file: importer -> imported``."""
    wrong = []
    for path in sorted(package.rglob("*.py")):
        names = list(path.relative_to(package).with_suffix("").parts)
        part = names[0]
        module = ".".join([package.name, *(name for name in names if name != "__init__")])
        for imported in _imported_modules(ast.parse(path.read_text()), module, path.name == "__init__.py"):
            root, *rest = imported.split(".")
            target = rest[0] if rest else "__init__"
            outside = root != package.name
            is_name = not outside and not (package / target).is_dir() and not (package / f"{target}.py").is_file()
            allowed = ALLOWED.get(part, frozenset()) | {part, "__init__"}
            if (outside and root in NEVER) or (not outside and not is_name and target not in allowed):
                wrong.append(f"{path.relative_to(package)}: {part} -> {imported}")
    return wrong


def test_imports_of_the_package_point_one_way():
    assert forbidden_imports(PACKAGE) == []


def test_imports_of_the_phantom_point_one_way():
    wrong = []
    for path in (PACKAGE / "phantom").rglob("*.py"):
        own, *_ = path.relative_to(PACKAGE / "phantom").with_suffix("").parts
        for imported in _imported_modules(ast.parse(path.read_text()), "tanq_monai.phantom", False):
            parts = imported.removeprefix("tanq_monai.phantom.").split(".")
            if own in PHANTOM and parts[0] in PHANTOM and PHANTOM.index(parts[0]) > PHANTOM.index(own):
                wrong.append(f"{path.name}: {own} -> {imported}")
    assert wrong == []


def test_every_part_of_the_package_is_named_in_the_rule():
    parts = {path.stem for path in PACKAGE.glob("*.py")}
    parts |= {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert parts <= set(ALLOWED), f"say in ALLOWED what {sorted(parts - set(ALLOWED))} may import"


@pytest.mark.parametrize(
    "layer", [*sorted(BASE), "scans", *sorted(PARTS), "data", "trainers", "segmentation", "views", "report", "demo"]
)
def test_no_part_is_allowed_to_reach_itself_in_a_circle(layer):
    reached, queue = set(), list(ALLOWED[layer])
    while queue:
        part = queue.pop()
        reached.add(part)
        queue += ALLOWED[part] - reached
    assert layer not in reached


@pytest.mark.parametrize(
    "line",
    [
        "import tanq_monai.data.slices",
        "import tanq_monai.losses as losses",
        "from tanq_monai.networks import TanqGenerator",
        "from tanq_monai import trainers",
        "from ..phantom import head",
        "from .. import data",
        "def late():\n    from tanq_monai.demo import report",
        "import tests.helpers",
    ],
)
def test_the_reader_finds_an_import_against_the_arrows(tmp_path, line):
    package = tmp_path / "tanq_monai"
    for part in (*PARTS, "data", "trainers", "demo"):
        (package / part).mkdir(parents=True)
    (package / "metrics" / "dice.py").write_text(line)
    assert len(forbidden_imports(package)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "from . import surface",
        "from .surface import area",
        "import numpy.data",
        "from tanq_monai import __version__",
        "from tanq_monai.errors import InputError",
    ],
)
def test_the_reader_lets_imports_along_the_arrows_pass(tmp_path, line):
    package = tmp_path / "tanq_monai"
    (package / "metrics").mkdir(parents=True)
    (package / "errors.py").write_text("")
    (package / "metrics" / "dice.py").write_text(line)
    assert forbidden_imports(package) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    ["tanq_monai.deploy.runtime", "tanq_monai.metrics", "tanq_monai.metrics.scoring", "tanq_monai.scans.volume"],
)
def test_nothing_large_is_imported_before_it_is_needed(module):
    large = ("torch", "monai", "nibabel", "pydicom", "pandas", "scipy.ndimage", "scipy.stats", "yaml")
    line = f"import sys, {module}; sys.exit(' '.join(name for name in {large} if name in sys.modules) or None)"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
