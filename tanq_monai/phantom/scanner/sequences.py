"""MR signal equations, and the protocols of the two crossMoDA sites at 1.5 T."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tanq_monai.phantom.tissues import Tissue

_T2_STAR_LIMIT = 50.0  # ms: field inhomogeneity near the skull base caps T2*
_FLOWING_BLOOD = 0.04  # what is left of a flow void, as a fraction of the signal of resting blood


@dataclass(frozen=True)
class Inversion:
    """An inversion pulse and the train of gradient echoes after it, as in MPRAGE.

    Args:
        ti: from the inversion to the pulse of the echo in the centre of k-space, ms.
        echoes: in the train; linear order, so that echo number ``echoes // 2`` encodes the centre.
        echo_spacing: between the pulses of the train, ms.
    """

    ti: float
    echoes: int
    echo_spacing: float

    def pauses(self, tr: float) -> tuple[float, float]:
        """Time from the inversion to the first pulse, and from one spacing after the last to the next inversion, ms."""
        before = self.ti - (self.echoes // 2) * self.echo_spacing
        return before, tr - before - self.echoes * self.echo_spacing


@dataclass(frozen=True)
class Protocol:
    """One sequence with its settings.

    Args:
        name: as in reports.
        contrast: which crossMoDA contrast it makes.
        sequence: which signal equation holds.
        tr: repetition time, ms; from one inversion to the next where there is one.
        te: (effective) echo time, ms.
        flip_angle: degrees; the spin echo equations assume 90 and ideal refocusing.
        signal_to_noise: of white matter at the voxel size of the scan, before coil shading.
        inversion: of ``inversion_recovery`` only.
        passes: of ``balanced`` only: 2 as in CISS and FIESTA-C, whose bands fill each other up, or 1 as in bFFE.
        tesla: field of the magnet.
        gadolinium: whether the patient got the contrast agent before.

    Raises:
        ValueError: when ``inversion`` and ``sequence`` disagree, or the train of echoes does not fit between
            one inversion and the next.
    """

    name: str
    contrast: Literal["ceT1", "hrT2"]
    sequence: Literal["spoiled", "inversion_recovery", "balanced", "spin_echo", "spin_echo_restore"]
    tr: float
    te: float
    flip_angle: float = 90.0
    signal_to_noise: float = 25.0
    inversion: Inversion | None = None
    passes: int = 2
    tesla: float = 1.5
    gadolinium: bool = True

    def __post_init__(self) -> None:
        if (self.inversion is not None) != (self.sequence == "inversion_recovery"):
            raise ValueError(f"{self.name}: inversion_recovery, and it alone, has an inversion, got {self.inversion}")
        if self.inversion and min(self.inversion.pauses(self.tr)) < 0:
            raise ValueError(f"{self.name}: {self.inversion} does not fit into a TR of {self.tr} ms")


LONDON_FLASH = Protocol("3D FLASH", "ceT1", "spoiled", tr=11, te=4.76, flip_angle=20, signal_to_noise=16)
LONDON_MPRAGE = Protocol("MPRAGE", "ceT1", "inversion_recovery", tr=1900, te=2.97, flip_angle=15, signal_to_noise=24,
                         inversion=Inversion(ti=1100, echoes=160, echo_spacing=7.1))  # fmt: skip
"""TR, TE, TI and flip angle as published, the train's length and spacing as usual for that TE (not published)."""
TILBURG_FFE = Protocol("3D FFE", "ceT1", "spoiled", tr=25, te=1.82, flip_angle=30, signal_to_noise=19)
LONDON_CISS = Protocol("CISS", "hrT2", "balanced", tr=9.95, te=4.43, flip_angle=70, signal_to_noise=11)
LONDON_RESTORE = Protocol("3D TSE restore", "hrT2", "spin_echo_restore", tr=750, te=121, signal_to_noise=5)
TILBURG_TSE = Protocol("3D TSE", "hrT2", "spin_echo", tr=2700, te=160, signal_to_noise=6)


def signal(tissue: Tissue, protocol: Protocol, precession: float = 0.0) -> float:
    r"""Signal of a tissue, in units of the magnetization of water in equilibrium.

    With :math:`E_1 = e^{-TR/T_1}`, :math:`D = e^{-TE/T_2}`, :math:`D^* = e^{-TE / \min(T_2, 50\,ms)}` (at 1.5 T),
    density :math:`\rho`:

    * spoiled: :math:`\rho \sin\alpha (1 - E_1) / (1 - E_1 \cos\alpha) \, D^*`
    * inversion recovery: :math:`\rho \sin\alpha |M| D^*`, M from ``_inversion_recovery``
    * balanced: the larger of the two passes of CISS, :func:`balanced_signal` at ``precession`` and half a turn on;
      or one pass
    * spin echo: :math:`\rho (1 - E_1) D`
    * spin echo with restore: :math:`\rho (1 - E_1 + E_1 D^2) D`, the rest of the transverse magnetization is
      turned back to the longitudinal axis at 2 TE.

    Flowing blood gives almost nothing in the T2-weighted sequences; CSF is taken to be at rest.

    Args:
        tissue: what is measured.
        protocol: how.
        precession: off resonance, rad per TR; only the balanced sequence is sensitive to it, with period pi, 2 pi
            for one pass.
    """
    e1, angle = np.exp(-protocol.tr / tissue.t1), np.radians(protocol.flip_angle)
    decay = np.exp(-protocol.te / tissue.t2)
    decay_star = np.exp(-protocol.te / min(tissue.t2, _T2_STAR_LIMIT * 1.5 / protocol.tesla))
    if protocol.sequence == "spoiled":
        value = tissue.density * np.sin(angle) * (1 - e1) / (1 - e1 * np.cos(angle)) * decay_star
    elif protocol.inversion:
        longitudinal = _inversion_recovery(tissue.t1, protocol.tr, angle, protocol.inversion)
        value = tissue.density * np.sin(angle) * abs(longitudinal) * decay_star
    elif protocol.sequence == "balanced":
        value = max(balanced_signal(tissue, protocol, precession + turn) for turn in (0.0, np.pi)[: protocol.passes])
    elif protocol.sequence == "spin_echo":
        value = tissue.density * (1 - e1) * decay
    else:
        value = tissue.density * (1 - e1 + e1 * decay**2) * decay
    if tissue.flows and protocol.contrast == "hrT2":
        value *= _FLOWING_BLOOD
    return float(value)


def balanced_signal(tissue: Tissue, protocol: Protocol, precession: float) -> float:
    r"""Steady state of one balanced pass whose pulses alternate in sign.

    .. math:: \rho \, \frac{\sin\alpha (1 - E_1) \sqrt{1 + 2 E_2 \cos\varphi + E_2^2}}
        {1 - E_1 \cos\alpha - (E_1 - \cos\alpha) E_2^2 + E_2 (1 - E_1)(1 + \cos\alpha) \cos\varphi} \, e^{-TE/T_2}

    In the middle of the pass band, :math:`\varphi = 0`, it is
    :math:`\rho \sin\alpha (1 - E_1) / (1 - (E_1 - E_2) \cos\alpha - E_1 E_2) \, e^{-TE/T_2}`. That is the largest
    value of the profile as long as :math:`T_1 / T_2 \geq 1 / \tan^2(\alpha / 2)`, 2.04 at 70 degrees. CSF, 2.1, has
    the flattest profile of all tissues; in a patient whose CSF falls below, the gain off the middle is under .1 %.

    Args:
        tissue: what is measured.
        protocol: its TR, TE and flip angle.
        precession: :math:`\varphi`, rad per TR; 0 in the middle of the pass band, pi in the stop band.

    References:
        Freeman and Hill, "Phase and intensity anomalies in Fourier transform NMR", J. Magn. Reson. 4, 1971; with
        alternating pulses, which moves the profile by half a turn, and decay from pulse to echo.
    """
    e1, e2 = np.exp(-protocol.tr / tissue.t1), np.exp(-protocol.tr / tissue.t2)
    sin, cos = np.sin(np.radians(protocol.flip_angle)), np.cos(np.radians(protocol.flip_angle))
    turn = np.cos(precession)
    transverse = sin * (1 - e1) * np.sqrt(1 + 2 * e2 * turn + e2**2)
    transverse /= 1 - e1 * cos - (e1 - cos) * e2**2 + e2 * (1 - e1) * (1 + cos) * turn
    return float(tissue.density * transverse * np.exp(-protocol.te / tissue.t2))


def _inversion_recovery(t1: float, tr: float, angle: float, inversion: Inversion) -> float:
    r"""Longitudinal magnetization before the pulse of the central echo, in the steady state.

    A perfect inversion every TR, then N pulses, T apart, each with perfect spoiling of what it has tipped. In the
    train the magnetization goes from :math:`M_0` to :math:`M_n = S + (M_0 - S) q^n`, with
    :math:`q = e^{-T/T_1} \cos\alpha` and :math:`S = (1 - e^{-T/T_1}) / (1 - q)`. With :math:`E_a` for the pause from
    inversion to train and :math:`E_b` for that from train to inversion,

    .. math:: M_0 = 1 - E_a (1 + M_-), \quad M_- = 1 - E_b (1 - M_N),

    which is linear in :math:`M_0`.
    """
    before, after = np.exp(-np.asarray(inversion.pauses(tr)) / t1)
    recovery = np.exp(-inversion.echo_spacing / t1)
    kept = recovery * np.cos(angle)
    steady = (1 - recovery) / (1 - kept)
    left = kept**inversion.echoes
    first = (1 - before * (2 - after + after * steady * (1 - left))) / (1 + before * after * left)
    return float(steady + (first - steady) * kept ** (inversion.echoes // 2))
