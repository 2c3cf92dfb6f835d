from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from tanq_monai.phantom import (
    LONDON_CISS,
    LONDON_FLASH,
    Case,
    CaseScans,
    Kind,
    draw_patient,
    ideal_scan,
    make_grid,
    scan_case,
    signal,
)


@pytest.fixture(scope="module")
def pair() -> CaseScans:
    return scan_case(Case("paired", 2), "tiny", 0)


@pytest.fixture(scope="module")
def ideal(pair: CaseScans) -> dict[str, np.ndarray]:
    """Both contrasts of the pair without noise; the label is that of the pair."""
    scans = {name: ideal_scan(pair.patient, protocol, pair.grid) for name, protocol in pair.protocols.items()}
    for _, label in scans.values():
        np.testing.assert_array_equal(label, pair.label)
    return {name: image for name, (image, _) in scans.items()}


def test_a_pair_has_both_contrasts_of_its_site_on_the_grid_of_hrt2(pair: CaseScans) -> None:
    assert list(pair.images) == ["ceT1", "hrT2"]
    assert [pair.protocols[contrast].contrast for contrast in pair.images] == ["ceT1", "hrT2"]
    hr_t2 = scan_case(Case("target", 0), "tiny", 0).grid
    assert pair.images["ceT1"].shape == pair.images["hrT2"].shape == pair.label.shape == pair.grid.shape == hr_t2.shape
    spacings = [np.linalg.norm(grid.affine[:3, :3], axis=0) for grid in (pair.grid, hr_t2)]
    np.testing.assert_allclose(*spacings)


@pytest.mark.parametrize("contrast", ["ceT1", "hrT2"])
def test_both_contrasts_of_a_pair_show_the_patient_of_its_label(
    pair: CaseScans, ideal: dict[str, np.ndarray], contrast: str
) -> None:
    assert np.corrcoef(ideal[contrast].ravel(), pair.images[contrast].ravel())[0, 1] > 0.9


def test_the_noise_of_the_two_contrasts_is_independent(pair: CaseScans, ideal: dict[str, np.ndarray]) -> None:
    nothing = np.logical_and.reduce([image < 0.01 * image.max() for image in ideal.values()])
    air = ndimage.binary_erosion(nothing, iterations=1)
    ce_t1, hr_t2 = (image[air].astype(float) for image in pair.images.values())
    assert len(ce_t1) > 100
    assert abs(np.corrcoef(ce_t1, hr_t2)[0, 1]) < 4 / np.sqrt(len(ce_t1))


def test_pairs_are_other_patients_than_those_of_the_unpaired_sets(pair: CaseScans) -> None:
    assert draw_patient(Case("paired", 2).seeds(0)[0]).ears == pair.patient.ears
    for subset in ("source", "target", "test"):
        assert draw_patient(Case(subset, 2).seeds(0)[0]).ears != pair.patient.ears


def test_a_paired_set_has_both_contrasts_and_the_label_of_every_patient_on_one_grid(paired_phantom: Path) -> None:
    names = ("crossmoda2021_ldn_301", "crossmoda2022_etz_300")
    files = {f"{name}_{kind}.nii.gz" for name in names for kind in ("ceT1", "hrT2", "Label")}
    assert {path.name for path in (paired_phantom / "paired").glob("[!.]*")} == files
    for name in names:
        scans = [nib.load(paired_phantom / f"paired/{name}_{kind}.nii.gz") for kind in ("ceT1", "hrT2", "Label")]
        assert len({scan.shape for scan in scans}) == len({scan.affine.tobytes() for scan in scans}) == 1


def test_a_structure_is_not_the_only_thing_of_its_brightness(pair: CaseScans) -> None:
    for image in pair.images.values():
        vs = image[pair.label == 1]
        low, high = np.percentile(vs, (10, 90))
        alike = (image >= low) & (image <= high) & (pair.label == 0)
        assert alike.sum() > 2 * len(vs) > 0


def test_structures_stand_out_from_their_surroundings_as_in_real_scans() -> None:
    ratios = []
    grid = make_grid((64, 34, 16), (1.4, 1.4, 2.0), center=(0, -8, 3), factor=(2, 2, 2), ear_factor=(2, 2, 3))
    for index in (1, 2, 3):
        patient = draw_patient(Case("paired", 2 * index).seeds(3)[0])
        ce_t1, label = ideal_scan(patient, LONDON_FLASH, grid)
        hr_t2, _ = ideal_scan(patient, LONDON_CISS, grid)
        vs, cochlea = label == 1, label == 2
        brain_t1, brain_t2 = (signal(patient.tissues[Kind.WHITE_MATTER], p) for p in (LONDON_FLASH, LONDON_CISS))
        csf_t2 = signal(patient.tissues[Kind.CSF], LONDON_CISS)
        if vs.any():
            row = [np.median(ce_t1[vs]) / brain_t1, np.median(ce_t1[cochlea]) / brain_t1]
            row += [np.median(hr_t2[vs]) / csf_t2, np.median(hr_t2[vs]) / brain_t2, np.median(hr_t2[cochlea]) / csf_t2]
            ratios.append(row)
    vs_t1, cochlea_t1, vs_csf, vs_brain, cochlea_csf = np.mean(ratios, axis=0)
    assert 1.8 < vs_t1 < 2.6  # .084 / .037 with loose tissue and partial volume
    assert 0.15 < cochlea_t1 < 0.5  # .34 in a real patient
    assert 0.45 < vs_csf < 0.75  # darker than CSF
    assert vs_brain > 2.0  # brighter than brain after gadolinium
    assert 0.2 < cochlea_csf < 0.65
