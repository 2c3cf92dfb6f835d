"""The arrows of the package point one way: what may import what, written out."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "tanq_monai"

BASE = frozenset({"errors", "claims", "files", "structures", "choices", "provenance"})
READING = BASE | {"scans", "anatomy"}  # what a user's scans and labels are, and what a label can be
PARTS = frozenset({"networks", "losses", "metrics", "phantom"})  # import nothing of each other
KNOWN = PARTS | READING | {"ranks", "weights", "divergence"}
ALLOWED = {
    "errors": frozenset(),
    "claims": frozenset(),
    "files": frozenset({"errors", "claims"}),
    "provenance": frozenset({"errors", "claims", "files"}),
    "precision": frozenset({"errors"}),
    "progress": frozenset(),
    "choices": frozenset({"errors", "structures", "provenance", "ranks"}),
    "steps": BASE,
    "ranks": frozenset({"errors"}),
    "weights": BASE,
    "divergence": BASE | {"ranks", "weights"},
    "structures": frozenset({"errors"}),
    "anatomy": frozenset({"errors", "structures"}),
    "scans": BASE,
    **{part: READING for part in PARTS},
    "evaluation": READING | {"metrics"},
    "orphans": frozenset(),
    "segmentation": KNOWN | {"steps", "orphans"},
    "translation": KNOWN,
    "trainers": KNOWN | {"translation"},
    "report": KNOWN | {"evaluation"},
    "check": READING | {"report"},
    "dicom_results": READING | {"report"},
    "deploy": KNOWN | {"translation", "segmentation", "report", "dicom_results", "steps", "precision"},
    "labelling": KNOWN | {"steps", "segmentation", "report", "dicom_results", "deploy"},
    "growth": READING | {"labelling", "report"},
    "cohort": READING | {"labelling", "segmentation"},
    "adaptation": KNOWN | {"steps", "segmentation"},
    "federated": KNOWN | {"steps", "segmentation", "adaptation"},
    "demo": KNOWN | {"translation", "trainers", "segmentation", "steps", "report", "adaptation"},
    "cli": KNOWN
    | {
        "evaluation",
        "trainers",
        "segmentation",
        "report",
        "labelling",
        "growth",
        "cohort",
        "adaptation",
        "federated",
        "demo",
        "deploy",
        "steps",
        "check",
    }
    | {"completion", "manual", "words"},
    "manual": frozenset(),
    "completion": frozenset({"choices", "manual"}),
    "words": frozenset({"choices", "errors", "manual"}),
    "__main__": frozenset({"errors", "cli"}),
    "__init__": frozenset(),
}
NEVER = {"tests", "bundles", "scripts"}
# Inside the segmentation: the plan, what it does to scans, how a network is trained, how rounds of trainings go.
SEGMENTATION = ("plan", "inference", "training", "rounds")
# Inside the phantom: tissue, how it is painted, what is painted, how it is scanned, what is done with scans.
PHANTOM = ("draws", "tissues", "painting", "anatomy", "scanner", "parallel", "dataset", "check")


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


@pytest.mark.parametrize(("part", "order"), [("segmentation", SEGMENTATION), ("phantom", PHANTOM)])
def test_imports_inside_a_part_point_one_way(part, order):
    wrong = []
    for path in (PACKAGE / part).rglob("*.py"):
        own, *_ = path.relative_to(PACKAGE / part).with_suffix("").parts
        for imported in _imported_modules(ast.parse(path.read_text()), f"tanq_monai.{part}", False):
            first = imported.removeprefix(f"tanq_monai.{part}.").split(".")[0]
            if own in order and first in order and order.index(first) > order.index(own):
                wrong.append(f"{path.name}: {own} -> {imported}")
    assert wrong == []


def test_every_part_of_the_package_is_named_in_the_rule():
    parts = {path.stem for path in PACKAGE.glob("*.py")}
    parts |= {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert parts <= set(ALLOWED), f"say in ALLOWED what {sorted(parts - set(ALLOWED))} may import"


@pytest.mark.parametrize(
    "layer",
    [
        *sorted(BASE),
        "scans",
        "anatomy",
        *sorted(PARTS),
        "segmentation",
        "translation",
        "trainers",
        "report",
        "check",
        "demo",
    ],
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
        "import tanq_monai.translation.slices",
        "import tanq_monai.losses as losses",
        "from tanq_monai.networks import TanqGenerator",
        "from tanq_monai import trainers",
        "from ..phantom import head",
        "from .. import translation",
        "def late():\n    from tanq_monai.demo import report",
        "import tests.helpers",
    ],
)
def test_the_reader_finds_an_import_against_the_arrows(tmp_path, line):
    package = tmp_path / "tanq_monai"
    for part in (*PARTS, "translation", "trainers", "demo"):
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
    ["tanq_monai.deploy.runtime", "tanq_monai.metrics", "tanq_monai.evaluation.scoring", "tanq_monai.scans.volume"],
)
def test_nothing_large_is_imported_before_it_is_needed(module):
    large = ("torch", "monai", "nibabel", "pydicom", "pandas", "scipy.ndimage", "scipy.stats", "yaml")
    line = f"import sys, {module}; sys.exit(' '.join(name for name in {large} if name in sys.modules) or None)"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "import tanq_monai.labelling, tanq_monai.report, tanq_monai.growth, tanq_monai.adaptation",
        "from tanq_monai.steps import bundle_step; bundle_step('a', 'tanq_translation', 'inference', {'style': 'ldn'})",
    ],
)
def test_no_command_waits_for_torch_or_monai_to_check_what_it_was_given(line):
    program = f"import sys\n{line}\nsys.exit(' '.join({{'torch', 'monai', 'pandas'}} & {{*sys.modules}}) or None)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
