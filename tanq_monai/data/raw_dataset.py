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

DESCRIPTION, PROVENANCE, IMAGES, LABELS = "dataset.json", "provenance.json", "imagesTr", "labelsTr"
CHANNEL = "0000"  # of the only channel
ENDING = ".nii.gz"


def describe_dataset(files: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """The content of ``dataset.json``.

    Args:
        files: image and label of every name, absolute or relative to the data set.
    """
    return {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, **STRUCTURES},
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


def raw_cases(folder: str | Path) -> list[dict[str, str]]:
    """Dicts with ``case``, ``image`` and ``label`` of a raw data set of one channel.

    Raises:
        InputError: when ``dataset.json`` is not what nnU-Net takes, or names several channels.
    """
    folder = Path(folder)
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        listed = content.get("dataset") or _listed_by_folder(folder)
        files = {name: (entry["images"], entry["label"]) for name, entry in listed.items()}
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise InputError(folder / DESCRIPTION, "is no description of nnU-Net's", "write the data set again") from error
    for name, (images, _) in files.items():
        if len(images) != 1:
            raise InputError(folder / DESCRIPTION, f"{name} has {len(images)} channels", "give one image per case")
    return [
        {"case": name, "image": str(folder / images[0]), "label": str(folder / label)}
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
        records: dict[str, dict[str, Any]] = dict(json.loads(path.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(path, "cannot be read", "choose another folder, or remove this one") from error
    return records


def _listed_by_folder(folder: Path) -> dict[str, Any]:
    """As ``dataset.json`` would list the files; other writers leave that out."""
    names = [path.name.removesuffix(ENDING) for path in (folder / LABELS).glob(f"*{ENDING}")]
    images = {name: (folder / IMAGES).glob(f"{name}_[0-9][0-9][0-9][0-9]{ENDING}") for name in names}
    return {
        name: {"images": [path.relative_to(folder) for path in images[name]], "label": f"{LABELS}/{name}{ENDING}"}
        for name in names
    }
