"""The scan whose path somebody gives: loaded as MONAI loads it, once it has been found to be one we can work with."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.data import ImageReader
from monai.transforms import LoadImaged

from tanq_monai.data.images import check_header, check_voxels
from tanq_monai.data.names import contrast_of


class LoadImageCheckedd(LoadImaged):  # type: ignore[misc]
    """MONAI's ``LoadImaged``, which refuses what :func:`tanq_monai.data.images.check_image` refuses.

    The bundle's own runs look at all scans before the first is loaded, and tell all that is wrong at once. MONAI Label
    hands the path of any study to this transform. MONAI Deploy hands over voxels: it leaves out what has ``LoadImage``
    in its name.

    Args:
        keys: paths of NIfTI files or folders of one DICOM series each.
        suffixes: of the images' names, which tell the contrast: ``hrT2``.
        options: as of ``LoadImaged``.
    """

    def __init__(self, keys: KeysCollection, suffixes: Sequence[str], **options: Any) -> None:
        super().__init__(keys, **options)
        self.contrast = contrast_of(suffixes)

    def __call__(self, data: Mapping[Hashable, Any], reader: ImageReader | None = None) -> dict[Hashable, Any]:
        """Load every key.

        Raises:
            InputError: when one cannot be used, or its name or header speaks against the contrast.
        """
        for key in self.key_iterator(data):
            check_header(Path(data[key]), self.contrast)
        loaded: dict[Hashable, Any] = super().__call__(data, reader)
        for key in self.key_iterator(data):
            check_voxels(Path(data[key]), loaded[key].numpy())
        return loaded
