"""The applications of docs/deploy.md, in their own environment: holoscan, MONAI Deploy, DICOM in and out.

Run by `make test-deploy`. The commands run the bundles as a zoo publishes them: MONAI Deploy then takes the segmenter's
TorchScript.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import package_zoo
import pydicom
import pytest
from bundle_workflow import BUNDLES, workflow
from contour_reader import read_contours
from scipy import ndimage
from shared_data import shared_data_folder

from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.deploy.torchscript import export_torchscript
from tanq_monai.scans.volume import read_volume

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PYTHONS = {".venv/bin/python": sys.executable, ".venv-deploy/bin/python": str(ROOT / ".venv-deploy" / "bin" / "python")}
BLOCKS = re.findall(r"^```bash\n(.*?)^```", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for block in BLOCKS for line in block.splitlines() if "python -m" in line]
STRUCTURES = {"VS": (1, 1), "cochlea": ((2, 3), 2)}  # their segments, and their value in a label

# What dciodvfy may call an error, with the reason why it is none. Nothing so far.
EXCEPTIONS: dict[str, str] = {}

READ_SEG = """
import warnings; warnings.simplefilter("error")
import sys, numpy as np, highdicom as hd
seg = hd.seg.segread(sys.argv[1])
volume = seg.get_volume(combine_segments=True)
np.savez(sys.argv[2], labels=volume.array, affine=volume.affine)
"""
READ_SR = """
import warnings; warnings.simplefilter("error")
import json, sys, highdicom as hd
report = hd.sr.srread(sys.argv[1])
groups = report.content.get_volumetric_roi_measurement_groups()
json.dump([{
    "name": group.tracking_identifier, "uid": group.tracking_uid, "finding": group.finding_type.value,
    "segment": group.referenced_segment.referenced_segment_numbers[0],
    "side": group.finding_sites[0].laterality.meaning.lower(),
    "figures": {one.name.meaning: [one.value, one.unit.value] for one in group.get_measurements()},
} for group in groups], open(sys.argv[2], "w"))
"""
LOAD_SERIES = """
import sys, numpy as np
from pathlib import Path
from monai.deploy.core import Fragment
from monai.deploy.operators import DICOMDataLoaderOperator, DICOMSeriesSelectorOperator
from tanq_monai.deploy.app.operators import SeriesVolumeOperator
fragment = Fragment()
studies = DICOMDataLoaderOperator(fragment, name="loader").load_data_to_studies(Path(sys.argv[1]))
selected = DICOMSeriesSelectorOperator(fragment, name="selector").filter(None, studies)
image = SeriesVolumeOperator(fragment, name="volume").convert_to_image(selected)
np.savez(sys.argv[2], voxels=image.asnumpy(), affine=image.metadata()["nifti_affine_transform"])
"""
READ_SERIES = """
import warnings; warnings.simplefilter("error")
import sys, pathlib, highdicom as hd, numpy as np, pydicom
slices = [pydicom.dcmread(path) for path in sorted(pathlib.Path(sys.argv[1]).glob('*.dcm'))]
volume = hd.get_volume_from_series(slices)
np.savez(sys.argv[2], voxels=volume.array, affine=volume.affine)
"""


def voxels_and_affine(path):
    found = read_volume(path)
    return found.voxels, found.affine


def run(words, folder):
    """The ended process of one command of the document, typed in ``folder``."""
    command = [PYTHONS.get(words[0], words[0]), *words[1:]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


def app(*words):
    return run([".venv-deploy/bin/python", "-m", "tanq_monai.deploy.app", *map(str, words)], ROOT)


def read_there(script, path, scratch):
    """Arrays that a script of the other environment saves; axes as highdicom has them: slice, row, column, in LPS."""
    subprocess.run([PYTHONS[".venv-deploy/bin/python"], "-c", script, path, scratch / "read.npz"], check=True)
    return np.load(scratch / "read.npz")


def to_ras(array, affine):
    """(k, j, i) with an affine to LPS -> (i, j, k) and its affine to RAS, k upwards."""
    turned, lps = array.transpose(2, 1, 0), affine[:, [2, 1, 0, 3]]
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
    if ras[2, 2] < 0:
        turned = turned[:, :, ::-1]
        ras = ras @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, array.shape[0] - 1], [0, 0, 0, 1]])
    return turned, ras


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def errors_of(path):
    """What dciodvfy calls an error."""
    told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    lines = (told.stdout + told.stderr).splitlines()
    assert lines, "dciodvfy said nothing, not even what kind of object it is"
    return [line for line in lines if line.startswith(("Error", "Abort")) and line not in EXCEPTIONS]


def unpack_published_bundles(folder):
    """What a zoo's zips hold, but for ONNX files, which MONAI Deploy does not take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package_zoo, "EXPORTERS", {"models/model.ts": export_torchscript})
        package_zoo.package_zoo(str(folder / "zoo"))
    for archive in (folder / "zoo").glob("*.zip"):
        shutil.unpack_archive(archive, folder)


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The folder in which every command of the document was typed, one after the other.

    Nothing but TorchScript can have segmented: beside it lie weights that cannot be read.
    """
    folder = tmp_path_factory.mktemp("typed")
    unpack_published_bundles(folder / "bundles")
    (folder / "bundles" / "vs_cochlea_seg" / "models" / "model.pt").write_bytes(b"no weights")
    for words in COMMANDS:
        ended = run(words, folder)
        assert ended.returncode == 0, f"{shlex.join(words)}\n{ended.stdout}\n{ended.stderr}"
    return folder


@pytest.fixture(scope="module")
def seg(typed, tmp_path_factory):
    """The labels of the SEG, and their affine, as highdicom reads them."""
    return read_there(READ_SEG, typed / "results" / "segmentation.dcm", tmp_path_factory.mktemp("seg"))


def test_the_document_has_the_commands_that_are_tested():
    assert [words[2] for words in COMMANDS] == ["tanq_monai", *["tanq_monai.deploy.app"] * 4]


def test_labels_are_those_of_the_bundle_on_the_grid_of_the_series(typed, seg, tmp_path):
    series = typed / "study" / "hrT2"
    models = BUNDLES / "vs_cochlea_seg" / "models"
    workflow(
        "vs_cochlea_seg",
        "inference",
        device="cpu",
        dataset_dir=str(series),
        model_dir=str(models),
        output_dir=str(tmp_path),
    ).run()
    expected, expected_affine = voxels_and_affine(tmp_path / "hrT2_Label.nii.gz")
    _, affine = to_ras(seg["labels"], seg["affine"])
    labels = on_grid(seg["labels"], seg["affine"], expected.shape, expected_affine)
    assert np.allclose(affine[:3, :3], expected_affine[:3, :3], atol=1e-5)
    for segments, value in STRUCTURES.values():
        assert np.count_nonzero(expected == value) > 100
        assert dice(np.isin(labels, segments), expected == value) > 0.995
    x = np.argwhere(labels == 2) @ expected_affine[0, :3], np.argwhere(labels == 3) @ expected_affine[0, :3]
    assert x[0].min() - x[1].max() > 30  # mm: right and left cochlea


def on_grid(array, affine, shape, ras):
    """Labels of the SEG, which leaves empty slices out, at their places on the grid of the series."""
    turned, own = to_ras(array, affine)
    start = np.rint(np.linalg.inv(ras) @ own[:, 3])[:3].astype(int)
    corner = (ras @ [*start, 1])[:3]
    np.testing.assert_allclose(corner, own[:3, 3], atol=1e-3)
    whole = np.zeros(shape, np.uint8)
    i, j, k = start
    whole[i : i + turned.shape[0], j : j + turned.shape[1], k : k + turned.shape[2]] = turned
    return whole


def test_the_seg_says_what_its_segments_are_and_for_what_it_may_be_used(typed):
    seg = pydicom.dcmread(typed / "results" / "segmentation.dcm")
    source = pydicom.dcmread(typed / "study" / "hrT2" / "IM0001.dcm")
    assert seg.StudyInstanceUID == source.StudyInstanceUID
    assert seg.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    assert "research use only" in seg.SeriesDescription
    assert "not for diagnosis" in seg.ContentDescription
    assert (seg.Manufacturer, seg.ManufacturerModelName[:14]) == ("tanq-monai", "vs_cochlea_seg")
    vs, *ears = seg.SegmentSequence
    assert [segment.SegmentLabel for segment in seg.SegmentSequence] == ["VS", "right cochlea", "left cochlea"]
    assert vs.SegmentedPropertyTypeCodeSequence[0].CodeValue == "126949007"
    assert vs.AnatomicRegionSequence[0].CodeValue == "8598002"
    side = json.loads((typed / "results" / "report.json").read_text())["VS"]["side"]
    for segment, own, place in ((vs, side, "8598002"), *zip(ears, ("right", "left"), ["22945000"] * 2, strict=True)):
        (kind,), (region,) = segment.SegmentedPropertyTypeCodeSequence, segment.AnatomicRegionSequence
        assert region.CodeValue == place
        modifiers = kind.SegmentedPropertyTypeModifierCodeSequence, region.AnatomicRegionModifierSequence
        assert {modifier.CodeMeaning.lower() for (modifier,) in modifiers} == {own}
    assert {ear.SegmentedPropertyTypeCodeSequence[0].CodeValue for ear in ears} == {"80169004"}
    assert len({tuple(one.RecommendedDisplayCIELabValue) for one in seg.SegmentSequence}) == 3
    lightness, *_ = (np.array(vs.RecommendedDisplayCIELabValue) / 65535 * (100, 255, 255) - (0, 128, 128)).tolist()
    assert lightness == pytest.approx(78, abs=2)  # of amber, #ffb000
    version = json.loads((BUNDLES / "vs_cochlea_seg" / "configs" / "metadata.json").read_text())["version"]
    for number, segment in enumerate(seg.SegmentSequence, start=1):
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert segment.SegmentNumber == number
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert segment.TrackingID and segment.TrackingUID
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("vs_cochlea_seg (research use only)", version)


def test_the_contours_are_those_of_the_seg(typed, seg):
    found, masks = read_contours(typed / "results" / "structures.dcm", typed / "study" / "hrT2")
    voxels, affine = voxels_and_affine(typed / "study" / "hrT2")
    labels = on_grid(seg["labels"], seg["affine"], voxels.shape, affine)
    assert [*masks] == ["VS", "right cochlea", "left cochlea"]
    for number, mask in enumerate(masks.values(), start=1):
        assert dice(mask, labels == number) >= 0.98
    assert "Research use only" in found.StructureSetDescription


def test_the_report_has_the_volume_of_the_largest_vs_of_the_seg(typed, seg):
    report = json.loads((typed / "results" / "report.json").read_text())
    voxel_ml = abs(np.linalg.det(seg["affine"][:3, :3])) / 1000
    pieces, _ = ndimage.label(seg["labels"] == 1, structure=np.ones((3, 3, 3)))
    largest = np.bincount(pieces.ravel())[1:].max()
    assert report["VS"]["volume_ml"] == pytest.approx(largest * voxel_ml, abs=1e-4)
    assert report["series"]["chosen_by"] == "rule hrT2, balanced gradient echo (CISS, FIESTA-C)"
    assert "Research use only" in report["warning"]
    assert "Research use only" in (typed / "results" / "report.html").read_text()


def test_the_structured_report_has_the_reports_figures_each_with_its_segment(typed, tmp_path):
    results = typed / "results"
    ended = [PYTHONS[".venv-deploy/bin/python"], "-c", READ_SR, results / "measurements.dcm", tmp_path / "sr.json"]
    subprocess.run(ended, check=True)
    groups = {group["name"]: group for group in json.loads((tmp_path / "sr.json").read_text())}
    report = json.loads((results / "report.json").read_text())
    seg = pydicom.dcmread(results / "segmentation.dcm")
    assert {name: group["segment"] for name, group in groups.items()} == {
        one.SegmentLabel: one.SegmentNumber for one in seg.SegmentSequence
    }
    assert {group["uid"] for group in groups.values()} == {one.TrackingUID for one in seg.SegmentSequence}
    vs = report["VS"]
    assert groups["VS"]["figures"] == {
        "Volume": [vs["volume_ml"], "mL"],
        "Long Axis": [vs["axial_diameter_mm"], "mm"],
    }
    assert groups["VS"]["side"] == vs["side"]
    for side, ear in report["cochlea"].items():
        assert groups[f"{side} cochlea"]["figures"] == {"Volume": [ear["volume_ml"], "mL"]}
        assert groups[f"{side} cochlea"]["side"] == side


def test_the_structured_report_is_unverified_of_the_same_study_and_says_what_it_is_not_for(typed):
    report = pydicom.dcmread(typed / "results" / "measurements.dcm")
    source = pydicom.dcmread(next((typed / "study" / "hrT2").glob("*.dcm")))
    assert report.VerificationFlag == "UNVERIFIED"
    assert report.StudyInstanceUID == source.StudyInstanceUID
    comments = [
        item.TextValue for item in report.ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == "Comment"
    ]
    told = json.loads((typed / "results" / "report.json").read_text())
    assert "research" in comments[0].lower()
    assert comments[1] == f"VS: Koos {told['VS']['koos_estimated']}, estimated."
    assert comments[2:] == [doubt.replace("³", "3") for doubt in told["doubts"]]


def test_ten_lines_in_another_program_do_the_same(typed, tmp_path):
    """The last block of docs/embedding.md."""
    for name in ("study", "bundles"):
        (tmp_path / name).symlink_to(typed / name)
    text = (ROOT / "docs" / "embedding.md").read_text()
    last = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[-1]
    ended = run([".venv-deploy/bin/python", "-c", last], tmp_path)
    assert ended.returncode == 0, ended.stderr
    volume = json.loads((typed / "results" / "report.json").read_text())["VS"]["volume_ml"]
    assert volume > 0
    assert float(ended.stdout.splitlines()[-1]) == volume


def test_the_synthetic_series_has_the_bundles_values_to_half_a_step(typed, tmp_path):
    series = typed / "synthetic" / "series"
    folders = {"dataset_dir": str(typed / "study" / "ceT1"), "output_dir": str(tmp_path)}
    label = str(typed / "phantom" / "paired" / "crossmoda2021_ldn_301_Label.nii.gz")
    model = str(typed / "bundles" / "tanq_translation" / "models" / "model.pt")
    as_there = {"device": "cpu", "engine": "torch", "amp": "auto"}
    workflow(
        "tanq_translation", "inference", **folders, label_dir=label, model_file=model, style="ldn", **as_there
    ).run()
    expected, affine = voxels_and_affine(tmp_path / "ceT1_hrT2.nii.gz")
    read, read_affine = voxels_and_affine(series)
    step = float(np.ptp(expected)) / 65535
    assert np.ptp(expected) > 0.1
    assert np.abs(read - expected).max() <= step / 2 + 1e-5  # of two processes' sums in float32
    np.testing.assert_allclose(read_affine, affine, atol=1e-5)
    by_highdicom = read_there(READ_SERIES, series, tmp_path)
    voxels, own = to_ras(by_highdicom["voxels"], by_highdicom["affine"])
    np.testing.assert_allclose(voxels, read, atol=1e-6)
    np.testing.assert_allclose(own, affine, atol=1e-5)


def test_a_series_reaches_the_bundle_as_by_its_own_reader(tmp_path):
    """Numbered downwards, with pixels that are no squares, turned; MONAI Deploy's operator fails at the first two."""
    angle = np.deg2rad(10)
    affine = np.eye(4)
    affine[:3, :3] = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    affine[:3, :3] *= [-0.5, -0.7, -1.5]
    volume = np.random.default_rng(0).uniform(0, 1, (8, 7, 6))
    write_mr_series(tmp_path / "series", volume, affine, virtual_tags("patient", PROTOCOLS["CISS"]))
    expected, expected_affine = voxels_and_affine(tmp_path / "series")
    loaded = read_there(LOAD_SERIES, tmp_path / "series", tmp_path)
    np.testing.assert_allclose(loaded["voxels"].T, expected, atol=1e-6)
    np.testing.assert_allclose(loaded["affine"], expected_affine, atol=1e-6)


def test_dciodvfy_finds_no_error_in_anything_that_is_written(typed):
    files = sorted(typed.rglob("*.dcm"))
    assert len(files) > 50
    checked = [file for folder in {file.parent for file in files} for file in sorted(folder.glob("*.dcm"))[:3]]
    assert {str(file): errors_of(file) for file in checked if errors_of(file)} == {}


def test_environment_variables_stand_for_the_paths_and_a_refusal_is_one_line(typed, tmp_path, monkeypatch):
    monkeypatch.setenv("HOLOSCAN_INPUT_PATH", str(typed / "study" / "ceT1"))
    monkeypatch.setenv("HOLOSCAN_MODEL_PATH", str(typed / "bundles"))
    monkeypatch.setenv("HOLOSCAN_OUTPUT_PATH", str(tmp_path / "out"))
    ended = app("segment")
    assert ended.returncode == 1
    assert re.fullmatch(r"error: [^\n]*ceT1: holds no series of hrT2, [^\n]*'3D FLASH phantom'[^\n]*\n", ended.stderr)
    assert ended.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_real_cet1_series_is_segmented_when_the_user_insists(tmp_path):
    """A third of its slices, with all that the network labels there, in a bundle without TorchScript."""
    series = tmp_path / "series"
    series.mkdir()
    for path in sorted(shared_data_folder("vs_seg_001/ceT1_dicom").iterdir())[15:55]:
        shutil.copy(path, series)
    bundle = shutil.copytree(BUNDLES / "vs_cochlea_seg", tmp_path / "vs_cochlea_seg")
    (bundle / "models" / "model.ts").unlink(missing_ok=True)
    plans = json.loads((bundle / "models" / "plans.json").read_text())
    plans["configurations"]["2d"]["patch_size"] = [256, 256]  # few windows: seconds in place of minutes
    (bundle / "models" / "plans.json").write_text(json.dumps(plans))
    config = bundle / "configs" / "inference.yaml"
    config.write_text(config.read_text().replace("ears_first: true", "ears_first: false"))
    uid = pydicom.dcmread(next(series.iterdir()), stop_before_pixels=True).SeriesInstanceUID
    ended = app("segment", "-i", series, "--series", uid, "-m", bundle, "-o", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    for name in ("segmentation.dcm", "structures.dcm", "measurements.dcm"):
        assert errors_of(tmp_path / "out" / name) == []
    assert json.loads((tmp_path / "out" / "report.json").read_text())["series"]["chosen_by"] == "the user"
    read = read_there(READ_SEG, tmp_path / "out" / "segmentation.dcm", tmp_path)
    voxels, affine = voxels_and_affine(series)
    labels = on_grid(read["labels"], read["affine"], voxels.shape, affine)
    assert {0, 1} < set(np.unique(labels)) <= {0, 1, 2, 3}


def test_a_real_cet1_series_is_translated(typed, tmp_path):
    series, label = shared_data_folder("vs_seg_001/ceT1_dicom"), shared_data_folder("vs_seg_001/label.nii.gz")
    model = typed / "bundles" / "tanq_translation"
    ended = app("translate", "-i", series, "--label", label, "--style", "etz", "-m", model, "-o", tmp_path / "out")
    assert ended.returncode == 0, ended.stderr
    files = sorted((tmp_path / "out" / "series").iterdir())
    assert len(files) == 120
    assert errors_of(files[40]) == []
    voxels, affine = voxels_and_affine(tmp_path / "out" / "series")
    assert voxels.shape == (512, 512, 120)
    np.testing.assert_allclose(affine, voxels_and_affine(series)[1], atol=1e-5)
    assert np.ptp(voxels) > 0.1
