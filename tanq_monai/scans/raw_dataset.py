"""nnU-Net's raw data set, written and read without nnunetv2.

``imagesTr/{name}_0000.nii.gz`` and ``labelsTr/{name}.nii.gz``, and ``dataset.json``, which says what belongs to it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tanq_monai.choices.documents import parse_json
from tanq_monai.errors import InputError
from tanq_monai.provenance import FILES, PROVENANCE
from tanq_monai.scans.naming import CHANNEL, ENDING, is_nifti, stem, suffix_of
from tanq_monai.structures import STRUCTURES, Structures

DESCRIPTION, IMAGES, LABELS = "dataset.json", "imagesTr", "labelsTr"


def identifier(case: Mapping[str, Any]) -> str:
    """What nnU-Net calls a case: the name of its ``image`` without endings."""
    return stem(case["image"]).removesuffix(f"_{CHANNEL}")


def describe_dataset(
    files: Mapping[str, tuple[str, str]], structures: Structures = STRUCTURES, ignore: bool = False
) -> dict[str, Any]:
    """The content of ``dataset.json``.

    Args:
        files: image and label of every name, absolute or relative to the data set.
        structures: names and label values.
        ignore: whether voxels may have the value above those of the structures, which no loss looks at.

    Raises:
        InputError: as :meth:`tanq_monai.structures.Structures.numbered`.
    """
    values = structures.numbered(ignore)
    return {
        "channel_names": {"0": "MR"},
        "labels": {"background": 0, **structures, **({"ignore": values[-1]} if ignore else {})},
        "numTraining": len(files),
        "file_ending": ENDING,
        # SimpleITK, nnU-Net's default reader, refuses slightly sheared affines.
        "overwrite_image_reader_writer": "NibabelIO",
        "dataset": {name: {"images": [image], "label": label} for name, (image, label) in files.items()},
    }


def is_raw_dataset(folder: str | Path) -> bool:
    """Whether ``folder`` is a finished raw data set."""
    return (Path(folder) / DESCRIPTION).is_file() and (Path(folder) / LABELS).is_dir()


def raw_cases(folder: str | Path, structures: Structures = STRUCTURES) -> list[dict[str, str]]:
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
        content = parse_json((folder / DESCRIPTION).read_text(encoding="utf-8"))
        listed = content.get("dataset") or _listed_by_folder(folder, content["file_ending"])
        files = {name: ([*map(_text, entry["images"])], _text(entry["label"])) for name, entry in listed.items()}
        labels = {name: value for name, value in content["labels"].items() if name not in ("background", "ignore")}
    except InputError:
        raise
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        problem = f"is no description of nnU-Net's ({error})"
        raise InputError(folder / DESCRIPTION, problem, "write the data set again") from error
    for name, (images, _) in files.items():
        if len(images) != 1:
            raise InputError(folder / DESCRIPTION, f"{name} has {len(images)} channels", "give one image per case")
    if labels != structures:
        problem = f"labels {labels} are not the structures {structures} of the configuration"
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


def unused_files(folder: str | Path, cases: Iterable[Mapping[str, str]]) -> list[InputError]:
    """A mistake for every image or label of a raw data set that none of its cases has.

    Where ``dataset.json`` lists the cases, the folders may hold others, too.
    """
    folder = Path(folder)
    if parse_json((folder / DESCRIPTION).read_text(encoding="utf-8")).get("dataset"):
        return []
    used = {case[key] for case in cases for key in ("image", "label")}
    names = {IMAGES: f"CASE_{CHANNEL}", LABELS: "CASE"}
    return [
        InputError(path, "belongs to no case", f"add its other file, or call it {name} with the ending of all")
        for part, name in names.items()
        for path in sorted((folder / part).iterdir())
        if is_nifti(path) and str(path) not in used
    ]


def read_provenance(folder: Path) -> dict[str, dict[str, Any]]:
    """What every file of a raw data set was made of, by its name; empty where nothing is written down of files.

    Raises:
        InputError: when ``provenance.json`` cannot be read.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return {}
    try:
        content = parse_json(path.read_text(encoding="utf-8")).get(FILES, {})
        records: dict[str, dict[str, Any]] = {name: dict(record) for name, record in content.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(path, "cannot be read", "remove it, or choose another folder") from error
    return records


def image_paths(folder: Path) -> list[Path]:
    """All images of a raw data set of one channel.

    Raises:
        InputError: when its folder of images is missing.
    """
    return [path for path in _images(folder) if is_nifti(path) and suffix_of(path) == CHANNEL]


def _images(folder: Path) -> list[Path]:
    if not (folder / IMAGES).is_dir():
        raise InputError(folder / IMAGES, "is no folder, and the data set's images belong there", "copy it again")
    return sorted((folder / IMAGES).iterdir())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value} is no text")
    return value


def _listed_by_folder(folder: Path, ending: str) -> dict[str, Any]:
    """As ``dataset.json`` would list the files; other writers leave that out."""
    images: dict[str, list[str]] = {}
    for path in _images(folder):
        name, _, channel = path.name.removesuffix(ending).rpartition("_")
        if path.name.endswith(ending) and not path.name.startswith(".") and channel.isdigit():
            images.setdefault(name, []).append(f"{IMAGES}/{path.name}")
    return {name: {"images": found, "label": f"{LABELS}/{name}{ending}"} for name, found in images.items()}
