import numpy as np
import pytest

from tanq_monai.phantom import (
    ENHANCED,
    LONDON_CISS,
    LONDON_FLASH,
    LONDON_RESTORE,
    NATIVE,
    TILBURG_FFE,
    TILBURG_TSE,
    Kind,
    Protocol,
    Tissue,
    signal,
)

TISSUES = {
    "white matter": NATIVE[Kind.WHITE_MATTER],
    "gray matter": NATIVE[Kind.GRAY_MATTER],
    "CSF": NATIVE[Kind.CSF],
    "VS": NATIVE[Kind.VS],
    "VS with gadolinium": ENHANCED[Kind.VS],
    "perilymph": NATIVE[Kind.PERILYMPH],
    "muscle": NATIVE[Kind.MUSCLE],
    "fat": NATIVE[Kind.FAT],
}
# Published relaxation times put through the textbook equations by hand, three decimals.
EXPECTED = {
    LONDON_FLASH: (0.037, 0.035, 0.013, 0.031, 0.084, 0.015, 0.035, 0.098),
    TILBURG_FFE: (0.060, 0.055, 0.021, 0.049, 0.133, 0.024, 0.057, 0.157),
    LONDON_CISS: (0.070, 0.083, 0.345, 0.089, 0.202, 0.218, 0.043, 0.163),
    LONDON_RESTORE: (0.077, 0.118, 0.852, 0.153, 0.218, 0.665, 0.025, 0.099),
    TILBURG_TSE: (0.072, 0.135, 0.438, 0.191, 0.171, 0.431, 0.018, 0.057),
}


@pytest.mark.parametrize("protocol", EXPECTED, ids=lambda p: p.name)
def test_signals_equal_the_table_of_tissues(protocol: Protocol) -> None:
    computed = [signal(tissue, protocol) for tissue in TISSUES.values()]
    np.testing.assert_allclose(computed, EXPECTED[protocol], atol=0.00075)


def test_balanced_sequence_equals_a_bloch_simulation_in_steady_state() -> None:
    tissue, tr, angle = Tissue(t1=900, t2=80, density=0.7), 9.95, np.radians(70)
    protocol = Protocol("bSSFP", "hrT2", "balanced", tr=tr, te=0.0, flip_angle=70)
    e1, e2 = np.exp(-tr / tissue.t1), np.exp(-tr / tissue.t2)
    transverse, longitudinal = 0.0, 1.0
    for pulse in range(4000):  # the pulse's sign alternates
        a = angle if pulse % 2 == 0 else -angle
        turned = transverse * np.cos(a) + longitudinal * np.sin(a)
        longitudinal = -transverse * np.sin(a) + longitudinal * np.cos(a)
        transverse = turned
        last = abs(transverse)
        transverse, longitudinal = transverse * e2, 1 + (longitudinal - 1) * e1
    assert signal(tissue, protocol) == pytest.approx(0.7 * last, rel=1e-6)


def test_spoiled_sequence_equals_a_bloch_simulation_in_steady_state() -> None:
    tissue = Tissue(t1=900, t2=80, density=0.7)
    e1, angle, longitudinal = np.exp(-11 / 900), np.radians(20), 1.0
    for _ in range(2000):
        last = longitudinal * np.sin(angle)
        longitudinal = 1 + (longitudinal * np.cos(angle) - 1) * e1
    expected = 0.7 * last * np.exp(-4.76 / 50)
    assert signal(tissue, LONDON_FLASH) == pytest.approx(expected, rel=1e-6)


def test_spin_echo_after_complete_relaxation_is_density_times_decay() -> None:
    protocol = Protocol("TSE", "hrT2", "spin_echo", tr=1e6, te=100)
    assert signal(Tissue(t1=800, t2=50, density=0.8), protocol) == pytest.approx(0.8 * np.exp(-2))


def test_restore_changes_nothing_when_no_transverse_magnetization_is_left() -> None:
    tissue = Tissue(t1=343, t2=20, density=0.9)
    plain = Protocol("TSE", "hrT2", "spin_echo", tr=750, te=121)
    assert signal(tissue, LONDON_RESTORE) == pytest.approx(signal(tissue, plain), rel=1e-5)


def test_flowing_blood_is_bright_on_ce_t1_and_void_on_hr_t2() -> None:
    blood = ENHANCED[Kind.BLOOD]
    assert signal(blood, LONDON_FLASH) > 2 * signal(ENHANCED[Kind.WHITE_MATTER], LONDON_FLASH)
    for protocol in (LONDON_CISS, LONDON_RESTORE, TILBURG_TSE):
        assert signal(blood, protocol) < 0.02
