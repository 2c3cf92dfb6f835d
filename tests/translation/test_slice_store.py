import os
import pickle
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from files import LPS, SHAPE, THREE, scan, structures, three_classes, write_case, write_nifti

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.scans.folder import find_images, find_labelled
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.translation.slices import SliceSize, SliceStore

SIZE = SliceSize(pixels=16, pixel_mm=0.5, slab_mm=4.5)
WHOLE = SliceSize(pixels=16, pixel_mm=0.5, slab_mm=None)


@pytest.fixture
def scans(tmp_path):
    for name in ("crossmoda2021_ldn_1", "crossmoda2022_etz_2"):
        write_case(tmp_path / "scans", name)
    return tmp_path / "scans"


def _store(scans, folder, size=SIZE, **choices):
    return SliceStore(find_labelled(scans).cases, size, folder, **choices)


def test_slices_of_all_labelled_cases_are_there(scans, tmp_path):
    store = _store(scans, tmp_path / "slices")
    assert len(store) == 2 * 3
    slices = torch.stack([store[n] for n in range(len(store))])
    assert slices.shape == (6, 2, 16, 16)
    assert set(slices[:, 1].unique().tolist()) == {0, 1, 2}
    assert (slices[:3, 1] > 0).sum() == (structures() > 0).sum()
    assert (slices[:, 0].min().item(), slices[:, 0].max().item()) == (-1, 1)


def test_slices_without_label_have_an_empty_label_map_and_the_scaled_image(tmp_path):
    write_nifti(tmp_path / "crossmoda2021_ldn_106_hrT2.nii.gz", scan())
    store = SliceStore(find_images(tmp_path).cases, WHOLE, tmp_path / "slices")
    slices = torch.stack([store[n] for n in range(len(store))])
    assert slices.shape == (6, 2, 16, 16)
    assert slices[:, 1].abs().max() == 0
    inside = slices[:, 0, 3:13, 2:14].permute(2, 1, 0).numpy()
    expected = 2 * np.clip(scan() / np.sort(scan(), axis=None)[round(0.995 * scan().size) - 1], 0, 1) - 1
    np.testing.assert_allclose(inside, expected, atol=1e-4)


def test_the_number_of_slices_and_their_heights_follow_from_the_headers_alone(scans, tmp_path):
    store = _store(scans, tmp_path / "slices")
    assert store.heights.tolist() == [-1.5, 0.0, 1.5] * 2
    assert not (tmp_path / "slices").exists()
    assert (
        _store(scans, tmp_path / "slices", size=WHOLE).heights.tolist() == [-3.75, -2.25, -0.75, 0.75, 2.25, 3.75] * 2
    )


def test_a_scan_is_read_once_and_only_when_it_is_asked_for(scans, tmp_path):
    store = _store(scans, tmp_path / "slices")
    expected = store[4]
    (file,) = (tmp_path / "slices").iterdir()
    assert file.name.startswith("crossmoda2022_etz_2-")
    written = file.stat().st_mtime_ns
    again = _store(scans, tmp_path / "slices")
    assert torch.equal(again[4], expected)
    assert file.stat().st_mtime_ns == written


def test_slices_on_disk_are_not_used_for_another_size_or_a_changed_scan(scans, tmp_path):
    _store(scans, tmp_path / "slices")[0]
    assert _store(scans, tmp_path / "slices", SliceSize(pixels=12, pixel_mm=0.5, slab_mm=4.5))[0].shape == (2, 12, 12)
    image = scans / "crossmoda2021_ldn_1_ceT1.nii.gz"
    before = _store(scans, tmp_path / "slices")[0]
    write_nifti(image, scan(seed=1))
    assert not torch.equal(_store(scans, tmp_path / "slices")[0], before)


def test_a_slice_may_be_changed_without_changing_the_store(scans, tmp_path):
    store = _store(scans, tmp_path / "slices")
    expected = store[1].clone()
    store[1].zero_()
    assert torch.equal(store[1], expected)


def test_workers_are_sent_no_slices(scans, tmp_path):
    store = _store(scans, tmp_path / "slices")
    expected = store[0]
    pickled = pickle.dumps(store)
    assert len(pickled) < 2000
    assert torch.equal(pickle.loads(pickled)[0], expected)


def test_no_file_stays_mapped_however_many_scans_there_are(scans, tmp_path):
    """A process may have 65,530 maps, by Linux' default."""
    store = _store(scans, tmp_path / "slices")
    assert [store[number].shape for number in range(len(store))] == [(2, 16, 16)] * len(store)
    assert str(tmp_path / "slices") not in Path("/proc/self/maps").read_text()


def test_styles_come_from_the_names(scans, tmp_path):
    assert _store(scans, tmp_path, styles=("ldn", "etz")).styles.tolist() == [0, 0, 0, 1, 1, 1]
    assert _store(scans, tmp_path).styles.tolist() == [0] * 6
    with pytest.raises(InputError, match=r"crossmoda2022_etz_2: has none of the styles \['ldn'\] in its name"):
        _store(scans, tmp_path, styles=("ldn",))


def test_stored_axes_and_integers_do_not_matter(tmp_path):
    volume = np.round(scan() * 100)
    turned = nib.Nifti1Image(volume.astype(np.float32), LPS).as_reoriented([[2, 1], [0, -1], [1, 1]])
    for folder, array, affine in (
        ("a", volume.astype(np.uint16), LPS),
        ("b", np.ascontiguousarray(turned.get_fdata(dtype=np.float32)), turned.affine),
    ):
        write_nifti(tmp_path / folder / "crossmoda2021_ldn_106_hrT2.nii.gz", array, affine)
    one, other = (SliceStore(find_images(tmp_path / f).cases, WHOLE, tmp_path / "slices" / f) for f in "ab")
    assert one.heights.tolist() == other.heights.tolist()
    assert SHAPE[2] == len(one)
    for number in range(len(one)):
        torch.testing.assert_close(one[number], other[number], rtol=0, atol=1e-4)


def test_all_scans_that_cannot_be_used_are_told_when_the_first_one_is_met(scans, tmp_path):
    array = scan()
    array[0, 0, 0] = np.nan
    write_nifti(scans / "crossmoda2021_ldn_1_ceT1.nii.gz", array)
    write_nifti(scans / "crossmoda2022_etz_2_Label.nii.gz", structures() + 4)
    store = _store(scans, tmp_path / "slices")
    with pytest.raises(InputErrors) as error:
        store[0]
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert "crossmoda2021_ldn_1_ceT1.nii.gz: has 1 NaN or infinite voxels" in lines[0]
    assert "crossmoda2022_etz_2_Label.nii.gz" in lines[1]


def test_fewer_than_two_slices_with_structures_are_refused(tmp_path):
    image, label = write_case(tmp_path / "scans")
    one_slice = structures()
    one_slice[:, :, [0, 1, 3, 4, 5]] = 0
    write_nifti(label, one_slice)
    with pytest.raises(InputError, match="scans: has 1 slice with a structure in all its labels; add labelled scans"):
        _store(tmp_path / "scans", tmp_path / "slices").require_structures()
    write_nifti(label, structures())
    _store(tmp_path / "scans", tmp_path / "slices").require_structures()
    assert image.exists()


@pytest.mark.slow
def test_scans_that_a_worker_of_the_loader_cannot_use_are_told_in_one_line_each(scans, tmp_path):
    array = scan()
    array[0, 0, 0] = np.nan
    write_nifti(scans / "crossmoda2021_ldn_1_ceT1.nii.gz", array)
    store = _store(scans, tmp_path / "slices")
    (scans / "crossmoda2022_etz_2_Label.nii.gz").write_bytes(b"")  # since it was found
    loader = torch.utils.data.DataLoader(store, batch_size=2, num_workers=1)
    with pytest.raises(InputErrors) as error:
        next(iter(loader))
    lines = str(error.value).splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("crossmoda2021_ldn_1_ceT1.nii.gz: has 1 NaN or infinite voxels; replace them, e.g. by 0")
    assert lines[1].endswith("crossmoda2022_etz_2_Label.nii.gz: is empty; copy it again")


def test_a_damaged_label_is_told_before_training(tmp_path):
    _, label = write_case(tmp_path / "scans")
    label.write_bytes(label.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"_Label\.nii\.gz: cannot be read as NIfTI"):
        _store(tmp_path / "scans", tmp_path / "slices").require_structures()


def test_three_classes_and_the_two_they_merge_to_give_the_same_slices(tmp_path):
    stores = {}
    for name, voxels, known in (("two", structures(), STRUCTURES), ("three", three_classes(), THREE)):
        write_nifti(write_case(tmp_path / name)[1], voxels)
        size = SliceSize(16, 0.3, 4.5, known)
        cases = find_labelled(tmp_path / name, structures=known).cases
        stores[name] = SliceStore(cases, size, tmp_path / "slices")
    slices = {name: torch.stack([store[n] for n in range(len(store))]) for name, store in stores.items()}
    assert torch.equal(slices["two"], slices["three"])
    assert set(slices["three"][:, 1].unique().tolist()) == {0, 1, 2}


def test_labels_of_other_structures_are_told_when_their_scan_is_read(tmp_path):
    write_nifti(write_case(tmp_path / "scans")[1], three_classes())
    with pytest.raises(InputErrors, match=r"_Label\.nii\.gz: holds unknown label 3; use only \[0, 1, 2\]"):
        _store(tmp_path / "scans", tmp_path / "slices")[0]
    with pytest.raises(InputError, match=r"_Label\.nii\.gz: holds unknown label 3; use only \[0, 1, 2\]"):
        _store(tmp_path / "scans", tmp_path / "slices").require_structures()


def test_slices_of_other_structures_are_cut_anew(scans, tmp_path):
    first = _store(scans, tmp_path / "slices")[1]
    swapped = SliceSize(16, 0.5, 4.5, Structures({"cochlea": 1, "VS": 2}))
    second = _store(scans, tmp_path / "slices", swapped)[1]
    assert torch.equal(first[0], second[0])
    assert torch.equal(second[1], torch.tensor([0.0, 2.0, 1.0])[first[1].long()])


@pytest.mark.parametrize(
    ("plain", "told"),
    [
        ({"meningioma": 1}, "'meningioma' has no norm, by which the translator goes"),
        ({"VS": 2}, "are not numbered 1, 2, 3"),
    ],
)
def test_structures_that_the_translator_cannot_take_are_told_before_a_scan_is_read(tmp_path, plain, told):
    with pytest.raises(InputError, match=told):
        SliceStore([{"image": "not there"}], SliceSize(structures=Structures(plain)), tmp_path)


def test_the_stamp_changes_with_a_scan_or_a_label_and_not_with_the_place_of_their_folder(scans, tmp_path):
    stamps = [_store(scans, tmp_path / "slices").stamp]
    shutil.copytree(scans, tmp_path / "moved")  # with the times of the files
    assert _store(tmp_path / "moved", tmp_path / "slices").stamp == stamps[0]
    for name in ("crossmoda2021_ldn_1_ceT1.nii.gz", "crossmoda2021_ldn_1_Label.nii.gz"):
        os.utime(scans / name, ns=(0, len(stamps)))
        stamps.append(_store(scans, tmp_path / "slices").stamp)
    assert len(set(stamps)) == 3
