"""Tables beside the scans: crossMoDA's Koos grades, and what the generator knows of every patient."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tanq_monai.files import VIRTUAL, renewing
from tanq_monai.phantom.dataset.cases import WITHHELD, Case
from tanq_monai.phantom.dataset.scans import CaseScans
from tanq_monai.phantom.scanner.protocols import Site

_CENTERS: dict[Site, str] = {"ldn": "London", "etz": "Tilburg"}


@dataclass(frozen=True)
class PatientRow:
    """One line of ``patients.csv``; a patient without VS has no side and no grade.

    Args:
        name: file name without contrast and ending.
        subset: source, target, test or paired.
        site: ldn or etz.
        sequence: of the scan, of both scans of a pair.
        side: of the VS, right or left.
        vs_mm3: volume of the VS as drawn; that of the label differs by its voxels.
        koos: 1 to 4.
        cystic: whether the VS has cysts.
        seed: of the data set.
        index: place in the subset; seed, subset and index make the patient again.
    """

    name: str
    subset: str
    site: Site
    sequence: str
    side: str
    vs_mm3: float
    koos: int | None
    cystic: bool
    seed: int
    index: int


def patient_row(case: Case, scans: CaseScans, seed: int) -> PatientRow:
    """What the generator knows of a case."""
    tumor = scans.patient.tumor
    return PatientRow(
        name=case.name,
        subset=case.subset,
        site=case.site,
        sequence=" + ".join(protocol.name for protocol in scans.protocols.values()),
        side="" if tumor is None else "right" if tumor.shape.porus[0] > 0 else "left",
        vs_mm3=0.0 if tumor is None else round(tumor.volume, 1),
        koos=None if tumor is None else tumor.koos,
        cystic=tumor is not None and len(tumor.cysts) > 0,
        seed=seed,
        index=case.index,
    )


def tables(root: Path) -> tuple[Path, Path]:
    """Files of the grades and of the patients."""
    return root / "infos_source_training.csv", root / WITHHELD / "patients.csv"


def write_tables(root: Path, rows: Sequence[PatientRow]) -> None:
    """Write ``infos_source_training.csv`` as crossMoDA 2022 has it, and ``patients.csv`` beside the withheld labels.

    crossMoDA has grades of source patients only, and calls one whose VS was removed ``post-operative-london``.
    """
    infos: list[dict[str, object]] = [
        {
            "crossmoda_name": row.name,
            "center": _CENTERS[row.site],
            "group": "training_source",
            "koos": row.koos or f"post-operative-{_CENTERS[row.site].lower()}",
        }
        for row in rows
        if row.subset == "source"
    ]
    grades, patients = tables(root)
    _write(grades, ("crossmoda_name", "center", "group", "koos"), infos)
    _write(patients, tuple(f.name for f in fields(PatientRow)), [asdict(row) for row in rows])


def _write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, object]]) -> None:
    with renewing(path, VIRTUAL) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
