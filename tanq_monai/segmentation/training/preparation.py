"""From labelled scans to nnU-Net's preprocessed data set: raw data set, fingerprint, plan, preprocessing."""

import contextlib
import multiprocessing
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool, ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor
from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprint_dataset, plan_experiments
from nnunetv2.utilities.crossval_split import generate_crossval_split
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from tanq_monai.errors import InputError, InputErrors, deaf_children
from tanq_monai.files import file_stamps, told_when_full, write_json
from tanq_monai.orphans import end_with
from tanq_monai.scans.grid import STORED, in_scanner
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import CHANNEL, ENDING
from tanq_monai.scans.raw_dataset import DESCRIPTION, IMAGES, LABELS, describe_dataset, identifier
from tanq_monai.scans.volume import read_volume
from tanq_monai.segmentation.plan.overrides import override_plan
from tanq_monai.segmentation.plan.plans import MIRROR_AXES, ORIENTATION, TRAINED, check_plan, read_json
from tanq_monai.segmentation.training.folders import DATASET, PLANS, RunFolders
from tanq_monai.structures import STRUCTURES, Structures

Case = Mapping[str, Any]
Json = dict[str, Any]
FOLDS = 5


@dataclass(frozen=True)
class PlanWish:
    """What a run wants of nnU-Net's plan.

    Args:
        configuration: ``2d`` or ``3d_fullres``.
        batch_size: in place of nnU-Net's own; None keeps it.
        override: see :func:`~tanq_monai.segmentation.plan.overrides.override_plan`.
        plans_file: a plan to take in place of a new one.
        structures: names and label values.
    """

    configuration: str
    batch_size: int | None = None
    override: Json | None = None
    plans_file: str | Path | None = None
    structures: Structures = STRUCTURES

    @property
    def plan(self) -> Json | None:
        """The plan to take, as nnU-Net would have written it for our data set."""
        if self.plans_file is None:
            return None
        plan = read_json(self.plans_file)
        check_plan(plan, self.plans_file)
        plan |= {"dataset_name": DATASET, "plans_name": PLANS}
        return {key: value for key, value in plan.items() if key not in (TRAINED, MIRROR_AXES)}

    @property
    def orientation(self) -> str:
        """Where the axes of the training scans are to point: as those of the plan that is taken."""
        return str((self.plan or {}).get(ORIENTATION, STORED))

    @property
    def overrides(self) -> Json:
        """All that differs from the plan, in JSON's types."""
        batch_size = {"batch_size": self.batch_size} if self.batch_size else {}
        plain: Json = _plain(batch_size | (self.override or {}))
        return plain


class Fingerprint(DatasetFingerprintExtractor):  # type: ignore[misc]
    """nnU-Net's, with statistics of a million voxels of the structures in place of a hundred.

    It draws a hundred million from every data set, however small: 5.1 s of a processor and 1.2 GB, where this takes
    .07 s and 15 MB (four scans of 80 x 80 x 20). MRI is normalised by itself: nothing reads the statistics.
    """

    def __init__(self, *choices: Any, **options: Any) -> None:
        super().__init__(*choices, **options)
        self.num_foreground_voxels_for_intensitystats = 1e6


def prepare(cases: Sequence[Case], folders: RunFolders, wish: PlanWish, num_processes: int = 2) -> None:
    """Bring ``folders.preprocessed`` into being for one configuration, or leave it if this very one is there already.

    All configurations and folds of a run share raw data set, fingerprint, plan and split.

    Args:
        cases: dicts with ``image`` and ``label`` (files on one grid) and ``patient``, whose scan it is. A case without
            ``label``, but with ``ignore``, is a scan that nobody has labelled: it is trained on in every fold.
        folders: of the run.
        wish: what the plan is to be.
        num_processes: of nnU-Net; 0 = threads, which saves the half minute in which two processes start.

    Raises:
        InputError: when the run was begun with other cases or settings, or the folder holds nnU-Net data of others.
    """
    begun = folders.root / "prepared.json"
    state = read_json(begun) if begun.exists() else {}
    wanted: Json = {
        "files": file_stamps([case[key] for case in cases for key in ("image", "label") if key in case]),
        "structures": dict(wish.structures),
        "initial_plan": wish.plan,
    }
    if state and {key: state.get(key) for key in wanted} != wanted:
        _refuse(folders, "other cases, structures or initial model")
    if not state:
        _check_own(folders)
        _write_raw(cases, folders, wish)
    with folders.active(), processes_or_threads(num_processes), told_when_full(folders.root):
        if not state:
            _plan(cases, folders, wish, num_processes)
            state = wanted | {"configurations": {}}
        configurations = state["configurations"]
        if wish.configuration not in configurations:
            _preprocess(folders, wish, num_processes)
            configurations[wish.configuration] = wish.overrides
            write_json(state, begun)
        elif configurations[wish.configuration] != wish.overrides:
            _refuse(folders, f"other plan settings of {wish.configuration}")


def write_raw_dataset(
    cases: Sequence[Case], folder: Path, structures: Structures = STRUCTURES, orientation: str = STORED
) -> None:
    """nnU-Net's raw data set. Images stay where they are, where nnU-Net would read them as we do; labels become uint8.

    nnU-Net takes axes as they are stored, and spacings from a field of the header of their own. Where the axes point
    elsewhere than to ``orientation``, or the field disagrees with the affine, the data set gets a copy. The ignore
    label is declared where a case has it (``ignore``); it fills the label map of a case without ``label``.

    Raises:
        InputErrors: when an image or label cannot be used.
        InputError: when the structures are not numbered 1, 2, 3, ..., or one is in no label.
    """
    shutil.rmtree(folder, ignore_errors=True)
    ignore = any(case.get("ignore") for case in cases)
    structures.numbered()
    present, dataset, problems = set(), {}, []
    for case in cases:
        try:
            known = structures.numbered(case.get("ignore", False))  # true labels ignore nothing
            dataset[identifier(case)], found = _write_case(case, folder, known, orientation)
            present |= found
        except InputError as problem:
            problems.append(problem)
    if problems:
        raise InputErrors(problems)
    absent = [name for name, value in structures.items() if value not in present]
    if absent:  # its class would be trained to be nowhere
        remedy = "add cases that have it, or take it out of structures"
        raise InputError("structures", f"no label of any case holds {', '.join(absent)}", remedy)
    write_json(describe_dataset(dataset, structures, ignore=ignore), folder / DESCRIPTION)


def _write_raw(cases: Sequence[Case], folders: RunFolders, wish: PlanWish) -> None:
    """The raw data set of a run, and the log by which it is known as one; or nothing."""
    folders.root.mkdir(parents=True, exist_ok=True)
    folders.log.touch()
    try:
        write_raw_dataset(cases, folders.raw, wish.structures, wish.orientation)
    except (InputError, InputErrors):
        shutil.rmtree(folders.raw.parent, ignore_errors=True)  # there may be nothing yet
        if not folders.log.stat().st_size:
            folders.log.unlink()
        raise


def splits_by_patient(cases: Sequence[Case]) -> list[dict[str, list[str]]]:
    """nnU-Net's five-fold split, drawn over patients: what is made of one scan never lies in training and validation.

    With one case per patient it is nnU-Net's own split. Scans without labels are in the training part of every fold.
    """
    cases_of: dict[str, list[str]] = {}
    for case in _labelled(cases):
        cases_of.setdefault(case.get("patient", identifier(case)), []).append(identifier(case))
    unlabelled = [identifier(case) for case in cases if _is_unlabelled(case)]
    folds = [
        {part: [name for patient in fold[part] for name in cases_of[patient]] for part in ("train", "val")}
        for fold in generate_crossval_split(sorted(cases_of), n_splits=FOLDS)
    ]
    return [{"train": sorted(fold["train"] + unlabelled), "val": sorted(fold["val"])} for fold in folds]


def count_patients(cases: Sequence[Case]) -> int:
    """Of how many patients labels are given, to be split into folds."""
    return len({case.get("patient", identifier(case)) for case in _labelled(cases)})


@contextlib.contextmanager
def processes_or_threads(num_processes: int) -> Iterator[None]:
    """With 0 nnU-Net's pools of spawned processes become pools of threads: it has no switch for it."""
    spawn = multiprocessing.get_context("spawn")

    def pool(processes: int) -> Pool:
        with deaf_children():
            return spawn.Pool(processes, end_with, (os.getpid(),)) if num_processes else ThreadPool(processes)

    with mock.patch.object(multiprocessing, "get_context", lambda *_: SimpleNamespace(Pool=pool)):
        yield


def _labelled(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if not _is_unlabelled(case)]


def _is_unlabelled(case: Case) -> bool:
    return bool(case.get("ignore")) and "label" not in case


def _check_own(folders: RunFolders) -> None:
    """Raise where the new data set would take the place of one that no training made, perhaps of its very cases."""
    others = [folder for folder in (folders.raw, folders.preprocessed) if folder.exists()]
    if others and not folders.log.exists():
        raise InputError(others[0], "is there already, and no training made it", "choose another --output_dir")


def _plan(cases: Sequence[Case], folders: RunFolders, wish: PlanWish, num_processes: int) -> None:
    """Fingerprint, plan and split."""
    shutil.rmtree(folders.preprocessed, ignore_errors=True)
    extract_fingerprint_dataset(1, Fingerprint, max(1, num_processes), verbose=False)
    plan_experiments([1])
    if wish.plan is not None:
        write_json(wish.plan, folders.plans_file)
    true = folders.preprocessed / "gt_segmentations"
    true.mkdir()
    for name in sorted(map(identifier, _labelled(cases))):
        shutil.copyfile(folders.raw / LABELS / f"{name}{ENDING}", true / f"{name}{ENDING}")
    if count_patients(cases) >= FOLDS:
        write_json(splits_by_patient(cases), folders.preprocessed / "splits_final.json")


def _write_case(case: Case, folder: Path, known: Collection[int], orientation: str) -> tuple[tuple[str, str], set[int]]:
    """Image and label as ``dataset.json`` names them, and the values that the label holds."""
    name, path = identifier(case), Path(case["image"])
    volume = read_volume(path)
    if _is_unlabelled(case):
        labels = np.full(volume.grid.shape, max(known), np.uint8)  # the ignore label
    else:
        labels = read_labels(case["label"], known, volume.grid, "its image").labels
    turned, grid = volume.grid.turned(labels, orientation)
    is_read_alike = np.allclose(grid.pixdim, grid.spacing, rtol=1e-3)
    label = f"{LABELS}/{name}{ENDING}"
    if path.name.endswith(ENDING) and grid is volume.grid and is_read_alike:
        image = str(path.resolve())
    else:
        image = f"{IMAGES}/{name}_{CHANNEL}{ENDING}"
        grid = in_scanner(grid.shape, grid.affine)  # whose only edges are those of the affine
        grid.save(volume.grid.turned(volume.voxels, orientation)[0].astype(np.float32), folder / image)
    grid.save(turned, folder / label)
    return (image, label), set(np.unique(labels).tolist())


def _preprocess(folders: RunFolders, wish: PlanWish, num_processes: int) -> None:
    plan = override_plan(read_json(folders.plans_file), wish.configuration, wish.overrides)
    write_json(plan, folders.plans_file)
    # Not nnU-Net's preprocess_dataset: it needs distutils, which Python 3.12 no longer has.
    preprocessor = PlansManager(plan).get_configuration(wish.configuration).preprocessor_class(verbose=False)
    preprocessor.run(1, wish.configuration, PLANS, max(1, num_processes))


def _refuse(folders: RunFolders, what: str) -> None:
    raise InputError(folders.root, f"was begun with {what}", "choose another --output_dir or delete it")


def _plain(value: Any) -> Any:
    """JSON types only, so that a setting equals itself after a round trip."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
