"""MONAI's way to scans and labels: its own loader, with our reader.

MONAI Label hands the path of any study to these transforms. MONAI Deploy hands over voxels: it leaves out what has
``LoadImage`` in its name.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.config import KeysCollection
from monai.data import ImageReader, MetaTensor
from monai.transforms import LoadImaged, MapTransform
from monai.utils import MetaKeys, SpaceKeys
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from tanq_monai.scans.folder import Case, Listing
from tanq_monai.scans.grid import Grid, Transform
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.naming import contrast_of
from tanq_monai.scans.volume import Volume, read_volume
from tanq_monai.structures import STRUCTURES, Structures

Item = dict[Hashable, Any]
_SHAPE, _FORMS, _CODES = "grid_shape", "nifti_transforms", "nifti_codes"


class LoadImageCheckedd(LoadImaged):  # type: ignore[misc]
    """MONAI's ``LoadImaged`` with :func:`tanq_monai.scans.volume.read_volume`: (i, j, k), float32, with its grid.

    Args:
        keys: paths of NIfTI files or folders of one DICOM series each.
        suffixes: of the images' names, which tell the contrast: ``hrT2``. None: any.
        **options: of ``LoadImaged``, but for its reader.
    """

    def __init__(self, keys: KeysCollection, suffixes: Sequence[str] | None = None, **options: Any) -> None:
        super().__init__(keys, reader=ScanReader(contrast_of(suffixes) if suffixes else None), **options)

    def __call__(self, data: Mapping[Hashable, Any], reader: ImageReader | None = None) -> Item:
        """Load every key.

        Raises:
            InputError: when one cannot be used, or its name or header speaks against the contrast.
        """
        return dict(super().__call__(data, reader or self._loader.readers[-1]))


class ScanReader(ImageReader):  # type: ignore[misc]
    """Our reader as MONAI's ``LoadImage`` takes it.

    Args:
        contrast: see :func:`tanq_monai.scans.volume.read_volume`.
    """

    def __init__(self, contrast: str | None = None) -> None:
        super().__init__()
        self.contrast = contrast

    def verify_suffix(self, filename: Any) -> bool:
        """Whatever the name: what it cannot read it refuses in one line."""
        return True

    def read(self, data: Any, **kwargs: Any) -> Volume:
        """The scan at a path, or at the only one of several."""
        (path,) = (data,) if isinstance(data, str | Path) else data
        return read_volume(path, self.contrast)

    def get_data(self, img: Volume) -> tuple[NDArray[Any], dict[str, Any]]:
        """Voxels (i, j, k), and what MONAI keeps of them."""
        return img.voxels, meta_of(img.grid)


class LoadLabeld(MapTransform):  # type: ignore[misc]
    """The label map of a scan, (i, j, k), float32, on the scan's grid.

    Args:
        keys: paths of NIfTI files.
        image_key: the scan, loaded.
        structures: names and values of the labels.
        allow_missing_keys: as everywhere in MONAI.

    Raises:
        InputError: when the structures are not numbered 1, 2, 3, ...
    """

    def __init__(
        self,
        keys: KeysCollection,
        image_key: str = "image",
        structures: Structures = STRUCTURES,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key, self.known = image_key, structures.numbered()

    def __call__(self, data: Mapping[Hashable, Any]) -> Item:
        """Load every key.

        Raises:
            InputError: when one holds other values or lies on another grid.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            grid = grid_in(item[self.image_key].meta)
            labels = read_labels(item[key], self.known, grid, "its image").labels.astype(np.float32)
            item[key] = MetaTensor(torch.from_numpy(labels), meta=meta_of(grid))
        return item


class ReadableScans(IterableDataset[Item]):
    """The cases of a folder, transformed one after the other; one that cannot be read joins the folder's problems.

    A scan's voxels are looked at when its turn comes, and once. There may be fewer items than cases, see
    :class:`EndWithScans`.

    Args:
        scan: the folder.
        data: its cases, or what was made of them.
        transform: of a case.
    """

    def __init__(self, scan: Listing, data: Sequence[Case], transform: Callable[[Any], Item]) -> None:
        self.scan, self.data, self.transform = scan, data, transform

    def __len__(self) -> int:
        """How many there may be."""
        return len(self.data)

    def __iter__(self) -> Iterator[Item]:
        """The items.

        Raises:
            InputErrors: after the last, when there was none.
        """
        count = 0
        for case in self.data:
            try:
                item = self.transform(case)
            except Exception as error:  # which MONAI's transforms wrap
                self.scan.note(error)
                continue
            count += 1
            yield item
        if not count:
            self.scan.raise_problems()


class EndWithScans:
    """A handler that ends the run of an evaluator with the last of its scans, of which there may be fewer than cases.

    Ignite would begin again with the first.
    """

    def attach(self, engine: Engine) -> None:
        """Listen to ``engine``."""
        engine.add_event_handler(Events.DATALOADER_STOP_ITERATION, engine.terminate_epoch)


def meta_of(grid: Grid) -> dict[str, Any]:
    """A grid as metadata of MONAI."""
    forms = (grid.qform, grid.sform)
    return {
        MetaKeys.AFFINE: grid.affine.copy(),
        MetaKeys.ORIGINAL_AFFINE: grid.affine.copy(),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.SPATIAL_SHAPE: np.array(grid.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),  # there is none
        _SHAPE: np.array(grid.shape),
        _FORMS: np.stack([form.matrix for form in forms]),
        _CODES: np.array([form.code for form in forms]),
    }


def has_grid(meta: Mapping[Any, Any]) -> bool:
    """Whether :func:`grid_in` finds one."""
    return _FORMS in meta


def grid_in(meta: Mapping[Any, Any]) -> Grid:
    """The grid that :func:`meta_of` has put into metadata, as it is after a loader, too."""
    i, j, k = _array(meta, _SHAPE).astype(int).reshape(-1).tolist()
    qform, sform = map(Transform, _array(meta, _FORMS).reshape(2, 4, 4), _array(meta, _CODES).astype(int).tolist())
    affine = _array(meta, MetaKeys.ORIGINAL_AFFINE).astype(np.float64).reshape(4, 4)
    return Grid((i, j, k), affine, qform, sform, tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist()))


def _array(meta: Mapping[Any, Any], key: str) -> NDArray[Any]:
    return np.asarray(torch.as_tensor(meta[key]).cpu())
