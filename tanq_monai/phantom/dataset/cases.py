"""The cases of a data set: their names, files, contrasts and seeds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tanq_monai.phantom.scanner.protocols import SITES, Contrast, Site
from tanq_monai.scans.naming import LABEL_ENDING

Subset = Literal["source", "target", "test", "paired"]
SUBSETS: tuple[Subset, ...] = ("source", "target", "test", "paired")
WITHHELD = "withheld_labels"
_FOLDERS: dict[Subset, str] = {
    "source": "training_source",
    "target": "training_target",
    "test": "validation",
    "paired": "paired",
}
_CONTRASTS: dict[Subset, tuple[Contrast, ...]] = {
    "source": ("ceT1",),
    "target": ("hrT2",),
    "test": ("hrT2",),
    "paired": ("ceT1", "hrT2"),
}
_NAMES: dict[Site, str] = {"ldn": "crossmoda2021_ldn_{}", "etz": "crossmoda2022_etz_{}"}
_FIRST_NUMBER: dict[tuple[Subset, Site], int] = {
    ("source", "ldn"): 1,
    ("source", "etz"): 0,
    ("target", "ldn"): 106,
    ("target", "etz"): 105,
    ("test", "ldn"): 211,
    ("test", "etz"): 210,
    ("paired", "ldn"): 301,
    ("paired", "etz"): 300,
}


@dataclass(frozen=True)
class Case:
    """One patient of the data set.

    Args:
        subset: source (ceT1 with label), target or test (hrT2), or paired: both contrasts, which no challenge has.
        index: place in the subset.
    """

    subset: Subset
    index: int

    @property
    def site(self) -> Site:
        """London and Tilburg take turns."""
        return SITES[self.index % 2]

    @property
    def name(self) -> str:
        """File name without contrast and ending, numbered as crossMoDA numbers the subset; pairs come after."""
        return _NAMES[self.site].format(_FIRST_NUMBER[self.subset, self.site] + self.index // 2)

    @property
    def contrasts(self) -> tuple[Contrast, ...]:
        """How the patient is scanned, hrT2 last."""
        return _CONTRASTS[self.subset]

    @property
    def folder(self) -> str:
        """Of the images, below the data set's."""
        return _FOLDERS[self.subset]

    def image_paths(self, root: Path) -> dict[Contrast, Path]:
        """File of every contrast."""
        return {contrast: root / self.folder / f"{self.name}_{contrast}.nii.gz" for contrast in self.contrasts}

    def label_path(self, root: Path) -> Path:
        """File of the label; those of target and test lie apart, where no training of the adaptation looks."""
        above = root / WITHHELD if self.subset in ("target", "test") else root
        return above / self.folder / f"{self.name}{LABEL_ENDING}"

    def seeds(self, seed: int) -> tuple[np.random.SeedSequence, np.random.SeedSequence]:
        """Of the patient and of the scan in the data set ``seed``, whatever other cases there are."""
        patient, scan = np.random.SeedSequence([seed, SUBSETS.index(self.subset), self.index]).spawn(2)
        return patient, scan
