"""A folder of virtual patients in the layout of crossMoDA 2022."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tanq_monai.errors import InputError
from tanq_monai.files import VIRTUAL, check_renewable
from tanq_monai.phantom.dataset.cases import SUBSETS, WITHHELD, Case, Subset
from tanq_monai.phantom.dataset.labels import THREE_CLASSES, TWO_CLASSES, with_meatal_parts
from tanq_monai.phantom.dataset.nifti import write_nifti
from tanq_monai.phantom.dataset.scans import PROTOCOLS, Protocols, scan_case
from tanq_monai.phantom.dataset.tables import PatientRow, patient_row, tables, write_tables
from tanq_monai.phantom.parallel import check_settings, in_threads
from tanq_monai.phantom.scanner.sequences import Protocol


def write_dataset(
    output_dir: str | Path,
    num_source: int,
    num_target: int,
    num_test: int,
    size: str,
    seed: int,
    num_paired: int = 0,
    workers: int | None = None,
    protocols: Protocols = "sites",
    intra_extrameatal: bool = False,
) -> None:
    """Write labelled ceT1, unlabelled hrT2, and test hrT2 of different patients; hrT2 labels lie apart.

    ``training_source`` holds ceT1 and labels, ``training_target`` and ``validation`` hrT2, ``withheld_labels`` the
    labels of the latter two and ``patients.csv``, and ``paired`` both contrasts and labels on one grid.
    ``infos_source_training.csv`` has the Koos grades. A case depends on the seed, its subset and its place only, so
    that more cases leave the first ones as they are. What an earlier run wrote is replaced, each file at once;
    a stopped run leaves whole files, and no new tables.

    Args:
        output_dir: made if absent.
        num_source: patients with ceT1.
        num_target: patients with hrT2 for training.
        num_test: patients with hrT2 for scoring.
        size: a member of ``SIZES``; ``full`` has the scanners' own matrices.
        seed: the same one gives the same bytes.
        num_paired: patients with both contrasts.
        workers: threads, one case each, with less than 0.5 GB at full size; None: as many as there are cores. The bytes
            do not depend on it.
        protocols: a member of ``PROTOCOLS``: how the patients are scanned; another draw for every scan.
        intra_extrameatal: labels as in crossMoDA 2023, see
            :func:`~tanq_monai.phantom.dataset.labels.with_meatal_parts`; all else is the same.

    Raises:
        InputError: when a number is negative, the size unknown, the folder cannot be written, or holds scans that are
            not of this set.
        InputErrors: when it holds files of these names that no run wrote.
    """
    numbers: dict[Subset, int] = {
        "source": num_source,
        "target": num_target,
        "test": num_test,
        "paired": num_paired,
    }
    _check_numbers(numbers)
    check_settings(size, seed, workers)
    if protocols not in PROTOCOLS:
        raise InputError("protocols", f"{protocols!r} is unknown", f"choose one of {', '.join(PROTOCOLS)}")
    root = Path(output_dir)
    cases = [Case(subset, index) for subset in SUBSETS for index in range(numbers[subset])]
    _make_folders(root, cases)
    write = partial(
        _write_case,
        root=root,
        size=size,
        seed=seed,
        protocols=protocols,
        intra_extrameatal=intra_extrameatal,
    )
    write_tables(root, in_threads(write, cases, workers, "virtual patients", "patient"))


def _write_case(
    case: Case, root: Path, size: str, seed: int, protocols: Protocols, intra_extrameatal: bool
) -> PatientRow:
    scans = scan_case(case, size, seed, protocols)
    affine = scans.grid.affine
    for contrast, path in case.image_paths(root).items():
        write_nifti(path, scans.images[contrast], affine, _description(scans.protocols[contrast]))
    label, classes = (with_meatal_parts(scans), THREE_CLASSES) if intra_extrameatal else (scans.label, TWO_CLASSES)
    description = f"virtual patient; {classes}"
    write_nifti(case.label_path(root), label, affine, description, dtype=np.float64)  # as crossMoDA's are
    return patient_row(case, scans, seed)


def _description(protocol: Protocol) -> str:
    inversion = f"; TI={protocol.inversion.ti:g}" if protocol.inversion else ""
    times = f"TR={protocol.tr:g}; TE={protocol.te:g}{inversion}; FA={protocol.flip_angle:g}"
    return f"virtual patient; {protocol.name}; {times}"


def _check_numbers(numbers: Mapping[Subset, int]) -> None:
    for name, number in numbers.items():
        if number < 0:
            raise InputError(f"num_{name}", f"is {number}", "give 0 or more patients")


def _make_folders(root: Path, cases: Sequence[Case]) -> None:
    files = [path for case in cases for path in (*case.image_paths(root).values(), case.label_path(root))]
    others = sorted(set(root.glob("*/*.nii.gz")) - set(files))
    if others:
        raise InputError(others[0], "is of another data set", "give an empty folder, or take the old scans away")
    check_renewable([*files, *tables(root)], VIRTUAL)
    for folder in sorted({path.parent for path in files} | {root, root / WITHHELD}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise InputError(folder, "is a file", "give the name of a folder") from error
        except OSError as error:
            raise InputError(folder, f"cannot be made ({error.strerror})", "give a folder you may write to") from error
        if not os.access(folder, os.W_OK):
            raise InputError(folder, "is not writable", "give a folder you may write to")
