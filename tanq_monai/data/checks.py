"""Are these labels, is this folder one we can work with? Told as in :mod:`tanq_monai.data.images`."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from tanq_monai.data.images import check_image
from tanq_monai.data.raw_dataset import label_values
from tanq_monai.data.volumes import read_grid
from tanq_monai.errors import InputError
from tanq_monai.metrics import STRUCTURES
from tanq_monai.metrics.labels import check_same_grid, read_labels


def check_label(path: Path, image_path: Path, structures: Mapping[str, int] = STRUCTURES, ignore: bool = False) -> None:
    """Raise unless ``path`` is a map of ``structures``, perhaps with ignored voxels, on the grid of ``image_path``."""
    check_image(path)
    label = read_labels(path, known=frozenset(label_values(structures, ignore)))
    shape, affine = read_grid(image_path)
    check_same_grid(label, shape, affine, path=path, other="its image")


def check_output_dir(path: str | Path) -> Path:
    """Make the folder ``path`` and return it; raise where it cannot be written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be made a folder ({error.strerror})", "choose another output folder") from error
    try:
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise InputError(path, "cannot be written to", "choose another output folder") from error
