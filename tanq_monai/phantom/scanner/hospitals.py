"""hrT2 as hospitals scan it: sequences of three vendors, two field strengths, with and without gadolinium."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tanq_monai.phantom.draws import Range, log_uniform_setting
from tanq_monai.phantom.scanner.sequences import Protocol

Vendor = Literal["Siemens", "Philips", "GE"]
LEFT_OUT: Vendor = "GE"
"""Whose sequences no shipped weight has seen."""
_GADOLINIUM_SHARE = 0.5
_TESLA = (1.5, 3.0)
_ECHO = (0.42, 0.5)  # TE / TR of a balanced sequence
THIN: Range = (0.4, 1.6)
"""Slices of a 3D sequence, mm: the left-out vendor's, and those of scans that no hospital makes."""
THINNEST: Range = (0.3, 1.6)
"""The other vendors'."""


@dataclass(frozen=True)
class Sequence:
    """A vendor's sequence with the settings that hospitals choose.

    Args:
        name: the vendor's.
        vendor: who.
        equation: as in :class:`Protocol`.
        tr: ms.
        te: ms; None: a part of TR.
        flip_angle: degrees.
        signal_to_noise: of white matter.
        passes: of a balanced sequence.
        thickness: of a slice, mm.
    """

    name: str
    vendor: Vendor
    equation: Literal["balanced", "spin_echo", "spin_echo_restore"]
    tr: Range
    te: Range | None
    flip_angle: Range = (90, 90)
    signal_to_noise: Range = (3, 15)
    passes: int = 2
    thickness: Range = THINNEST


SEQUENCES = (
    Sequence("CISS", "Siemens", "balanced", (5.4, 12), None, (45, 75), (5, 25)),
    Sequence("SPACE", "Siemens", "spin_echo_restore", (900, 2000), (70, 250)),
    Sequence("2D TSE", "Siemens", "spin_echo", (3000, 6000), (80, 130), thickness=(2.0, 3.0)),
    Sequence("bFFE", "Philips", "balanced", (4.5, 9), None, (45, 80), (5, 25), passes=1),
    Sequence("DRIVE", "Philips", "spin_echo_restore", (1200, 2500), (80, 250)),
    Sequence("VISTA", "Philips", "spin_echo", (1500, 3500), (70, 250)),
    Sequence("FIESTA-C", "GE", "balanced", (4, 7), None, (45, 65), (5, 25), thickness=THIN),
    Sequence("CUBE", "GE", "spin_echo", (2000, 3500), (60, 120), thickness=THIN),
)
"""Ranges of settings that we chose about those usual for the inner ear; a balanced sequence's TE follows its TR.

Long trains of low refocusing angles weight like a spin echo of about half their effective TE, so TE begins lower."""


def draw_sequence(rng: np.random.Generator, *, left_out: bool = False) -> Sequence:
    """One of all sequences but those of :data:`LEFT_OUT`, or one of these alone."""
    allowed = [one for one in SEQUENCES if (one.vendor == LEFT_OUT) == left_out]
    return allowed[int(rng.integers(len(allowed)))]


def draw_settings(rng: np.random.Generator, sequence: Sequence) -> Protocol:
    """A hospital's settings of the sequence, each drawn evenly on a logarithmic scale; the left-out vendor's at 3 T."""
    tr = log_uniform_setting(rng, sequence.tr)
    return Protocol(
        name=f"{sequence.vendor} {sequence.name}",
        contrast="hrT2",
        sequence=sequence.equation,
        tr=tr,
        te=log_uniform_setting(rng, sequence.te or (_ECHO[0] * tr, _ECHO[1] * tr)),
        flip_angle=log_uniform_setting(rng, sequence.flip_angle),
        signal_to_noise=log_uniform_setting(rng, sequence.signal_to_noise),
        passes=sequence.passes,
        tesla=3.0 if sequence.vendor == LEFT_OUT else float(rng.choice(_TESLA)),
        gadolinium=bool(rng.random() < _GADOLINIUM_SHARE),
    )
