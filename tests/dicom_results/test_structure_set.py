"""RT Structure Sets, opened by a reader of another making: what was labelled comes back, and what it is called."""

import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pydicom
import pytest
from contour_reader import dice, pixels_of_contours, read_contours
from files import scan, structures, write_enhanced, write_series
from shared_data import shared_data_folder

from tanq_monai import RESEARCH_ONLY
from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.dicom_results.regions import regions_of
from tanq_monai.dicom_results.structure_set import keyholed, write_structure_set
from tanq_monai.errors import InputError
from tanq_monai.scans.dicom import slices_of
from tanq_monai.scans.labels import read_labels
from tanq_monai.scans.volume import read_volume
from tanq_monai.structures import STRUCTURES, Structures

TAGS = virtual_tags("patient", PROTOCOLS["CISS"])
PARTS = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})


def oblique():
    """Turned by 8 and 20 degrees about x and z, with pixels of 0.5 mm x 0.75 mm, slices of 1.5 mm."""
    x, z = np.deg2rad([8.0, 20.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag([-1, -1, 1]) * (0.5, 0.75, 1.5)
    affine[:3, 3] = 51.25, -12.5, 7.0
    return affine


def label():
    """A VS on the right with two holes, one of them with an island in it, a piece apart and a bridge of one corner."""
    made = np.zeros((190, 60, 9), np.uint8)
    made[50:80, 15:45, 2:7] = 1
    made[54:64, 19:29, 3:6] = 0
    made[57:61, 22:26, 3:6] = 1  # in the hole
    made[70:72, 30:38, 4] = 0
    made[80, 45, 4] = 1  # touches by a corner
    made[90:92, 20:23, 4:6] = 1  # apart
    made[20:28, 20:27, 3:7] = made[160:168, 20:27, 3:7] = 2
    return made


def written(folder, labels, affine, structures=STRUCTURES):
    """The file, and the folder of the series that it is of."""
    image = np.random.default_rng(0).uniform(1, 100, labels.shape)
    write_mr_series(folder / "series", image, affine, TAGS)
    write_structure_set(folder / "rs.dcm", regions_of(labels, affine, structures), slices_of(folder / "series"))
    return folder / "rs.dcm", folder / "series"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return written(tmp_path_factory.mktemp("oblique"), label(), oblique())


def test_every_voxel_comes_back_holes_islands_and_bridges_included(files):
    _, masks = read_contours(*files)
    assert [*masks] == ["VS", "right cochlea", "left cochlea"]
    np.testing.assert_array_equal(masks["VS"], label() == 1)
    right = (label() == 2) & (np.arange(190) < 95)[:, None, None]
    np.testing.assert_array_equal(masks["right cochlea"], right)
    np.testing.assert_array_equal(masks["left cochlea"], (label() == 2) & ~right)


def test_contours_run_along_the_edges_of_pixels_a_hundredth_inside(files):
    _, right, _ = pixels_of_contours(*files).values()
    assert len(right) == 4
    for columns, rows, _ in right:
        ends = (columns.min(), columns.max(), rows.min(), rows.max())
        assert ends == pytest.approx((20 - 0.5, 27 + 0.5, 20 - 0.5, 26 + 0.5), abs=0.01)


def test_points_rounded_to_pixels_are_pixels_of_their_region(files):
    found, masks = read_contours(*files)
    places = pixels_of_contours(*files)
    for roi, mask in zip(found.ROIContourSequence, masks.values(), strict=True):
        for columns, rows, k in places[roi.ReferencedROINumber]:
            assert mask[np.rint(columns).astype(int), np.rint(rows).astype(int), k].all()


def test_a_part_with_holes_is_one_contour_of_the_area_that_is_left(files):
    found, _ = read_contours(*files)
    (vs, *_) = found.ROIContourSequence
    images = [pydicom.dcmread(file).SOPInstanceUID for file in sorted(files[1].glob("*.dcm"))]
    here = [one for one in vs.ContourSequence if one.ContourImageSequence[0].ReferencedSOPInstanceUID == images[3]]
    areas = sorted(_area(np.array(one.ContourData, float).reshape(-1, 3)) for one in here)
    corner = 0.5 * 0.75 / 8  # each of four corners of a rectangle is cut by so much
    pixel = 0.5 * 0.75
    assert areas == pytest.approx([16 * pixel - 4 * corner, (900 - 100) * pixel], rel=0.02)


def _area(points):
    """Of a closed line in a plane in space: half the length of the sum of its cross products."""
    return np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)) / 2


def test_a_virtual_patient_comes_back(tiny_phantom, tmp_path):
    scan = sorted((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))[0]
    truth = tiny_phantom / "withheld_labels" / "validation" / scan.name.replace("_hrT2", "_Label")
    found = read_labels(truth, STRUCTURES.values())
    write_mr_series(tmp_path / "series", read_volume(scan).voxels.astype(float), found.affine, TAGS)
    regions = regions_of(found.labels, found.affine)
    write_structure_set(tmp_path / "rs.dcm", regions, slices_of(tmp_path / "series"))
    _, masks = read_contours(tmp_path / "rs.dcm", tmp_path / "series")
    assert {*masks} >= {"right cochlea", "left cochlea"}
    for name, mask in masks.items():
        own = next(region.mask for region in regions if region.name == name)
        assert dice(mask, own) >= 0.98
    both = masks["right cochlea"] | masks["left cochlea"]
    assert dice(both, found.labels == STRUCTURES["cochlea"]) >= 0.98


def test_a_real_series_comes_back_with_its_published_label(tmp_path):
    series = shared_data_folder("vs_seg_001") / "ceT1_dicom"
    slices = slices_of(series)
    found = read_labels(series.parent / "label.nii.gz", STRUCTURES.values())
    write_structure_set(tmp_path / "rs.dcm", regions_of(found.labels, found.affine), slices)
    (tmp_path / "in_order").mkdir()
    for k, one in enumerate(slices):
        (tmp_path / "in_order" / f"{k:04}.dcm").symlink_to(one.path)
    _, masks = read_contours(tmp_path / "rs.dcm", tmp_path / "in_order")
    assert dice(masks["VS"], found.labels == STRUCTURES["VS"]) >= 0.98
    ears = np.any([mask for name, mask in masks.items() if "cochlea" in name], axis=0)
    assert dice(ears, found.labels == STRUCTURES["cochlea"]) >= 0.98


def test_it_belongs_to_the_study_and_says_for_what_it_may_be_used(files):
    found, _ = read_contours(*files)
    images = [pydicom.dcmread(file) for file in sorted(files[1].glob("*.dcm"))]
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert found[keyword].value == images[0][keyword].value
    (frame,) = found.ReferencedFrameOfReferenceSequence
    (series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == images[0].SeriesInstanceUID != found.SeriesInstanceUID
    assert [one.ReferencedSOPInstanceUID for one in series.ContourImageSequence] == [i.SOPInstanceUID for i in images]
    assert {roi.ReferencedFrameOfReferenceUID for roi in found.StructureSetROISequence} == {frame.FrameOfReferenceUID}
    assert found.StructureSetDescription == RESEARCH_ONLY
    assert found.ApprovalStatus == "UNAPPROVED"
    assert "research use only" in found.SeriesDescription
    assert found.Manufacturer == "tanq-monai"


def test_regions_have_colours_of_their_own_and_codes_with_their_sides(files):
    found, _ = read_contours(*files)
    assert len({tuple(roi.ROIDisplayColor) for roi in found.ROIContourSequence}) == 3
    told = [
        (one.RTROIIdentificationCodeSequence[0], one.RTROIInterpretedType) for one in found.RTROIObservationsSequence
    ]
    assert [(code.CodeValue, kind) for code, kind in told] == [
        ("126949007", ""),
        ("80169004", "ORGAN"),
        ("80169004", "ORGAN"),
    ]
    sides = [code.get("SegmentedPropertyTypeModifierCodeSequence", []) for code, _ in told]
    assert [[side.CodeMeaning for side in own] for own in sides] == [["Right"], ["Right"], ["Left"]]


def test_what_is_missing_is_left_out_and_parts_of_a_vs_are_regions_of_their_own(tmp_path):
    labels = label()
    labels[100:] = 0
    labels[labels == 2] = 3
    labels[:65][labels[:65] == 1] = 2
    _, masks = read_contours(*written(tmp_path, labels, oblique(), PARTS))
    assert [*masks] == ["VS intrameatal", "VS extrameatal", "right cochlea"]
    np.testing.assert_array_equal(masks["VS intrameatal"], labels == 1)


def test_contours_of_an_enhanced_file_lie_on_the_frames_that_they_name(tmp_path):
    heights, uids = [0.0, 1.5, 3.0, 4.5, 6.0, 7.5], {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
    write_enhanced(tmp_path / "all", np.rint(scan()), heights, [1] * 6, **uids)
    slices = slices_of(tmp_path)
    write_structure_set(
        tmp_path / "rs.dcm", regions_of(structures().astype(np.uint8), np.diag([-0.5, -0.5, 1.5, 1])), slices
    )
    found = pydicom.dcmread(tmp_path / "rs.dcm")
    for roi in found.ROIContourSequence:
        for contour in roi.ContourSequence:
            (image,) = contour.ContourImageSequence
            assert image.ReferencedSOPInstanceUID == slices[0].header.SOPInstanceUID
            assert {float(z) for z in contour.ContourData[2::3]} == {heights[image.ReferencedFrameNumber - 1]}
    assert [len(roi.ContourSequence) for roi in found.ROIContourSequence] == [3, 2]  # slices of VS and of a cochlea


def test_a_series_without_a_frame_of_reference_is_told(tmp_path):
    write_series(tmp_path, label().astype(float), [float(k) for k in range(9)], StudyInstanceUID="1.2.3")
    regions = regions_of(label(), oblique())
    with pytest.raises(InputError, match="has no FrameOfReferenceUID"):
        write_structure_set(tmp_path / "rs.dcm", regions, slices_of(tmp_path))
    assert not (tmp_path / "rs.dcm").exists()


def test_holes_are_reached_from_the_nearest_corner_and_left_on_the_same_way():
    outer = np.array([(0, 0), (9, 0), (9, 9), (0, 9), (0, 0)], float)
    near, far = (np.array([(x, 4), (x + 1, 4), (x + 1, 5), (x, 4)], float) for x in (1, 6))
    line = keyholed([outer, far, near])
    assert len(line) == len(outer) + len(near) + 1 + len(far) + 1
    edges = [tuple(map(tuple, edge)) for edge in np.stack([line[:-1], line[1:]], axis=1)]
    channels = {edge for edge in edges if edge[::-1] in edges}
    assert len(channels) == 4  # one to each hole, there and back
    assert {edge for edge in edges} - channels == {
        tuple(map(tuple, edge)) for ring in (outer, near, far) for edge in pairwise(ring)
    }


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy, of Debian's dicom3tools, is not installed")
def test_dciodvfy_finds_no_error(files):
    told = subprocess.run(["dciodvfy", str(files[0])], capture_output=True, text=True, check=False)
    lines = (told.stdout + told.stderr).splitlines()
    assert "RTStructureSet" in lines
    assert [line for line in lines if line.startswith(("Error", "Abort"))] == []
