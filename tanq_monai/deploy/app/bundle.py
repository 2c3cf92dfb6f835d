"""The bundle that an application runs: a folder with ``configs`` and ``models``."""

from dataclasses import dataclass
from pathlib import Path

from tanq_monai.choices.documents import parse_json
from tanq_monai.errors import InputError
from tanq_monai.scans.folder import style_of
from tanq_monai.segmentation.plan.plans import read_structures
from tanq_monai.structures import STRUCTURES
from tanq_monai.translation.model_choices import read_choices


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Args:
        root: its folder, absolute.
        name: of the folder.
        version: of its metadata.
    """

    root: Path
    name: str
    version: str

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def find_bundle(folder: str | Path, name: str) -> Bundle:
    """The bundle ``name``: ``folder`` itself, or a folder of that name in it.

    Raises:
        InputError: when there is none, it is of another task, has no weights, or labels other structures.
    """
    folder = Path(folder).resolve()
    root = folder / name if (folder / name / "configs").is_dir() else folder
    metadata = root / "configs" / "metadata.json"
    remedy = f"give the folder of the bundle {name}"
    try:
        content = parse_json(metadata.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(metadata, f"cannot be read ({error})", remedy) from error
    kind = "segmentation" if name == "vs_cochlea_seg" else "magnitude"
    try:
        found = content["network_data_format"]["outputs"]["pred"]["format"]
    except (KeyError, TypeError):
        found = None
    if found != kind:
        raise InputError(root, f"is of another task, its output is {found}, not {kind}", remedy)
    weights = ("model.ts", "model.pt") if kind == "segmentation" else ("model.pt",)
    if not any((root / "models" / file).is_file() for file in weights):
        raise InputError(root / "models", f"holds no {' or '.join(weights)}", "put trained weights there")
    if kind == "segmentation":
        _check_classes(root / "models" / "dataset.json")
    return Bundle(root, name, str(content.get("version", "")))


def _check_classes(dataset_file: Path) -> None:
    """The segments and the report are of these two structures; others would be called by their names."""
    labels = read_structures(dataset_file)
    if labels != STRUCTURES:
        problem = f"labels {', '.join(labels)}, not {' and '.join(STRUCTURES)}"
        raise InputError(dataset_file, problem, "give a segmenter of these two")


def style_of_bundle(bundle: Bundle, style: str | None) -> str:
    """Which of the looks of hrT2 that a translator keeps apart; a translator of one look has no choice.

    Raises:
        InputError: when ``style`` is none of its looks, or it has several and none is given.
    """
    styles: list[str] = read_choices(bundle.root / "models" / "model.pt")["styles"]
    if style is None and len(styles) > 1:
        raise InputError("--style", f"is missing, {bundle.name} knows several", f"choose one of {', '.join(styles)}")
    return styles[0] if style is None else styles[style_of(style, styles)]
