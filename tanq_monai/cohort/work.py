"""What a worker does: one scan, whose record is written last and says that it is done."""

import functools
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from tanq_monai.claims import locked
from tanq_monai.errors import InputError, mistake_behind, printable
from tanq_monai.files import file_stamps, write_json
from tanq_monai.labelling.labelled import Labelled
from tanq_monai.labelling.labeller import LINKS, SUFFIX, Labeller
from tanq_monai.labelling.links import link_scan
from tanq_monai.scans.gathering import GatheredScan

RECORDS = "records"
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labelling:
    """How the scans of a cohort are labelled.

    Attributes:
        folder: of the results.
        models: see :class:`tanq_monai.labelling.labeller.Labeller`.
        weights: SHA-256 of the models' files.
        ears_first: as of the labeller.
        threads: that compute in a worker.
        device: cpu, cuda or cuda:1; None: cuda where it is there.
    """

    folder: Path
    models: Path
    weights: str
    ears_first: bool
    threads: int
    device: str | None

    def key(self, scan: GatheredScan) -> str:
        """What changes when a scan's label has to be made again: with the scan, the models, and what is kept."""
        said = [self.weights, self.ears_first, scan.case, file_stamps(scan.files)]
        return hashlib.sha256(json.dumps(said).encode(errors="surrogateescape")).hexdigest()


def label_scan(scan: GatheredScan, key: str, labelling: Labelling) -> Labelled | str:
    """Label a scan, unless somebody has done it; of several who are given the same one, the others wait for the first.

    Args:
        scan: with a name of its own.
        key: as :meth:`Labelling.key` says.
        labelling: how.

    Returns:
        What was labelled, or a line about why it could not be.
    """
    try:
        with locked(_record_file(labelling.folder, scan.case).with_suffix(".lock")):
            return read_record(labelling.folder, scan.case, key) or _label(scan, key, labelling)
    except Exception as error:
        mistake = mistake_behind(error)
        if mistake is not None:
            return _one_line(str(mistake))
        _LOGGER.exception(
            "%s could not be labelled", scan.place
        )  # a fault of ours: its traceback, for the worker's log
        told = InputError(
            scan.place, f"could not be labelled ({type(error).__name__}: {error})", "see the worker's log"
        )
        return _one_line(str(told))


def read_record(folder: Path, case: str, key: str) -> Labelled | None:
    """What was labelled before, where the record has this key and all files that it names are there."""
    try:
        record = json.loads(_record_file(folder, case).read_text(encoding="utf-8"))
        one = Labelled.from_record(record["labelled"], folder)
        is_there = all(path is None or path.is_file() for path in (one.label, one.structure_set))
        return one if record["key"] == key and is_there else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _label(scan: GatheredScan, key: str, labelling: Labelling) -> Labelled | str:
    labeller = _labeller(labelling)
    link = link_scan(scan, labelling.folder / LINKS, SUFFIX)
    labelled: list[Labelled] = []
    problems = labeller.label({link: scan.place}, labelled.append)
    if problems:
        return _one_line("\n".join(problems))
    (one,) = labelled
    write_json({"key": key, "labelled": one.record()}, _record_file(labelling.folder, scan.case))
    return one


@functools.lru_cache(maxsize=1)
def _labeller(labelling: Labelling) -> Labeller:
    """Loaded once in the life of a worker."""
    torch.set_num_threads(labelling.threads)
    return Labeller(
        labelling.folder,
        labelling.models,
        labelling.ears_first,
        threads=labelling.threads,
        device=labelling.device,
    )


def _record_file(folder: Path, case: str) -> Path:
    return folder / RECORDS / f"{case}.json"


def _one_line(text: str) -> str:
    return printable("; ".join(text.splitlines()))
