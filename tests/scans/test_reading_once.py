"""A folder of scans through a bundle: each is opened once, and one that cannot be used does not stop the others."""

import json
from collections import Counter

import nibabel as nib
import numpy as np
import pytest
from bundle_workflow import workflow
from files import LPS, scan, structures, write_nifti, write_series
from made_up_models import write_model

from tanq_monai.errors import InputErrors, mistake_behind
from tanq_monai.scans import labels, volume
from tanq_monai.scans.folder import find_labelled
from tanq_monai.segmentation.training.preparation import PlanWish, write_raw_dataset
from tanq_monai.translation.pairs import PairStore, find_pairs
from tanq_monai.translation.slices import SliceSize, SliceStore


@pytest.fixture
def decoded(monkeypatch):
    """How often the voxels of which file were read."""
    counts = Counter()
    for module in (volume, labels):
        read = module.read_voxels
        monkeypatch.setattr(
            module, "read_voxels", lambda path, image, read=read: counts.update([path.name]) or read(path, image)
        )
    return counts


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "2d", "2d")


def segment(folder, model, output):
    flow = workflow(
        "vs_cochlea_seg",
        "inference",
        dataset_dir=str(folder),
        model_dir=str(model),
        output_dir=str(output),
        device="cpu",
        engine="torch",
    )
    with pytest.raises(Exception) as error:
        flow.run()
    return str(mistake_behind(error.value))


@pytest.mark.parametrize("bad", [("a",), ("b",), ("c",), ("a", "c"), ("b", "c")])
def test_scans_that_show_nothing_are_told_and_the_others_segmented_once(tmp_path, model, decoded, bad):
    for name in "abc":
        write_nifti(tmp_path / "scans" / f"{name}_hrT2.nii.gz", scan() * (name not in bad))
    told = segment(tmp_path / "scans", model, tmp_path / "out")
    assert [line.partition("_hrT2")[0][-1] for line in told.splitlines()] == list(bad)
    assert "shows nothing: all its voxels are 0" in told
    written = sorted(path.name[0] for path in (tmp_path / "out").glob("*_Label.nii.gz"))
    assert written == [name for name in "abc" if name not in bad]
    assert decoded == {f"{name}_hrT2.nii.gz": 1 for name in "abc"}


def test_where_no_scan_can_be_used_all_are_told(tmp_path, model):
    for name in "ab":
        write_nifti(tmp_path / "scans" / f"{name}_hrT2.nii.gz", np.full((8, 8, 3), 5.0))
    assert len(segment(tmp_path / "scans", model, tmp_path / "out").splitlines()) == 2


def test_scans_of_any_ending_and_series_in_folders_are_segmented_beside_each_other(tmp_path, model):
    scans = tmp_path / "scans"
    for name in ("a_1.2_hrT2.nii", "a_1.3_hrT2.nii.gz", "c_T2.nii.gz"):
        write_nifti(scans / name, scan())
    (scans / "c_T2.nii.gz").rename(scans / "c_T2.NII.GZ")
    (scans / "._c_T2.nii.gz").write_bytes(b"of macOS")
    write_series(scans / "patient [7]", scan(), [1.5 * k for k in range(6)])
    write_nifti(scans / "zero_hrT2.nii.gz", np.zeros((4, 4, 4)))
    assert len(segment(scans, model, tmp_path / "out").splitlines()) == 1
    written = sorted(path.name for path in (tmp_path / "out").glob("[!.]*.nii.gz"))
    assert written == [f"{case}_Label.nii.gz" for case in ("a_1.2", "a_1.3", "c", "patient [7]")]


def test_nifti_files_beside_slices_of_a_series_are_refused(tmp_path):
    write_series(tmp_path, scan(), [1.5 * k for k in range(6)])
    write_nifti(tmp_path / "a_ceT1.nii.gz", scan())
    with pytest.raises(ValueError, match="holds a DICOM series beside NIfTI files; give the series a folder"):
        find_labelled(tmp_path)


@pytest.mark.parametrize("shape", [(12, 10, 1), (12, 10, 2)])
def test_the_label_of_a_scan_of_one_slice_has_three_dimensions(tmp_path, model, shape):
    write_nifti(tmp_path / "scans" / "a_hrT2.nii.gz", scan()[:, :, : shape[2]])
    write_nifti(tmp_path / "scans" / "b_hrT2.nii.gz", np.zeros(shape))
    segment(tmp_path / "scans", model, tmp_path / "out")
    assert nib.load(tmp_path / "out" / "a_Label.nii.gz").shape == shape


def test_slices_for_a_training_open_every_file_once(tmp_path, decoded):
    for name, array in (("ceT1", scan(1)), ("hrT2", scan(2)), ("Label", structures())):
        write_nifti(tmp_path / f"a_{name}.nii.gz", array)
    size = SliceSize(pixels=16, pixel_mm=0.3, slab_mm=4.5)
    for store in (
        SliceStore(find_labelled(tmp_path).cases, size, tmp_path / "slices"),
        PairStore(find_pairs(tmp_path).cases, size, tmp_path / "pairs"),
    ):
        decoded.clear()
        assert [store[number].shape[1:] for number in range(len(store))]
        assert set(decoded.values()) == {1}


def test_a_training_of_nnunet_gets_a_copy_of_what_nnunet_would_read_otherwise(tmp_path, decoded):
    """Its own reader takes axes as they are stored, and spacings from ``pixdim``."""
    sources = tmp_path / "sources"
    for name in ("as it is", "sagittal", "pixdim"):
        write_nifti(sources / f"{name}_hrT2.nii.gz", scan())
        write_nifti(sources / f"{name}_Label.nii.gz", structures())
    for kind in ("hrT2", "Label"):
        image = nib.load(sources / f"sagittal_{kind}.nii.gz")
        turn = nib.orientations.ornt_transform(nib.io_orientation(LPS), nib.orientations.axcodes2ornt("PSL"))
        nib.save(image.as_reoriented(turn), sources / f"sagittal_{kind}.nii.gz")
    stretched = nib.load(sources / "pixdim_hrT2.nii.gz")
    stretched.header["pixdim"][3] = 3.0
    stretched.header["qform_code"] = 1
    nib.save(stretched, sources / "pixdim_hrT2.nii.gz")
    cases = find_labelled(sources, suffixes=("hrT2",)).cases
    decoded.clear()
    write_raw_dataset(cases, tmp_path / "raw")
    assert set(decoded.values()) == {1}
    copies = sorted(path.name for path in (tmp_path / "raw" / "imagesTr").glob("[!.]*"))
    assert copies == ["pixdim_hrT2_0000.nii.gz", "sagittal_hrT2_0000.nii.gz"]
    for name in copies:
        image = nib.load(tmp_path / "raw" / "imagesTr" / name)
        label = nib.load(tmp_path / "raw" / "labelsTr" / name.replace("_0000", ""))
        for one, expected in ((image, scan()), (label, structures())):
            np.testing.assert_array_equal(np.asarray(one.dataobj), expected)
            np.testing.assert_allclose(one.affine, LPS, atol=1e-6)
            np.testing.assert_allclose(one.header.get_zooms(), (0.5, 0.5, 1.5))


def test_a_training_that_goes_on_from_a_model_gets_scans_as_those_of_the_model_pointed(tmp_path, model):
    plan = json.loads((model / "plans.json").read_text())
    (tmp_path / "plans.json").write_text(json.dumps(plan | {"orientation": "RAS"}))
    write_nifti(tmp_path / "a_hrT2.nii.gz", scan())
    write_nifti(tmp_path / "a_Label.nii.gz", structures())
    wish = PlanWish("2d", plans_file=tmp_path / "plans.json")
    write_raw_dataset(find_labelled(tmp_path, suffixes=("hrT2",)).cases, tmp_path / "raw", orientation=wish.orientation)
    image = nib.load(tmp_path / "raw" / "imagesTr" / "a_hrT2_0000.nii.gz")
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(np.asarray(image.dataobj), scan()[::-1, ::-1])


def test_every_scan_of_a_training_that_cannot_be_used_is_told(tmp_path):
    for name in "abc":
        write_nifti(tmp_path / f"{name}_hrT2.nii.gz", scan() * (name == "b"))
        write_nifti(tmp_path / f"{name}_Label.nii.gz", structures())
    cases = find_labelled(tmp_path, suffixes=("hrT2",)).cases
    with pytest.raises(InputErrors, match=r"a_hrT2\.nii\.gz: shows nothing.*\n.*c_hrT2\.nii\.gz: shows nothing"):
        write_raw_dataset(cases, tmp_path / "raw")
