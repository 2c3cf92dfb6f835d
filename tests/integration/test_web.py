"""The page of docs/web.md in a real Chromium, opened from the disk: it labels as the runtime without torch does.

`make test-web` builds the page and runs this. `web/test/drive.mjs` gives it all scans, once; tests read what it said.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from files import write_enhanced
from PIL import Image
from refused_scans import REFUSED
from shared_data import shared_data_folder

from tanq_monai.anatomy.koos import Koos
from tanq_monai.deploy.app.virtual_study import write_virtual_series
from tanq_monai.deploy.runtime import run
from tanq_monai.errors import InputError
from tanq_monai.labelling.labelled import measure
from tanq_monai.metrics.dice import dice
from tanq_monai.phantom import write_dataset
from tanq_monai.scans.volume import read_volume
from tanq_monai.structures import STRUCTURES

pytestmark = [pytest.mark.web, pytest.mark.timeout(1800)]

WEB = Path(__file__).parents[2] / "web"
MODEL = WEB / "assets" / "model.onnx"
MIN_DICE = 0.995
ROUNDED = 2  # voxels of a cochlea of 75, where two classes are as likely and another library rounds otherwise
NUM_VIRTUAL, SEED = 3, 2  # whose VS has either Koos grade, and is cut off in the first one's slab
WINDOW = slice(4, 140)  # of 144 pixels: so many are one window of the network, all are four
EARS = slice(9, 20)  # of 28 slices
REAL = "crossmoda2021_ldn_109"  # of the rendered real heads, the one of the fewest slices
REASON = re.compile(r"(cannot be read as (NIfTI|DICOM)) \(.*\)")  # in the words of the library that reads
PLACE = ("pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d")
PLACE += ("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Scans by name: three virtual patients, one as wide as a head; slabs, oblique with a qform alone, and as DICOM."""
    folder = tmp_path_factory.mktemp("scans")
    write_dataset(folder, num_source=0, num_target=0, num_test=NUM_VIRTUAL, size="small", seed=SEED, workers=2)
    whole = sorted((folder / "validation").glob("*.nii.gz"))
    parts = [(slice(None), EARS), (WINDOW, slice(None)), (WINDOW, slice(None))]
    paths = [part_of(path, folder / path.name, *part) for path, part in zip(whole, parts, strict=True)]
    found = {path.name.removesuffix("_hrT2.nii.gz"): path for path in paths}
    slabs = [part_of(path, folder / f"slab_{n}_hrT2.nii.gz", WINDOW, EARS) for n, path in enumerate(whole)]
    found["oblique_hrT2"] = turned(slabs[0], folder / "oblique_hrT2.nii.gz")
    write_virtual_series(slabs[1], "CISS", folder / "series")
    write_frames(read_volume(slabs[2]), folder / "frames")
    found |= {"series": folder / "series", "frames": folder / "frames"}
    return found | {"packed": packed(folder / "series", folder / "packed")}


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """Scans that cannot be used, by name."""
    folder = tmp_path_factory.mktemp("refused")
    return {path.name: path for path in (write(folder) for write in REFUSED)}


@pytest.fixture(scope="module")
def real():
    """The rendered real head, by its name; nothing where it is not there."""
    try:
        images = shared_data_folder("real_head_hrt2") / "images"
    except pytest.skip.Exception:
        return {}
    return {REAL: images / f"{REAL}_hrT2.nii.gz"}


@pytest.fixture(scope="module")
def page(tmp_path_factory, scans, refused, real):
    """What the page did: its folder, with results.json as ``told``."""
    folder = tmp_path_factory.mktemp("page")
    jobs = [
        {"name": name, "paths": [str(path)], "folder": path.is_dir()} for name, path in (scans | real | refused).items()
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [
        "node",
        str(WEB / "test" / "drive.mjs"),
        shutil.which("chromium"),
        str(folder / "jobs.json"),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def told(page):
    return json.loads((page / "results.json").read_text())


def part_of(path, output, pixels, slices):
    """A scan of fewer pixels and slices."""
    nib.save(nib.load(path).slicer[pixels, pixels, slices], output)
    return output


def write_frames(scan, folder):
    """A scan as one enhanced MR file."""
    folder.mkdir()
    x, _, z = scan.grid.spacing
    count = scan.voxels.shape[2]
    write_enhanced(folder / "all.dcm", scan.voxels, [z * k for k in range(count)], [2] * count)
    header = pydicom.dcmread(folder / "all.dcm")
    header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [round(x, 4), round(x, 4)]
    header.save_as(folder / "all.dcm")


def packed(series, folder):
    """A series whose pixels are packed as JPEG lossless, by dcmtk."""
    folder.mkdir()
    for path in series.glob("*.dcm"):
        subprocess.run(["dcmcjpeg", str(path), str(folder / path.name)], check=True)
    return folder


def turned(path, output):
    """A scan stored from front to back first, tilted by 8 degrees, placed by its qform alone, scaled by its header."""
    image = nib.load(path)
    image = image.as_reoriented(nib.orientations.ornt_transform(
        nib.orientations.io_orientation(image.affine), nib.orientations.axcodes2ornt("ASR")
    ))  # fmt: skip
    angle = np.deg2rad(8)
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    tilted = nib.Nifti1Image(np.asanyarray(image.dataobj), None)
    tilted.header.set_slope_inter(0.5, 3)
    tilted.set_qform(tilt @ image.affine, 1)
    nib.save(tilted, output)
    return output


def readable(name, scans):
    return scans["series" if name == "packed" else name]  # pydicom would want a decoder


def labelled_by_runtime(scan, output):
    run(MODEL, scan, output, engine="onnxruntime", threads=len(os.sched_getaffinity(0)))
    return nib.load(output)


def assert_same_label(found, expected):
    np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)
    labels, right = (np.asanyarray(image.dataobj) for image in (found, expected))
    assert labels.dtype == right.dtype
    for name, value in STRUCTURES.items():
        if (right == value).any() or (labels == value).any():
            differing = np.count_nonzero((labels == value) != (right == value))
            assert dice(labels == value, right == value) >= MIN_DICE or differing <= ROUNDED, name


@pytest.mark.parametrize("number", range(NUM_VIRTUAL + 4))
def test_the_page_labels_as_the_runtime_does(page, told, scans, tmp_path, number):
    name = list(scans)[number]
    expected = labelled_by_runtime(readable(name, scans), tmp_path / "label.nii.gz")
    assert np.asanyarray(expected.dataobj).any()
    assert_same_label(nib.load(page / told["scans"][name]["saved"]["label"]), expected)


def test_the_page_labels_a_real_head_as_the_runtime_does(page, told, real, tmp_path):
    if not real:
        pytest.skip("real data are absent: no real_head_hrt2")
    expected = labelled_by_runtime(real[REAL], tmp_path / "label.nii.gz")
    assert_same_label(nib.load(page / told["scans"][REAL]["saved"]["label"]), expected)


def test_a_label_has_the_place_of_its_scan_as_the_header_has_it(page, told, scans):
    for name, path in scans.items():
        if not path.is_dir():
            of_scan, of_label = (nib.load(one).header for one in (path, page / told["scans"][name]["saved"]["label"]))
            for field in PLACE:
                np.testing.assert_array_equal(of_label[field], of_scan[field], err_msg=f"{name}: {field}")


def test_the_volumes_grade_and_remarks_are_those_of_segment(page, told, scans):
    for name, path in scans.items():
        said = told["scans"][name]
        voxels = read_volume(readable(name, scans), "hrT2").voxels
        expected = measure(name, path, page / said["saved"]["label"], STRUCTURES, ears_first=True, voxels=voxels)
        vs, ears = expected.findings["VS"], expected.findings["cochlea"]
        volumes = (vs["volume_ml"], ears["right"]["volume_ml"], ears["left"]["volume_ml"])
        for said_ml, volume in zip(said["ml"], volumes, strict=True):
            if volume:  # rounded to three digits, a half up or down
                assert re.fullmatch(r"\d+\.\d{3}", said_ml)
                assert float(said_ml) == pytest.approx(volume, abs=0.0005 + 1e-9)
            else:
                assert said_ml == "none"
        assert said["remarks"] == list(expected.remarks)
        koos = Koos.of(expected.findings)
        assert said["koos"] == (f"VS: {koos}. Research only: look at the scan." if str(koos) else "")
        if vs["found"]:
            assert said["size"] == f"VS: {vs['side']} side, {vs['axial_diameter_mm']:.1f} mm at most in an axial slice"


def test_the_scans_show_either_grade_and_a_vs_without(told, scans):
    said = {told["scans"][name]["koos"].removesuffix(" Research only: look at the scan.") for name in scans}
    cut = "VS: no Koos grade is estimated: the VS is cut off by the edge of the scan."
    assert {"VS: Koos I or II, estimated.", "VS: Koos III or IV, estimated.", cut} <= said


def test_what_cannot_be_used_is_told_in_the_line_of_the_runtime(told, refused, monkeypatch):
    for name, path in refused.items():
        monkeypatch.chdir(path.parent)
        with pytest.raises(InputError) as caught:
            read_volume(path.name, "hrT2")  # as the runtime does
        expected, found = (REASON.sub(r"\1", line) for line in (str(caught.value), told["scans"][name]["mistake"]))
        assert found == expected


def test_a_stop_is_heard(told):
    assert told["stop"] == "stopped"


def test_the_page_complains_of_nothing(told):
    assert told["complaints"] == []


def test_nothing_leaves_the_page_and_nothing_can(told):
    assert {address.partition(":")[0] for address in told["requests"]} <= {"file", "blob", "data"}
    files = [address for address in told["requests"] if address.startswith("file:")]
    assert [address for address in files if "/web/dist/" not in address] == []
    assert told["barred"] == ["connect-src", "img-src"]


def test_a_picture_shows_the_scan_and_the_colours_of_the_structures(page, told, scans):
    said = told["scans"][next(iter(scans))]
    picture = np.asarray(Image.open(page / said["saved"]["picture"]).convert("RGB")).astype(int)
    red, green, blue = np.moveaxis(picture, -1, 0)
    assert ((red == green) & (green == blue) & (red > 60)).mean() > 0.1  # grey
    assert ((red > green + 40) & (green > blue + 40)).mean() > 0.001  # orange


def test_the_lock_names_no_registry_but_the_public_one():
    addresses = re.findall(r'"resolved": "([^"]*)"', (WEB / "package-lock.json").read_text())
    assert [address for address in addresses if not address.startswith("https://registry.npmjs.org/")] == []
