from collections.abc import Mapping
from dataclasses import replace

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
from tanq_monai.phantom.scanner.sequences import LONDON_MPRAGE, Inversion, balanced_signal

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


PROTOCOLS = (*EXPECTED, LONDON_MPRAGE)


@pytest.mark.parametrize("protocol", EXPECTED, ids=lambda p: p.name)
def test_signals_equal_the_table_of_tissues(protocol: Protocol) -> None:
    computed = [signal(tissue, protocol) for tissue in TISSUES.values()]
    np.testing.assert_allclose(computed, EXPECTED[protocol], atol=0.00075)


def relaxation(tissue: Tissue, time: float, precession: float) -> np.ndarray:
    """Free precession by an angle and relaxation over a time (ms), on (Mx, My, Mz, 1)."""
    e1, e2 = np.exp(-time / tissue.t1), np.exp(-time / tissue.t2)
    cos, sin = np.cos(precession), np.sin(precession)
    return np.array([[e2 * cos, -e2 * sin, 0, 0], [e2 * sin, e2 * cos, 0, 0], [0, 0, e1, 1 - e1], [0, 0, 0, 1]])


def pulse(degrees: float) -> np.ndarray:
    """Rotation about y, on (Mx, My, Mz, 1)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cos, 0, sin, 0], [0, 1, 0, 0], [-sin, 0, cos, 0], [0, 0, 0, 1]])


def simulate_balanced(tissue: Tissue, protocol: Protocol, precession: float) -> float:
    """Transverse magnetization at the echo after 8192 pulses of alternating sign."""
    free = relaxation(tissue, protocol.tr, precession)
    two = free @ pulse(protocol.flip_angle) @ free @ pulse(-protocol.flip_angle)
    state = pulse(-protocol.flip_angle) @ np.linalg.matrix_power(two, 4096) @ (0, 0, 1, 1)
    echo = relaxation(tissue, protocol.te, precession * protocol.te / protocol.tr) @ state
    return float(tissue.density * np.hypot(echo[0], echo[1]))


@pytest.mark.parametrize("precession", [0.0, 0.4, np.pi / 2, 2.5, np.pi, 4.0, -1.0])
@pytest.mark.parametrize("kind", [Kind.WHITE_MATTER, Kind.FAT, Kind.CSF])
def test_one_balanced_pass_equals_a_bloch_simulation_off_resonance(kind: Kind, precession: float) -> None:
    tissue = NATIVE[kind]
    expected = simulate_balanced(tissue, LONDON_CISS, precession)
    assert balanced_signal(tissue, LONDON_CISS, precession) == pytest.approx(expected, rel=1e-6)


def test_ciss_equals_the_larger_of_two_simulated_passes() -> None:
    tissue = NATIVE[Kind.PERILYMPH]
    for precession in (0.3, 1.4, 1.8, 3.0):
        passes = [simulate_balanced(tissue, LONDON_CISS, precession + turn) for turn in (0, np.pi)]
        assert signal(tissue, LONDON_CISS, precession) == pytest.approx(max(passes), rel=1e-6)


def test_ciss_is_periodic_with_half_a_turn_and_darkest_between_its_passes() -> None:
    angles = np.linspace(0, np.pi, 33)
    for kind in (Kind.WHITE_MATTER, Kind.CSF, Kind.COCHLEA):
        profile = [signal(NATIVE[kind], LONDON_CISS, a) for a in angles]
        shifted = [signal(NATIVE[kind], LONDON_CISS, a + np.pi) for a in angles]
        np.testing.assert_allclose(profile, shifted, rtol=1e-12)
        assert int(np.argmin(profile)) == 16  # a quarter of a turn


@pytest.mark.parametrize(("kind", "darkest"), [(Kind.CSF, 0.938), (Kind.COCHLEA, 0.840), (Kind.WHITE_MATTER, 0.762)])
def test_bands_of_ciss_are_faint_in_fluid_and_deeper_in_brain(kind: Kind, darkest: float) -> None:
    # For TR << T2: sqrt(1/2) (1 + k) / (1/2 + k), with k = (T1 / T2) tan^2(35 degrees).
    k = NATIVE[kind].t1 / NATIVE[kind].t2 * np.tan(np.radians(35)) ** 2
    assert np.sqrt(0.5) * (1 + k) / (0.5 + k) == pytest.approx(darkest, abs=0.005)
    ratio = signal(NATIVE[kind], LONDON_CISS, np.pi / 2) / signal(NATIVE[kind], LONDON_CISS)
    assert ratio == pytest.approx(darkest, abs=0.005)


@pytest.mark.parametrize("tissues", [NATIVE, ENHANCED], ids=["native", "enhanced"])
def test_every_tissue_is_brightest_on_resonance_where_the_table_of_ciss_is_read(tissues: Mapping[Kind, Tissue]) -> None:
    for tissue in tissues.values():
        brightest = max(signal(tissue, LONDON_CISS, a) for a in np.linspace(0, 2 * np.pi, 65))
        assert brightest == pytest.approx(signal(tissue, LONDON_CISS), rel=1e-9)


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS if p.sequence != "balanced"], ids=lambda p: p.name)
def test_only_the_balanced_sequence_feels_the_precession(protocol: Protocol) -> None:
    assert signal(NATIVE[Kind.FAT], protocol, precession=1.5) == signal(NATIVE[Kind.FAT], protocol)


@pytest.mark.parametrize("t1", [300.0, 880.0, 1120.0, 4200.0])
@pytest.mark.parametrize("echoes", [160, 31])
def test_mprage_equals_a_bloch_simulation_in_steady_state(t1: float, echoes: int) -> None:
    protocol = replace(LONDON_MPRAGE, inversion=Inversion(ti=1100, echoes=echoes, echo_spacing=7.1))
    tissue = Tissue(t1=t1, t2=40, density=0.7)
    start = 1100 - echoes // 2 * 7.1
    spoil = np.diag([0.0, 0, 1, 1])
    wait = {time: spoil @ relaxation(tissue, time, 0) for time in (start, 7.1, 1900 - start - echoes * 7.1)}
    first, spacing, last = wait.values()
    state, signals = np.array([0.0, 0, 1, 1]), np.zeros(echoes)
    for _ in range(60):
        state = first @ (np.diag([1, 1, -1, 1]) @ state)
        for echo in range(echoes):
            tipped = pulse(15) @ state
            signals[echo] = tipped[0]
            state = spacing @ tipped
        state = last @ state
    expected = 0.7 * abs(signals[echoes // 2]) * np.exp(-2.97 / 40)
    assert signal(tissue, protocol) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("t1", [300.0, 1500.0, 4000.0])
def test_one_echo_after_an_inversion_is_classical_inversion_recovery(t1: float) -> None:
    protocol = Protocol("IR", "ceT1", "inversion_recovery", tr=3000, te=0, inversion=Inversion(1000, 1, 0.0))
    expected = abs(1 - 2 * np.exp(-1000 / t1) + np.exp(-3000 / t1))
    assert signal(Tissue(t1=t1, t2=50, density=1), protocol) == pytest.approx(expected)


def test_ventricles_are_a_third_of_white_matter_on_mprage_and_schwannomas_twice_it() -> None:
    # One real patient: .27 in a ventricle; 1.39 in a schwannoma, but with a cystic core.
    brain = signal(ENHANCED[Kind.WHITE_MATTER], LONDON_MPRAGE)
    assert signal(ENHANCED[Kind.CSF], LONDON_MPRAGE) / brain == pytest.approx(0.344, abs=0.001)
    assert signal(ENHANCED[Kind.VS], LONDON_MPRAGE) / brain == pytest.approx(2.187, abs=0.001)


def test_an_inversion_and_its_sequence_belong_together() -> None:
    with pytest.raises(ValueError, match="inversion_recovery, and it alone, has an inversion, got None"):
        replace(LONDON_MPRAGE, inversion=None)
    with pytest.raises(ValueError, match="3D FLASH: inversion_recovery, and it alone"):
        replace(LONDON_FLASH, inversion=Inversion(ti=5, echoes=1, echo_spacing=1))


@pytest.mark.parametrize("inversion", [Inversion(500, 160, 7.1), Inversion(1100, 240, 7.1)])
def test_a_train_that_overlaps_an_inversion_is_refused(inversion: Inversion) -> None:
    with pytest.raises(ValueError, match="does not fit into a TR of 1900 ms"):
        replace(LONDON_MPRAGE, inversion=inversion)


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
