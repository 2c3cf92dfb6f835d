"""What is told of a labelled scan: volumes and sizes, and in words what speaks against its label."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tanq_monai.anatomy.ears_first import EarsFirst
from tanq_monai.anatomy.findings import PARTS, Findings, find
from tanq_monai.anatomy.koos import KOOS, estimate_koos
from tanq_monai.files import renewing, write_text
from tanq_monai.scans.labels import read_labels
from tanq_monai.structures import Structures

TABLE = "volumes.csv"
COLUMNS = ("vs_ml", "cochlea_right_ml", "cochlea_left_ml", "vs_side", "vs_axial_diameter_mm", f"vs_{KOOS}")


@dataclass(frozen=True)
class Labelled:
    """A labelled scan.

    Attributes:
        case: its name.
        scan: its file, or the folder of its series.
        label: the file.
        findings: see :func:`tanq_monai.anatomy.findings.find`; of a VS also its Koos grade, or why it has none.
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
        """Of the table: :data:`COLUMNS` of VS and cochlea, ml and, edge to edge in an axial slice, mm; of others ml.

        Empty without a VS. Where the parts of the VS are labelled, they have columns, too.
        """
        cells: dict[str, Any] = {"case": self.case}
        if self._knows_ears:
            vs, ears = self.findings["VS"], self.findings["cochlea"]
            volumes = (vs["volume_ml"], ears["right"]["volume_ml"], ears["left"]["volume_ml"])
            told = (vs.get("side") or "", vs.get("axial_diameter_mm", ""), vs.get(KOOS, ""))
            cells |= zip(COLUMNS, (*volumes, *told), strict=True)
            cells |= {f"vs_{part}": vs[part] for part in PARTS if part in vs}
        cells |= {f"{name}_ml": found["volume_ml"] for name, found in self._others.items()}
        return {**cells, "remarks": "; ".join(self.remarks)}

    def __str__(self) -> str:
        """One line."""
        told = [*self._told_of_ears()] if self._knows_ears else []
        told += [_told(name, found) for name, found in self._others.items()]
        return "; ".join([f"{self.case}: {told[0]}", *told[1:], *self.remarks])

    @property
    def _knows_ears(self) -> bool:
        """Whether VS and cochlea are measured as such, by side and diameter."""
        return "right" in self.findings.get("cochlea", {})

    @property
    def _others(self) -> dict[str, Findings]:
        judged = ("VS", "cochlea") if self._knows_ears else ()
        return {name: found for name, found in self.findings.items() if name not in (*judged, "doubts")}

    def _told_of_ears(self) -> Iterator[str]:
        vs, ears = self.findings["VS"], self.findings["cochlea"]
        side = f" {vs['side']}" if vs.get("side") else ""
        yield f"VS{side} {vs['volume_ml']:.3f} ml, {vs['axial_diameter_mm']:.1f} mm" if vs["found"] else "no VS"
        yield f"cochlea {', '.join(_told(name, ear) for name, ear in ears.items())}"

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


@dataclass(kw_only=True)
class Results:
    """A folder of results, and what of the scans is not in it.

    Attributes:
        folder: of the labels and the table.
        problems: lines about what looks like a scan and could not be used.
        passed_over: lines about series of other contrasts.
    """

    folder: Path
    problems: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)

    @property
    def table(self) -> Path:
        """Volumes and sizes, one row a labelled scan."""
        return self.folder / TABLE


def measure(
    case: str,
    scan: Path,
    label: Path,
    structures: Structures,
    ears_first: bool,
    seconds: float = 0.0,
    voxels: NDArray[Any] | None = None,
) -> Labelled:
    """Measure the label of a scan.

    Args:
        case: its name.
        scan: its file or folder.
        label: the file.
        structures: names and label values.
        ears_first: whether that rule was applied, which has a word on ears that were not found.
        seconds: that the label took.
        voxels: of the scan, (I, J, K); None: no Koos grade is estimated.
    """
    found = read_labels(label, structures.values())
    findings = find(found.labels, found.affine, structures)
    if voxels is not None:
        findings = estimate_koos(found.labels, voxels, found.affine, structures).added_to(findings)
    _, told = EarsFirst(structures)(found.labels, found.affine) if ears_first else (None, "")
    doubts = findings["doubts"] if found.labels.any() or not told else []
    return Labelled(case, scan, label, findings, tuple(filter(None, (told, *doubts))), seconds)


def _told(name: str, found: Findings) -> str:
    return f"{name} {found['volume_ml']:.3f} ml" if found["found"] else f"{name} not found"


def write_table(labelled: Sequence[Labelled], path: Path) -> None:
    """Write the rows as CSV, UTF-8; all of the same structures, of none the columns of VS and cochlea.

    Raises:
        InputError: as :func:`tanq_monai.files.renewing`.
    """
    columns = list(labelled[0].row) if labelled else ["case", *COLUMNS, "remarks"]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(one.row for one in labelled)
    with renewing(path) as temporary:
        write_text(text.getvalue(), temporary)
