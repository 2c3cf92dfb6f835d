"""Exemplars: hrT2 scans whose looks translations are given. No name of a site is needed, nor any training."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import sha256_of
from tanq_monai.networks import ExemplarGenerator
from tanq_monai.scans.gathering import GatheredScan, gather_scans
from tanq_monai.scans.volume import read_volume
from tanq_monai.translation.inferer import BLANK
from tanq_monai.translation.intensity import scale_to_unit_range
from tanq_monai.translation.slice_grid import plan_slices
from tanq_monai.translation.slices import SliceSize

_CONTRAST = "hrT2"
_AT_ONCE = 8  # slices


class Exemplars:
    """Scans of hrT2, and the style code of each: the mean of those of its slices, cut as in training.

    Args:
        places: files, DICOM series, folders of them, see :func:`tanq_monai.scans.gathering.gather_scans`; None: none.
        size: of the slices.
    """

    def __init__(self, places: Sequence[str | Path] | None, size: SliceSize) -> None:
        self.places, self.size = list(places or ()), size

    @cached_property
    def scans(self) -> dict[str, GatheredScan]:
        """By the names of their cases, in the order of the places.

        Raises:
            InputError: when there are no places.
            InputErrors: for every place that is not there, cannot be used, or is of another contrast.
        """
        if not self.places:
            raise InputError("exemplars", "are missing", "give hrT2 scans, whose looks the translations get")
        found = gather_scans(self.places, _CONTRAST)
        if found.problems:
            raise InputErrors(found.problems)
        return {scan.case: scan for scan in found.scans}

    def facts(self, name: str) -> dict[str, Any]:
        """What there is to know again of one of the scans: its name and SHA-256."""
        scan = self.scans[name]
        return {"file": scan.place.name, "sha256": sha256_of(*scan.files)}

    def shown_to(self, network: ExemplarGenerator) -> ExemplarGenerator:
        """``network`` with the looks of the scans, in their order, which are then its styles.

        Raises:
            InputErrors: as of :attr:`scans`.
            InputError: alike, and when the voxels of one cannot be used.
        """
        network.looks = torch.stack([_code_of(scan, self.size, network) for scan in self.scans.values()])
        return network


def _code_of(scan: GatheredScan, size: SliceSize, network: ExemplarGenerator) -> Tensor:
    """The mean of the style codes of a scan's slices that show something, (8,)."""
    volume = read_volume(scan.place, _CONTRAST)
    grid = plan_slices(volume.voxels, volume.affine, size.pixels, size.pixel_mm, None, size.slab_mm)
    slices = torch.from_numpy(scale_to_unit_range(grid.to_slices(volume.voxels)))[:, None].to(network.looks.device)
    shown = slices[(slices > BLANK).flatten(1).any(dim=1)]
    if not len(shown):
        raise InputError(scan.place, "shows nothing where slices are cut", "give another exemplar")
    with torch.no_grad():
        codes = [network.style(part) for part in torch.split(shown, _AT_ONCE)]  # type: ignore[no-untyped-call]
    return torch.cat(codes).mean(dim=0)
