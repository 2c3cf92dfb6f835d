import numpy as np
import pytest

from tanq_monai.phantom import (
    LONDON_CISS,
    LONDON_FLASH,
    LONDON_MPRAGE,
    LONDON_RESTORE,
    TILBURG_FFE,
    TILBURG_TSE,
    Case,
    Kind,
    Protocol,
    draw_patient,
    scan_case,
    signal,
)
from tanq_monai.phantom.scanner.random_protocols import randomized

ALL = (LONDON_FLASH, LONDON_MPRAGE, TILBURG_FFE, LONDON_CISS, LONDON_RESTORE, TILBURG_TSE)


def draw(protocol: Protocol, number: int = 300) -> list[Protocol]:
    rng = np.random.default_rng(0)
    return [randomized(protocol, rng) for _ in range(number)]


@pytest.mark.parametrize("protocol", ALL, ids=lambda p: p.name)
def test_contrast_and_signal_equation_stay(protocol: Protocol) -> None:
    for drawn in draw(protocol):
        assert (drawn.contrast, drawn.sequence) == (protocol.contrast, protocol.sequence)
        assert drawn.name == f"{protocol.name} (random)"


@pytest.mark.parametrize("protocol", ALL, ids=lambda p: p.name)
def test_the_sites_own_settings_lie_inside_of_what_is_drawn(protocol: Protocol) -> None:
    drawn = draw(protocol)
    for setting in ("tr", "te", "flip_angle", "signal_to_noise"):
        values = [getattr(d, setting) for d in drawn]
        assert min(values) <= getattr(protocol, setting) <= max(values), setting
    if protocol.inversion:
        times = [d.inversion.ti for d in drawn if d.inversion]
        assert min(times) < protocol.inversion.ti <= max(times) + 10


def test_settings_are_drawn_evenly_on_a_logarithmic_scale() -> None:
    tr = np.log([drawn.tr for drawn in draw(TILBURG_TSE, 2000)])
    counts = np.histogram(tr, bins=10, range=(np.log(1500), np.log(4500)))[0]
    assert counts.sum() == 2000
    assert np.abs(counts - 200).max() < 4 * np.sqrt(200)


def test_a_balanced_echo_lies_a_little_before_the_middle_of_its_tr() -> None:
    for drawn in draw(LONDON_CISS):
        assert drawn.te / drawn.tr == pytest.approx(0.45, abs=0.005)


def test_the_contrast_of_a_schwannoma_varies_by_a_third_between_protocols() -> None:
    tissues = draw_patient(np.random.SeedSequence(0)).tissues
    for protocol in (LONDON_FLASH, TILBURG_FFE, LONDON_RESTORE, TILBURG_TSE):
        ratios = [signal(tissues[Kind.VS], d) / signal(tissues[Kind.WHITE_MATTER], d) for d in draw(protocol)]
        low, high = np.percentile(ratios, (5, 95))
        assert high / low > 4 / 3, protocol.name


def test_ceT1_of_hospitals_has_such_settings_which_follow_from_the_seed() -> None:
    case = Case("source", 1)
    scans, again = (scan_case(case, "tiny", 0, protocols="left_out") for _ in range(2))
    assert [p.name for p in scans.protocols.values()] == ["3D FFE (random)"]
    assert again.protocols == scans.protocols
    np.testing.assert_array_equal(again.images["ceT1"], scans.images["ceT1"])
