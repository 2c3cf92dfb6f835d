"""Published figures of scans beside which the check puts its own; they and their sources are in ``published.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from tanq_monai.anatomy.published import Interval

VS, CSF, BONE = "VS / brain", "CSF / brain", "cochlea / petrous bone"
COCHLEA, FLUID = "cochlea / brain", "cochlear fluid / brain"
RATIOS = (VS, COCHLEA, FLUID, CSF, BONE)
"""Ratios of intensities that are measured in every scan."""
LONDON_HRT2 = "London hrT2"
"""The sequence of a file that does not say which of London's two it is."""


@dataclass(frozen=True)
class PublishedScans:
    """What is published about scans.

    Args:
        voxels: group of scans ("ldn ceT1") to structure to p5 and p95 of its share of the voxels, percent.
        spacing: group of scans to "in plane" and "between slices" to the smallest and largest, mm.
        slab: contrast to the least and largest height of a scan, mm.
        ratios: sequence to ratio (one of ``RATIOS``) to its value.
        mixed: name of an unknown sequence to those which it may be.
    """

    voxels: Mapping[str, Mapping[str, Interval]]
    spacing: Mapping[str, Mapping[str, Interval]]
    slab: Mapping[str, Interval]
    ratios: Mapping[str, Mapping[str, float]]
    mixed: Mapping[str, tuple[str, ...]]

    def ratio(self, sequence: str, name: str) -> tuple[float, ...]:
        """Values of a ratio: one, none, or one for each of the sequences which this one may be."""
        sequences = self.mixed.get(sequence, (sequence,))
        return tuple(self.ratios[s][name] for s in sequences if name in self.ratios.get(s, {}))


@cache
def published_scans() -> PublishedScans:
    """Read the figures.

    Ratios come from the signals of a sequence: the median of the cochlea's label is put beside perilymph on ceT1, where
    fluid, septa and modiolus are alike, and only the label's brightest voxels are on hrT2, where they are not. A real
    patient's ratios stand where no equation's do.
    """
    text = resources.files(__package__).joinpath("published.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    ratios = {name: _from_signals(signals) for name, signals in data["signals"].items()}
    ratios |= {name: _from_patient(values) for name, values in data["patients"].items()}
    return PublishedScans(
        voxels=_intervals(data["voxels"]),
        spacing=_intervals(data["spacing"]),
        slab={contrast: _interval(values) for contrast, values in data["slab"].items()},
        ratios=ratios,
        mixed={LONDON_HRT2: ("CISS", "3D TSE restore")},
    )


def _from_signals(signals: Mapping[str, float]) -> dict[str, float]:
    brain = signals["white matter"]
    is_t2 = signals["CSF"] > brain
    return {
        VS: signals["VS"] / brain,
        FLUID if is_t2 else COCHLEA: signals["perilymph"] / brain,
        CSF: signals["CSF"] / brain,
    }


def _from_patient(values: Mapping[str, float]) -> dict[str, float]:
    brain = values["brain"]
    return {
        VS: values["VS"] / brain,
        COCHLEA: values["cochlea"] / brain,
        CSF: values["CSF"] / brain,
        BONE: values["cochlea"] / values["petrous bone"],
    }


def _intervals(groups: Mapping[str, Mapping[str, tuple[float, float]]]) -> dict[str, dict[str, Interval]]:
    return {group: {name: _interval(ends) for name, ends in part.items()} for group, part in groups.items()}


def _interval(values: tuple[float, float]) -> Interval:
    low, high = values
    return float(low), float(high)
