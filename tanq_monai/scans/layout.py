"""The folders of a data set, as crossMoDA names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tanq_monai.errors import InputError

ROLES = ("source", "target", "test")  # of labelled ceT1, of hrT2 to train on, of hrT2 to test on
# Names of their folders in crossMoDA 2022 and 2023, and in 2021.
LAYOUTS = (
    ("training_source", "training_target", "validation"),
    ("source_training", "target_training", "target_validation"),
)


@dataclass(frozen=True)
class Scans:
    """Folders of a data set.

    Attributes:
        source: ceT1 with labels; is there where it was asked for.
        target: hrT2 without labels, trained on.
        test: hrT2 that nothing is trained on; None where there is none.
    """

    source: Path
    target: Path
    test: Path | None = None


def find_scans(folder: str | Path, needed: Sequence[str] = ("source", "target")) -> Scans:
    """The folders of crossMoDA 2021, 2022 or 2023.

    Args:
        folder: that holds them.
        needed: which of them have to be there, of :data:`ROLES`; "target" at least.

    Raises:
        InputError: when they are not there.
    """
    root = Path(folder).resolve()
    found = folders_in(root)
    if not {*needed} <= {*found}:
        layouts = [dict(zip(ROLES, names, strict=True)) for names in LAYOUTS]
        wanted = " or ".join(" and ".join(names[role] for role in needed) for names in layouts)
        raise InputError(root, "has not the folders of crossMoDA", f"give one with {wanted}")
    return Scans(**{"source": root / LAYOUTS[0][0]} | found)


def folders_in(folder: Path) -> dict[str, Path]:
    """The folders of crossMoDA that lie in a folder, by :data:`ROLES`; none where it is laid out otherwise."""
    known = (dict(zip(ROLES, names, strict=True)) for names in LAYOUTS)
    return max(
        ({role: folder / name for role, name in names.items() if (folder / name).is_dir()} for names in known), key=len
    )
