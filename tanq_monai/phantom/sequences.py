"""MR signal equations, and the protocols of the two crossMoDA sites at 1.5 T."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tanq_monai.phantom.tissues import Tissue

_T2_STAR_LIMIT = 50.0  # ms: field inhomogeneity near the skull base caps T2*
_FLOWING_BLOOD = 0.04  # what is left of a flow void, as a fraction of the signal of resting blood


@dataclass(frozen=True)
class Protocol:
    """One sequence with its settings.

    Args:
        name: as in reports.
        contrast: which crossMoDA contrast it makes.
        sequence: which signal equation holds.
        tr: repetition time, ms.
        te: (effective) echo time, ms.
        flip_angle: degrees; the spin echo equations assume 90 and ideal refocusing.
        signal_to_noise: of white matter at the voxel size of the scan, before coil shading.
    """

    name: str
    contrast: Literal["ceT1", "hrT2"]
    sequence: Literal["spoiled", "balanced", "spin_echo", "spin_echo_restore"]
    tr: float
    te: float
    flip_angle: float = 90.0
    signal_to_noise: float = 25.0


LONDON_FLASH = Protocol("3D FLASH", "ceT1", "spoiled", tr=11, te=4.76, flip_angle=20, signal_to_noise=16)
TILBURG_FFE = Protocol("3D FFE", "ceT1", "spoiled", tr=25, te=1.82, flip_angle=30, signal_to_noise=19)
LONDON_CISS = Protocol("CISS", "hrT2", "balanced", tr=9.95, te=4.43, flip_angle=70, signal_to_noise=11)
LONDON_RESTORE = Protocol("3D TSE restore", "hrT2", "spin_echo_restore", tr=750, te=121, signal_to_noise=5)
TILBURG_TSE = Protocol("3D TSE", "hrT2", "spin_echo", tr=2700, te=160, signal_to_noise=6)


def signal(tissue: Tissue, protocol: Protocol) -> float:
    r"""Signal of a tissue, in units of the magnetization of water in equilibrium.

    With :math:`E_1 = e^{-TR/T_1}`, :math:`E_2 = e^{-TR/T_2}`, :math:`D = e^{-TE/T_2}`, density :math:`\rho`:

    * spoiled: :math:`\rho \sin\alpha (1 - E_1) / (1 - E_1 \cos\alpha) \, e^{-TE / \min(T_2, 50\,ms)}`
    * balanced: :math:`\rho \sin\alpha (1 - E_1) / (1 - (E_1 - E_2) \cos\alpha - E_1 E_2) \, D`
    * spin echo: :math:`\rho (1 - E_1) D`
    * spin echo with restore: :math:`\rho (1 - E_1 + E_1 D^2) D`, the rest of the transverse magnetization is
      turned back to the longitudinal axis at 2 TE.

    Flowing blood gives almost nothing in the T2-weighted sequences.
    """
    e1, e2 = np.exp(-protocol.tr / tissue.t1), np.exp(-protocol.tr / tissue.t2)
    decay = np.exp(-protocol.te / tissue.t2)
    sin, cos = np.sin(np.radians(protocol.flip_angle)), np.cos(np.radians(protocol.flip_angle))
    if protocol.sequence == "spoiled":
        decay = np.exp(-protocol.te / min(tissue.t2, _T2_STAR_LIMIT))
        value = sin * (1 - e1) / (1 - e1 * cos) * decay
    elif protocol.sequence == "balanced":
        value = sin * (1 - e1) / (1 - (e1 - e2) * cos - e1 * e2) * decay
    elif protocol.sequence == "spin_echo":
        value = (1 - e1) * decay
    else:
        value = (1 - e1 + e1 * decay**2) * decay
    if tissue.flows and protocol.contrast == "hrT2":
        value *= _FLOWING_BLOOD
    return float(tissue.density * value)
