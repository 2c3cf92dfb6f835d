"""nnU-Net's raw data set, written and read without nnunetv2.

``imagesTr/{name}_0000.nii.gz`` and ``labelsTr/{name}.nii.gz``, and ``dataset.json``, which says what belongs to it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from tanq_monai.errors import InputError
from tanq_monai.files import replacing
from tanq_monai.metrics import STRUCTURES
from tanq_monai.transforms.labels import single_values

DESCRIPTION, PROVENANCE, IMAGES, LABELS = "dataset.json", "provenance.json", "imagesTr", "labelsTr"
CHANNEL = "0000"  # of the only channel
ENDING = ".nii.gz"


def label_values(structures: Mapping[str, int] = STRUCTURES, ignore: bool = False) -> list[int]:
    """The values that labels may have: 0, those of the structures, and the one above them where voxels are ignored.

    Raises:
        InputError: when the structures are not numbered as nnU-Net wants it.
    """
    values = sorted(single_values(structures).values())
    if not values or values != list(range(1, len(values) + 1)):
        raise InputError("structures", f"{dict(structures)} are not numbered 1, 2, 3, ...", "leave no number out")
    return [0, *values, *([len(values) + 1] if ignore else [])]


def identifier(case: Mapping[str, Any]) -> str:
    """What nnU-Net calls a case: the name of its ``image`` without endings."""
    return Path(case["image"]).name.removesuffix(ENDING).removesuffix(f"_{CHANNEL}")


def describe_dataset(
    files: Mapping[str, tuple[str, str]], structures: Mapping[str, int] = STRUCTURES, ignore: bool = False
) -> dict[str, Any]:
    """The content of ``dataset.json``.

    Args:
        files: image and label of every name, absolute or relative to the data set.
        structures: names and label values.
        ignore: whether voxels may have the value above those of the structures, which no loss looks at.

    Raises:
        InputError: as :func:`label_values`.
    """
    values = label_values(structures, ignore)
    return {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, **structures, **({"ignore": values[-1]} if ignore else {})},
        "numTraining": len(files),
        "file_ending": ENDING,
        # SimpleITK, nnU-Net's default reader, refuses slightly sheared affines.
        "overwrite_image_reader_writer": "NibabelIO",
        "dataset": {name: {"images": [image], "label": label} for name, (image, label) in files.items()},
    }


def write_label(source: Path, image: Path, target: Path) -> None:
    """The label map of ``source`` (float64 in crossMoDA) as uint8, with the affine of ``image``."""
    label = np.rint(np.asanyarray(nib.load(source).dataobj)).astype(np.uint8)
    with replacing(target) as temporary:
        nib.save(nib.Nifti1Image(label, nib.load(image).affine), temporary)


def is_raw_dataset(folder: str | Path) -> bool:
    """Whether ``folder`` is a finished raw data set."""
    return (Path(folder) / DESCRIPTION).is_file() and (Path(folder) / LABELS).is_dir()


def raw_cases(folder: str | Path, structures: Mapping[str, int] = STRUCTURES) -> list[dict[str, str]]:
    """Dicts with ``case``, ``patient``, ``image`` and ``label`` of a raw data set of one channel.

    The patient is the case that a file was made from, where ``provenance.json`` says so, and else the case itself.

    Args:
        folder: of the data set.
        structures: names and label values that it has to have; an ignore label is no structure.

    Raises:
        InputError: when ``dataset.json`` is not what nnU-Net takes, names several channels or other structures, or when
            ``provenance.json`` cannot be read.
    """
    folder = Path(folder)
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        listed = content.get("dataset") or _listed_by_folder(folder)
        files = {name: (entry["images"], entry["label"]) for name, entry in listed.items()}
        labels = {name: value for name, value in content["labels"].items() if name not in ("background", "ignore")}
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise InputError(folder / DESCRIPTION, "is no description of nnU-Net's", "write the data set again") from error
    for name, (images, _) in files.items():
        if len(images) != 1:
            raise InputError(folder / DESCRIPTION, f"{name} has {len(images)} channels", "give one image per case")
    if labels != dict(structures):
        problem = f"labels {labels} are not the structures {dict(structures)} of the configuration"
        raise InputError(folder / DESCRIPTION, problem, "set structures")
    records = read_provenance(folder)
    return [
        {
            "case": name,
            "patient": str(records.get(name, {}).get("case", name)),
            "image": str(folder / images[0]),
            "label": str(folder / label),
        }
        for name, (images, label) in sorted(files.items())
    ]


def read_provenance(folder: Path) -> dict[str, dict[str, Any]]:
    """What every file was made of, by its name; empty where nothing is written down.

    Raises:
        InputError: when ``provenance.json`` cannot be read.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["files"]
        records: dict[str, dict[str, Any]] = {name: dict(record) for name, record in content.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(path, "cannot be read", "remove it, or choose another folder") from error
    return records


def _listed_by_folder(folder: Path) -> dict[str, Any]:
    """As ``dataset.json`` would list the files; other writers leave that out."""
    names = [path.name.removesuffix(ENDING) for path in (folder / LABELS).glob(f"*{ENDING}")]
    images = {name: (folder / IMAGES).glob(f"{name}_[0-9][0-9][0-9][0-9]{ENDING}") for name in names}
    return {
        name: {"images": [path.relative_to(folder) for path in images[name]], "label": f"{LABELS}/{name}{ENDING}"}
        for name in names
    }
