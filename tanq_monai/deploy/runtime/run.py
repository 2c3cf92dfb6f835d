"""One scan in, one NIfTI file out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from tanq_monai.data.images import check_image
from tanq_monai.data.volumes import read_volume
from tanq_monai.deploy.runtime.segmentation import segment
from tanq_monai.deploy.runtime.session import open_session, properties_of
from tanq_monai.deploy.runtime.translation import translate
from tanq_monai.errors import InputError
from tanq_monai.files import check_output_file, replacing
from tanq_monai.transforms.labels import REGIONS

SEGMENTATION, TRANSLATION = "segmentation", "translation"


def run(
    model: str | Path,
    image: str | Path,
    output: str | Path,
    label: str | Path | None = None,
    style: str | None = None,
    structures: Mapping[str, int] = REGIONS,
    provider: str = "auto",
) -> None:
    """Segment or translate a scan, whichever the file is for; the result lies on the grid of the scan.

    Args:
        model: file of ``python -m tanq_monai export-onnx``.
        image: NIfTI file, or folder of one DICOM series (which wants pydicom): hrT2 to segment, ceT1 to translate.
        output: NIfTI file, there completely or not at all: labels, uint8; or pseudo-hrT2, float32 in [0, 1].
        label: of a translation: the structures of the scan, a NIfTI file on its grid.
        style: of a translation: the look of hrT2; may be left out where the file knows one.
        structures: names and values of ``label``; names begin with VS or cochlea.
        provider: cpu, cuda, tensorrt, or auto (cuda where it is there).

    Raises:
        InputError: for files that cannot be used.
    """
    image, output = Path(image), Path(output)
    if not output.name.endswith((".nii", ".nii.gz")):
        raise InputError(output, "is no name of a NIfTI file", "let it end in .nii.gz")
    check_output_file(output)
    session = open_session(model, provider)
    properties = properties_of(session, model)
    task, contrast = properties["task"], properties["modality"]
    if (label is None) == (task == TRANSLATION):
        remedy = "give --label" if task == TRANSLATION else "leave --label out"
        raise InputError(model, f"is for {task}", remedy)
    if style is not None and task == SEGMENTATION:
        raise InputError(model, f"is for {task}", "leave --style out")
    check_image(image, contrast)
    scan, affine = read_volume(image)
    if label is None:
        result: NDArray[Any] = segment(session, properties, scan, affine)
    else:
        voxels = _label_on(Path(label), scan.shape, affine, structures)
        result = translate(session, properties, scan, affine, voxels, style, structures)
    with replacing(output) as temporary:
        nib.save(nib.Nifti1Image(result, affine), temporary)


def _label_on(
    path: Path, shape: tuple[int, ...], affine: NDArray[np.float64], structures: Mapping[str, int]
) -> NDArray[Any]:
    check_image(path)
    label, own = read_volume(path)
    if label.shape != shape or not np.allclose(own, affine, atol=1e-3):
        raise InputError(path, "lies on another grid than its image", "resample it to the grid of its image")
    unknown = np.setdiff1d(label, [0, *structures.values()])
    if unknown.size:
        raise InputError(path, f"holds unknown label {unknown[0]:g}", f"use only {[0, *structures.values()]}")
    return label
