"""Sequences with settings of no scanner in particular, for networks that shall not learn one protocol."""

from dataclasses import replace

import numpy as np

from tanq_monai.phantom.draws import Range, log_uniform_setting, three_digits
from tanq_monai.phantom.scanner.sequences import Inversion, Protocol

# Lowest and highest: TR, TE (ms), flip angle (degrees), signal-to-noise of white matter. What 1.5 T scanners are set to
# for these sequences, and some way beyond; the sites' own settings lie inside. A balanced sequence's TE follows its TR.
_RANGES: dict[str, tuple[Range, Range, Range, Range]] = {
    "spoiled": ((6, 35), (1.5, 6), (12, 40), (10, 30)),
    "inversion_recovery": ((1800, 2400), (1.5, 5), (8, 20), (12, 36)),
    "balanced": ((5, 13), (1, 1), (50, 80), (6, 20)),
    "spin_echo": ((1500, 4500), (80, 260), (90, 90), (3, 12)),
    "spin_echo_restore": ((500, 1500), (80, 260), (90, 90), (3, 12)),
}
_TI: Range = (700, 1100)  # ms
_ECHO = 0.45  # TE / TR of a balanced sequence


def randomized(protocol: Protocol, rng: np.random.Generator) -> Protocol:
    """The same sequence with other settings, each drawn evenly on a logarithmic scale.

    Args:
        protocol: gives contrast, signal equation and the train of an inversion recovery.
        rng: of the draw.

    Returns:
        a protocol whose name ends in "(random)"; settings have three digits.
    """
    tr, te, flip_angle, signal_to_noise = (log_uniform_setting(rng, limits) for limits in _RANGES[protocol.sequence])
    ti = log_uniform_setting(rng, _TI)
    inversion = protocol.inversion
    return replace(
        protocol,
        name=f"{protocol.name} (random)",
        tr=tr,
        te=three_digits(_ECHO * tr) if protocol.sequence == "balanced" else te,
        flip_angle=flip_angle,
        signal_to_noise=signal_to_noise,
        inversion=Inversion(ti, inversion.echoes, inversion.echo_spacing) if inversion else None,
    )
