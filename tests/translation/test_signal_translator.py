"""Pseudo-hrT2 by the signal equations, beside the true hrT2 of virtual patients in both contrasts."""

import numpy as np
import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.metrics.translation import ssim
from tanq_monai.phantom import LONDON_CISS, LONDON_FLASH, NATIVE, TILBURG_TSE, Kind, draw_patient, make_grid, signal
from tanq_monai.phantom.scanner.acquisition import ideal_scan, render
from tanq_monai.translation.intensity import scale_to_unit_range
from tanq_monai.translation.signal_translator import SignalTranslator

CISS = {"sequence": "balanced", "tr": 9.95, "te": 4.43, "flip_angle": 70}
TSE = {"sequence": "spin_echo", "tr": 2700, "te": 160}
PIXEL = 0.9  # mm


@pytest.fixture(scope="module")
def patient():
    """ceT1 slices (N, 2, H, W) with regions, and the hrT2 of both protocols without noise."""
    person = draw_patient(5)
    grid = make_grid((210, 240, 5), (PIXEL, PIXEL, 3.0), center=(0, 5, 4), factor=(1, 1, 1), ear_factor=(2, 2, 2))
    source, label = render(person, LONDON_FLASH, grid, np.random.default_rng(0))
    true = [ideal_scan(person, protocol, grid)[0] for protocol in (LONDON_CISS, TILBURG_TSE)]
    slices = np.stack([scale_to_unit_range(source), label.astype(np.float32)], axis=1)
    return (
        person,
        torch.from_numpy(slices).permute(3, 1, 2, 0),
        [np.moveaxis(one, -1, 0).swapaxes(1, 2) for one in true],
    )


def translate(slices, style=0):
    network = SignalTranslator(PIXEL, protocols=[CISS, TSE])
    return (network(slices, torch.tensor([style])).numpy()[:, 0] + 1) / 2


@pytest.mark.parametrize("style", [0, 1])
def test_it_is_nearer_to_the_true_hrt2_than_cet1_is(patient, style):
    _, slices, true = patient
    wanted = np.clip(true[style] / np.percentile(true[style], 99.5), 0, 1)
    made, source = translate(slices, style), (slices[:, 0].numpy() + 1) / 2
    for one, other, target in zip(made, source, wanted, strict=True):
        assert np.abs(one - target).mean() < 0.7 * np.abs(other - target).mean()
        assert ssim(one, target) > ssim(other, target)


@pytest.mark.parametrize("style", [0, 1])
def test_levels_inside_the_structures_are_the_true_ones(patient, style):
    _, slices, true = patient
    made, regions = translate(slices, style), slices[:, 1].numpy()
    wanted = 0.9 * true[style] / np.median(true[style][_fluid(true)])
    for value in (1, 2):
        inside = regions == value
        assert np.median(made[inside]) == pytest.approx(np.median(wanted[inside]), abs=0.15)


def test_fluid_is_bright_brain_grey_and_air_black(patient):
    _, slices, true = patient
    made = translate(slices)
    wanted = true[0] / true[0].max()
    brain = np.abs(wanted - signal(NATIVE[Kind.WHITE_MATTER], LONDON_CISS) / true[0].max()) < 0.01
    assert np.median(made[_fluid(true)]) > 2.5 * np.median(made[brain])
    assert np.median(made[brain]) > 0.1
    assert np.median(made[wanted < 0.005]) < 0.05


def _fluid(true):
    """The fourth ventricle and what of the cisterns lies near it."""
    near = np.zeros(true[0].shape, bool)
    near[:, 125:170, 90:120] = True
    return near & (true[0] > 0.9 * true[0].max())


def test_the_scale_of_cet1_hardly_matters(patient):
    _, slices, _ = patient
    darker = slices.clone()
    darker[:, 0] = (slices[:, 0] + 1) * 0.7 - 1
    differences = np.abs(translate(darker) - translate(slices))
    assert np.percentile(differences, 99) < 0.05
    assert differences.mean() < 0.01


def test_without_gadolinium_a_vs_is_darker_on_a_balanced_sequence(patient):
    _, slices, _ = patient
    inside = slices[:, 1].numpy() == 1
    before = SignalTranslator(PIXEL, protocols=[CISS | {"gadolinium": False}])(slices).numpy()[:, 0]
    assert before[inside].mean() < (2 * translate(slices) - 1)[inside].mean() - 0.2


def test_an_empty_slice_stays_empty():
    empty = torch.cat([torch.full((2, 1, 40, 40), -1.0), torch.zeros(2, 1, 40, 40)], dim=1)
    assert translate(empty).max() == 0


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ({"sequence": "spin_echo", "tr": 2700}, "is no protocol"),
        ({"sequence": "epi", "tr": 2700, "te": 90}, "'epi' is no sequence of hrT2; give {sequence: balanced or"),
        ({"sequence": "spoiled", "tr": 11, "te": 4}, "'spoiled' is no sequence of hrT2"),
        ({"tr": 2700, "te": 90}, "None is no sequence of hrT2"),
    ],
)
def test_what_is_no_protocol_is_told(protocol, told):
    with pytest.raises(InputError, match=told):
        SignalTranslator(PIXEL, protocols=[protocol])
