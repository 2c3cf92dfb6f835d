"""The raw data set as it grows, with the provenance of every file: what is there already is not made again."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tanq_monai.errors import InputError
from tanq_monai.files import check_renewable, sha256_of, write_json
from tanq_monai.provenance import FILES, PROVENANCE, environment
from tanq_monai.scans.grid import Grid
from tanq_monai.scans.naming import CHANNEL, ENDING
from tanq_monai.scans.raw_dataset import (
    DESCRIPTION,
    IMAGES,
    LABELS,
    describe_dataset,
    read_provenance,
)
from tanq_monai.structures import STRUCTURES, Structures

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class VolumeFiles:
    """What is written for one translation.

    Attributes:
        voxels: (i, j, k).
        labels: (i, j, k).
        grid: of both.
    """

    voxels: NDArray[np.float32]
    labels: NDArray[np.uint8]
    grid: Grid


class RawDatasetWriter:
    """Fills a folder with images and labels; ``provenance.json`` and ``dataset.json`` come last.

    A file counts as there when it was completed, from what it would be made of now: a run that was interrupted goes on,
    and a new model makes new files. Every file is there completely or not at all. Until the end, a line of
    ``.provenance.jsonl`` says of each file what it was made of, or null while it is made.

    Args:
        folder: of the data set.
        structures: names and values of its labels.

    Raises:
        InputError: when its ``provenance.json`` cannot be read, or it is a data set of somebody else.
    """

    def __init__(self, folder: str | Path, structures: Structures = STRUCTURES) -> None:
        self.folder, self.structures = Path(folder), structures
        self.journal = self.folder / ".provenance.jsonl"
        self.records = read_provenance(self.folder)
        if (self.folder / DESCRIPTION).exists() and not (self.folder / PROVENANCE).exists():
            raise InputError(self.folder, f"holds a {DESCRIPTION} that no run wrote", "choose another folder")
        for line in self.journal.read_text(encoding="utf-8").splitlines() if self.journal.exists() else ():
            with contextlib.suppress(ValueError):  # the run was killed while it wrote this line
                self._keep(**json.loads(line))

    def has(self, name: str, facts: Facts, measured: Iterable[str] = ()) -> bool:
        """Whether ``name`` is complete, made of ``facts``, with the ``measured`` in its record."""
        record = self.records.get(name, {})
        complete = all((self.folder / path).is_file() for path in _paths(name))
        known = {key: record.get(key) for key in facts}
        return complete and known == dict(facts) and all(key in record for key in measured)

    def write(self, name: str, files: VolumeFiles, facts: Facts, measured: Facts | None = None) -> None:
        """Image, label and record of ``name``, in this order; what is measured is kept beside the facts."""
        image, label = (self.folder / path for path in _paths(name))
        check_renewable([image, label])
        (self.folder / DESCRIPTION).unlink(missing_ok=True)  # no finished data set while its files change
        self._note(name, None)  # from here on the old image may be a new one
        files.grid.save(files.voxels, image)
        files.grid.save(files.labels, label)
        self._note(name, {**facts, **(measured or {}), "date": date.today().isoformat()})

    def finish(self, names: Iterable[str]) -> None:
        """Declare that the data set consists of ``names``."""
        write_json({**environment(), FILES: dict(sorted(self.records.items()))}, self.folder / PROVENANCE)
        self.journal.unlink(missing_ok=True)
        files = {name: _paths(name) for name in sorted(names)}
        write_json(describe_dataset(files, self.structures), self.folder / DESCRIPTION)

    def _note(self, name: str, record: Facts | None) -> None:
        """A line more, which takes as long with a thousand scans as with one."""
        self._keep(name, record)
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.journal.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({"name": name, "record": record}))  # below a line that broke off

    def _keep(self, name: str, record: Facts | None) -> None:
        if record is None:
            self.records.pop(name, None)
        else:
            self.records[name] = dict(record)


def source_of(path: str | Path) -> dict[str, str]:
    """Name and SHA-256 of a file, or of the files of a folder in the order of their names.

    Raises:
        InputError: when it is missing.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "is missing", "train first, or give the file of a training")
    return {"file": path.name, "sha256": sha256_of(*sorted(path.iterdir()) if path.is_dir() else [path])}


def _paths(name: str) -> tuple[str, str]:
    return f"{IMAGES}/{name}_{CHANNEL}{ENDING}", f"{LABELS}/{name}{ENDING}"
