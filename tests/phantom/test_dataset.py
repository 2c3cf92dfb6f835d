import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tanq_monai.errors import InputError
from tanq_monai.phantom import render_pair, write_dataset


def checksums(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_folder_has_the_layout_of_crossmoda_2022(tiny_phantom: Path) -> None:
    ldn, etz = "crossmoda2021_ldn_", "crossmoda2022_etz_"
    source = [f"training_source/{c}_{k}.nii.gz" for c in (f"{ldn}1", f"{ldn}2", f"{etz}0", f"{etz}1")
              for k in ("ceT1", "Label")]  # fmt: skip
    target = [f"{ldn}106", f"{ldn}107", f"{etz}105", f"{etz}106"]
    test = [f"{ldn}211", f"{etz}210"]
    expected = source
    for folder, cases in (("training_target", target), ("validation", test)):
        expected += [f"{folder}/{c}_hrT2.nii.gz" for c in cases]
        expected += [f"withheld_labels/{folder}/{c}_Label.nii.gz" for c in cases]
    assert set(checksums(tiny_phantom)) == set(expected)


def test_target_folders_hold_no_labels(tiny_phantom: Path) -> None:
    for folder in ("training_target", "validation"):
        assert not list((tiny_phantom / folder).glob("*Label*"))


def test_labels_are_float64_on_the_grid_of_their_image_with_both_structures(tiny_phantom: Path) -> None:
    values = set()
    for path in sorted(tiny_phantom.rglob("*_Label.nii.gz")):
        folder = tiny_phantom / path.relative_to(tiny_phantom / "withheld_labels").parent if (
            "withheld_labels" in path.parts) else path.parent  # fmt: skip
        (image_path,) = folder.glob(path.name.replace("_Label.nii.gz", "_[ch]*T*.nii.gz"))
        label, image = nib.load(path), nib.load(image_path)
        assert label.get_data_dtype() == np.float64
        assert image.get_data_dtype() == np.int16
        assert label.shape == image.shape
        np.testing.assert_array_equal(label.affine, image.affine)
        values |= set(np.unique(label.dataobj))
        assert 2 in np.asarray(label.dataobj)
    assert values == {0, 1, 2}


def test_affines_are_lps_and_slightly_oblique(tiny_phantom: Path) -> None:
    affines = [nib.load(path).affine for path in tiny_phantom.rglob("*T?.nii.gz")]
    for affine in affines:
        assert nib.aff2axcodes(affine) == ("L", "P", "S")
        cosines = np.diag(affine)[:3] / np.linalg.norm(affine[:3, :3], axis=0)
        np.testing.assert_array_less(np.cos(np.radians(6)), cosines * (-1, -1, 1))
    assert len({affine.tobytes() for affine in affines}) == len(affines)


def test_the_same_seed_gives_the_same_bytes_however_many_cases_there_are(tmp_path: Path, tiny_phantom: Path) -> None:
    write_dataset(tmp_path, num_source=1, num_target=2, num_test=1, size="tiny", seed=0)
    few, many = checksums(tmp_path), checksums(tiny_phantom)
    assert len(few) == 8
    assert few == {name: many[name] for name in few}


def test_another_seed_gives_other_patients_and_replaces_the_files(tmp_path: Path) -> None:
    write_dataset(tmp_path, num_source=1, num_target=0, num_test=0, size="tiny", seed=0)
    before = checksums(tmp_path)
    write_dataset(tmp_path, num_source=1, num_target=0, num_test=0, size="tiny", seed=1)
    after = checksums(tmp_path)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())


def test_structures_stand_out_from_their_surroundings_as_in_real_scans() -> None:
    ratios = []
    for seed in range(6):
        pair = render_pair(seed, "tiny")
        vs, cochlea = (pair["label"] == n for n in (1, 2))
        if not vs.any():
            continue
        ce_t1, hr_t2 = pair["ceT1"].astype(float), pair["hrT2"].astype(float)
        brain_t1, csf_t2, brain_t2 = 420.0, 1400.0, 1400 * 0.070 / 0.345
        ratios.append(
            [
                np.median(ce_t1[vs]) / brain_t1,
                np.median(ce_t1[cochlea]) / brain_t1,
                np.median(hr_t2[vs]) / csf_t2,
                np.median(hr_t2[vs]) / brain_t2,
                np.median(hr_t2[cochlea]) / csf_t2,
            ]
        )
    vs_t1, cochlea_t1, vs_csf, vs_brain, cochlea_csf = np.mean(ratios, axis=0)
    assert 1.8 < vs_t1 < 2.6  # .084 / .037 with loose tissue and partial volume
    assert 0.15 < cochlea_t1 < 0.5  # .34 in a real patient
    assert 0.45 < vs_csf < 0.75  # darker than CSF
    assert vs_brain > 2.0  # brighter than brain after gadolinium
    assert 0.2 < cochlea_csf < 0.65


def test_a_structure_is_not_the_only_thing_of_its_brightness() -> None:
    pair = render_pair(0, "tiny")
    for image in (pair["ceT1"], pair["hrT2"]):
        vs = image[pair["label"] == 1]
        low, high = np.percentile(vs, (10, 90))
        alike = (image >= low) & (image <= high) & (pair["label"] == 0)
        assert alike.sum() > 5 * len(vs)


@pytest.mark.parametrize("numbers", [(-1, 0, 0), (0, -1, 0), (0, 0, -2)])
def test_a_negative_number_of_patients_is_refused(tmp_path: Path, numbers: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="give 0 or more patients"):
        write_dataset(tmp_path, *numbers, size="tiny", seed=0)


def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'huge' is unknown; choose one of tiny, small, full"):
        write_dataset(tmp_path, 1, 1, 1, size="huge", seed=0)


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="taken: is a file; give the name of a folder"):
        write_dataset(tmp_path / "taken", 1, 0, 0, size="tiny", seed=0)


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        write_dataset(tmp_path / "taken" / "below", 1, 0, 0, size="tiny", seed=0)
