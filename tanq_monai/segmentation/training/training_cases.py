"""What a segmenter is trained on: labelled scans, and scans with pseudo-labels.

Or a list of scans that a client of the bundle gives in place of those that were found in folders.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import file_stamps
from tanq_monai.scans.folder import Listing, find_images, find_labelled, problems_of
from tanq_monai.scans.naming import TARGET_DOMAIN, case_of
from tanq_monai.scans.raw_dataset import identifier
from tanq_monai.structures import STRUCTURES, Structures


def find_pseudo_labelled(
    target_dir: str | Path | None,
    label_dir: str | Path | None,
    structures: Structures = STRUCTURES,
    unlabelled: bool = False,
) -> Listing | None:
    """Scans of ``target_dir`` that have labels in ``label_dir``, voxels to ignore among them; None without target_dir.

    With ``unlabelled`` the others too, for an adversary on features; there need be no labels at all.

    Raises:
        InputError: when one of the folders is missing, or not given.
    """
    if unlabelled and target_dir is None:
        raise InputError("adversary", "has no real scans to tell from translations", "give target_dir, or choose 0")
    if target_dir is None and label_dir is not None:
        raise InputError(f"pseudo_label_dir {label_dir}", "has no target_dir, its scans", "give both, or neither")
    if target_dir is None:
        return None
    if label_dir is None and unlabelled:
        return find_images(target_dir, TARGET_DOMAIN)
    if label_dir is None or not Path(label_dir).is_dir():
        raise InputError(f"pseudo_label_dir {label_dir}", "is not a folder", "make it with configs/refine.yaml")
    scan = find_labelled(target_dir, label_dir, TARGET_DOMAIN, required=False, structures=structures)
    scan.cases = [case for case in scan.cases if unlabelled or "label" in case]
    return scan


def training_cases(labelled: Listing, pseudo_labelled: Listing | None = None) -> list[dict[str, Any]]:
    """All cases of a training.

    Args:
        labelled: scans with labels.
        pseudo_labelled: scans with pseudo-labels, or without any.

    Raises:
        InputErrors: when a scan cannot be used.
        InputError: when no pseudo-label is there, or two cases have one name.
    """
    labelled.raise_problems()
    cases: list[dict[str, Any]] = list(labelled.cases)
    if pseudo_labelled is not None:
        pseudo_labelled.raise_problems()
        if not pseudo_labelled.cases:
            raise InputError("pseudo_label_dir", "holds no label of a scan in target_dir", "make some with refine.yaml")
        cases += [{**case, "ignore": True} for case in pseudo_labelled.cases]
    names = [case["case"] for case in cases]
    for name in set(names):
        if names.count(name) > 1:
            raise InputError(name, "is a labelled and a pseudo-labelled case", "give one of them another name")
    return cases


def real_scans(cases: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Names, as nnU-Net calls them, of the cases that are no translations: with pseudo-labels or without any."""
    return frozenset(identifier(case) for case in cases if case.get("ignore"))


def are_given(cases: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a client gave the cases, as pairs of ``image`` and ``label``: cases from folders have names as well.

    In folders there may be scans without labels, too, which are to be ignored.

    Raises:
        InputError: when they are no such pairs.
    """
    if not isinstance(cases, list | tuple) or not all(map(_is_pair, cases)):
        problem = "is no list of {image: file, label: file}"
        raise InputError("train#dataset#data", problem, "give scans with their labels, or dataset_dir")
    return not cases or not all("case" in case for case in cases)


def named_cases(cases: Sequence[Mapping[str, Any]], structures: Structures = STRUCTURES) -> list[Mapping[str, Any]]:
    """Cases from folders as they are; a client's are named by their images and checked, voxel by voxel.

    Raises:
        InputErrors: when a given image or label cannot be used.
        InputError: when no case is given, two have one name, or the structures are not numbered 1, 2, 3, ...
    """
    if not are_given(cases):
        return list(cases)
    if not cases:
        raise InputError("train#dataset#data", "holds no labelled scan", "label one first")
    named = [{**case, "case": case_of(case["image"]), "patient": case_of(case["image"])} for case in cases]
    if len({case["case"] for case in named}) < len(named):
        raise InputError("train#dataset#data", "holds two scans of one name", "give one of them another name")
    problems = problems_of(named, structures)
    if problems:
        raise InputErrors(problems)
    return list(named)


def fine_tuning_dir(parent: str | Path, cases: Sequence[Mapping[str, Any]], model_dir: str | Path | None) -> str:
    """The folder of just this fine-tuning: of these scans and labels, beginning with the weights in ``model_dir``.

    Started again after an interruption it is the same. When it has ended, ``model_dir`` holds other weights, and the
    next fine-tuning has a folder of its own.
    """
    files = [case[key] for case in cases for key in ("image", "label") if key in case]
    stamps = file_stamps([*files, *Path(model_dir or "").glob("model.pt")])
    return f"{parent}/{hashlib.sha256(str(stamps).encode()).hexdigest()[:12]}"


def _is_pair(case: object) -> bool:
    keys = ("image",) if isinstance(case, Mapping) and case.get("ignore") else ("image", "label")
    return isinstance(case, Mapping) and all(isinstance(case.get(key), str | Path) for key in keys)
