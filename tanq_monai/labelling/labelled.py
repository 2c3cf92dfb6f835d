"""What is told of a labelled scan: volumes and sizes, and in words what speaks against its label."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tanq_monai.anatomy.ears_first import EarsFirst
from tanq_monai.anatomy.findings import Findings, find
from tanq_monai.files import renewing, write_text
from tanq_monai.scans.labels import read_labels
from tanq_monai.structures import Structures

COLUMNS = ("case", "vs_ml", "cochlea_right_ml", "cochlea_left_ml", "vs_side", "vs_axial_diameter_mm", "remarks")


@dataclass(frozen=True)
class Labelled:
    """A labelled scan.

    Attributes:
        case: its name.
        scan: its file, or the folder of its series.
        label: the file.
        findings: see :func:`tanq_monai.anatomy.findings.find`.
        remarks: what to look at.
        seconds: that it took.
        structure_set: the RT Structure Set of a DICOM series; None of other scans, and where nothing was found.
        sha256: of the scan's file, or of the files of its series, one after the other.
    """

    case: str
    scan: Path
    label: Path
    findings: Findings
    remarks: tuple[str, ...]
    seconds: float
    structure_set: Path | None = None
    sha256: str = ""

    @property
    def row(self) -> dict[str, Any]:
        """Of the table, by :data:`COLUMNS`: ml, and mm from edge to edge in an axial slice; empty without a VS."""
        vs, ears = self.findings["VS"], self.findings["cochlea"]
        volumes = (vs["volume_ml"], ears["right"]["volume_ml"], ears["left"]["volume_ml"])
        side, diameter = vs.get("side") or "", vs.get("axial_diameter_mm", "")
        return dict(zip(COLUMNS, (self.case, *volumes, side, diameter, "; ".join(self.remarks)), strict=True))

    def __str__(self) -> str:
        """One line."""
        vs, ears = self.findings["VS"], self.findings["cochlea"]
        side = f" {vs['side']}" if vs.get("side") else ""
        tumor = f"VS{side} {vs['volume_ml']:.3f} ml, {vs['axial_diameter_mm']:.1f} mm" if vs["found"] else "no VS"
        cochleae = [
            f"{name} {ear['volume_ml']:.3f} ml" if ear["found"] else f"{name} not found" for name, ear in ears.items()
        ]
        told = [f"{self.case}: {tumor}; cochlea {', '.join(cochleae)}", *self.remarks]
        return "; ".join(told)

    def record(self) -> dict[str, Any]:
        """What :meth:`from_record` reads; files beside the label by their names, since folders may be moved."""
        structure_set = None if self.structure_set is None else self.structure_set.name
        files = {"scan": str(self.scan), "label": self.label.name, "structure_set": structure_set}
        return {**vars(self), **files}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], folder: Path) -> "Labelled":
        """What was labelled, with its files in ``folder``.

        Raises:
            LookupError, TypeError: when it is no record.
        """
        structure_set = None if record["structure_set"] is None else folder / record["structure_set"]
        files = {"scan": Path(record["scan"]), "label": folder / record["label"], "structure_set": structure_set}
        return cls(**{**record, "remarks": tuple(record["remarks"]), **files})

    def described(self) -> dict[str, Any]:
        """For machines."""
        measured = {key: value for key, value in self.findings.items() if key != "doubts"}
        files = {"case": self.case, "scan": str(self.scan), "label": str(self.label)}
        files |= {} if self.structure_set is None else {"structure_set": str(self.structure_set)}
        return {**files, **measured, "remarks": [*self.remarks], "seconds": round(self.seconds, 2)}


def measure(
    case: str, scan: Path, label: Path, structures: Structures, ears_first: bool, seconds: float = 0.0
) -> Labelled:
    """Measure the label of a scan.

    Args:
        case: its name.
        scan: its file or folder.
        label: the file.
        structures: names and label values.
        ears_first: whether that rule was applied, which has a word on ears that were not found.
        seconds: that the label took.
    """
    found = read_labels(label, structures.values())
    findings = find(found.labels, found.affine, structures)
    _, told = EarsFirst(structures)(found.labels, found.affine) if ears_first else (None, "")
    doubts = findings["doubts"] if found.labels.any() or not told else []
    return Labelled(case, scan, label, findings, tuple(filter(None, (told, *doubts))), seconds)


def write_table(labelled: Iterable[Labelled], path: Path) -> None:
    """Write the rows as CSV, UTF-8.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(one.row for one in labelled)
    with renewing(path) as temporary:
        write_text(text.getvalue(), temporary)
