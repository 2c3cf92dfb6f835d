import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from small_head import patient

from tanq_monai.report.axial import EARS_MM, Volume, turned_to_lps
from tanq_monai.report.drawing import MAX_BYTES, PIXELS, UNITS
from tanq_monai.report.stack import MAX_SLICES, make_stack, shown_slices
from tanq_monai.structures import STRUCTURES

SPACING = np.array([0.5, 0.5, 1.0])
SHAPE = (300, 300, 40)


def _volume(values):
    return Volume(values, SPACING)


def _square():
    """A VS of 20 x 10 voxels, 10 x 5 mm, in slices 10 to 14."""
    values = np.zeros(SHAPE, dtype=np.uint8)
    values[140:160, 100:110, 10:15] = 1
    return _volume(values)


def _scan(seed=None):
    if seed is None:
        return _volume(np.broadcast_to(np.linspace(0, 1, 300, dtype=np.float32)[:, None, None], SHAPE))
    return _volume(np.random.default_rng(seed).random(SHAPE, dtype=np.float32))


def _points(path):
    """All points of an SVG path in steps, mm."""
    numbers = np.array([int(number) for number in re.findall(r"-?\d+", path)]).reshape(-1, 2)
    assert path.startswith("M") and path.endswith("z") and path.count("l") == 1
    return numbers.cumsum(axis=0) / UNITS


def test_path_of_a_square_lies_at_its_place_in_the_window_in_mm():
    stack = make_stack(_scan(), _square(), None, STRUCTURES)
    points = _points(next(part for part in stack.slices if part.z == 12).drawing.found["VS"])
    middle, half = np.array(EARS_MM) / 2, np.array([5, 2.5])  # the window is centred on the only structure
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [middle - half, middle + half])


def test_slices_of_the_structure_and_two_beside_are_shown_with_their_height_in_mm():
    stack = make_stack(_scan(), _square(), None, STRUCTURES)
    assert [(part.z, part.mm) for part in stack.slices] == [(z, float(z)) for z in range(8, 17)]
    assert [part.z for part in stack.slices if part.drawing.found] == [10, 11, 12, 13, 14]
    assert [part.shows for part in stack.slices if part.shows] == [["VS"]]
    assert stack.depth == 40


def test_picture_is_the_scans_part_in_the_window_with_the_patients_right_on_the_left():
    stack = make_stack(_scan(), _square(), None, STRUCTURES)
    x, _, wide, tall = (edge / UNITS for edge in stack.slices[0].drawing.box)
    picture = np.asarray(Image.open(io.BytesIO(stack.slices[0].drawing.jpeg))).astype(float)
    assert (picture.shape[1], picture.shape[0]) == (wide / 0.5, tall / 0.5)
    # VS centre is at (75, 52.5) mm, the window from 23 mm on; grey grows by 1/299 a voxel between p1 and p99.5
    voxels = np.arange(round((x + 23) / 0.5), round((x + 23 + wide) / 0.5)) / 299
    low, high = np.percentile(np.linspace(0, 1, 300), [1, 99.5])
    np.testing.assert_allclose(picture.mean(axis=0), 255 * (voxels - low) / (high - low), atol=3)


def test_where_the_window_leaves_the_scan_the_picture_is_smaller_than_the_window():
    values = np.zeros(SHAPE, dtype=np.uint8)
    values[0:4, 0:4, 5] = 1
    stack = make_stack(_scan(), _volume(values), None, STRUCTURES)
    x, y, wide, tall = (edge / UNITS for edge in stack.slices[0].drawing.box)
    assert (x, y, wide, tall) == (51.0, 31.0, 53.0, 33.0)  # the corner of the scan lies 1 mm beside the middle


def test_fine_pixels_are_reduced_and_coarse_ones_kept():
    fine = make_stack(Volume(_scan(0).values, SPACING / 2), Volume(_square().values, SPACING / 2), None, STRUCTURES)
    drawing = fine.slices[0].drawing
    wide, tall = Image.open(io.BytesIO(drawing.jpeg)).size
    assert wide <= PIXELS[0] and tall <= PIXELS[1]
    assert wide / tall == pytest.approx(drawing.box[2] / drawing.box[3], rel=0.01)


def test_64_cases_of_pure_noise_in_all_slices_stay_below_50_megabytes():
    labels = _volume(np.zeros(SHAPE, dtype=np.uint8))
    labels.values[100:180, 100:160] = 1
    stack = make_stack(_scan(2), labels, labels, STRUCTURES)
    assert MAX_SLICES - 1 <= len(stack.slices) <= MAX_SLICES
    planes = [plane.drawing for view in stack.views for plane in view.reformats]
    drawings = [*(part.drawing for part in stack.slices), *planes]
    assert sum(len(one.jpeg) for one in drawings) <= MAX_BYTES
    text = sum(len(one.address) + sum(map(len, (*one.found.values(), *one.true.values()))) for one in drawings)
    assert 64 * text < 50e6
    assert base64.b64decode(drawings[3].address.partition(",")[2]) == drawings[3].jpeg


def test_the_other_contrast_stands_beside_every_slice_with_its_own_grey_values_and_the_same_outlines():
    darker = _volume(10 - _scan().values)
    plain = make_stack(_scan(), _square(), None, STRUCTURES)
    stack = make_stack(_scan(), _square(), None, STRUCTURES, darker)
    assert all(part.beside is None for part in plain.slices)
    assert [part.drawing for part in stack.slices] == [part.drawing for part in plain.slices]
    for part in stack.slices:
        assert (part.beside.box, part.beside.size) == (part.drawing.box, part.drawing.size)
        assert part.beside.found == part.drawing.found
        one, other = (np.asarray(Image.open(io.BytesIO(one.jpeg))).astype(float) for one in (part.drawing, part.beside))
        np.testing.assert_allclose(one.mean(axis=0) + other.mean(axis=0), 255, atol=6)  # both from p1 to p99.5


def test_64_cases_of_pure_noise_in_two_contrasts_stay_below_50_megabytes():
    stack = make_stack(_scan(2), _square(), None, STRUCTURES, _scan(3))
    drawings = [drawing for part in stack.slices for drawing in (part.drawing, part.beside)]
    drawings += [plane.drawing for view in stack.views for plane in view.reformats]
    assert sum(len(one.jpeg) for one in drawings) <= MAX_BYTES


def test_many_slices_are_thinned_out_but_the_key_slices_stay():
    holds = np.ones(200, dtype=bool)
    numbers = shown_slices(holds, {3, 101})
    assert {3, 101} <= set(numbers)
    assert numbers == sorted(numbers)
    assert MAX_SLICES - 2 <= len(numbers) <= MAX_SLICES
    assert max(np.diff(numbers)) <= 7


def test_slices_far_from_any_structure_are_left_out():
    holds = np.zeros(30, dtype=bool)
    holds[[4, 20]] = True
    assert shown_slices(holds, {4}) == [2, 3, 4, 5, 6, 18, 19, 20, 21, 22]
    assert shown_slices(np.zeros(30, dtype=bool), {15}) == [13, 14, 15, 16, 17]


def test_the_truth_decides_where_to_look_and_the_prediction_for_what_it_lacks():
    scan, label = (turned_to_lps(image) for image in patient())
    found = label._replace(values=np.zeros_like(label.values))
    found.values[40:44, 20:24, 3] = 1  # on the wrong side
    true = label._replace(values=np.where(label.values == 2, 2, 0).astype(np.uint8))
    views = {view.name: view for view in make_stack(scan, found, label, STRUCTURES).views}
    assert (views["VS"].z, list(views)) == (2, ["VS", "right cochlea", "left cochlea"])
    views = {view.name: view for view in make_stack(scan, found, true, STRUCTURES).views}
    assert views["VS"].z == 3
    left, top, wide, tall = np.array(views["VS"].box) / UNITS
    corner = (59 - 52, 47.5 - 32)  # of the window: cochleae from 11 to 49 and 18 to 20 voxels
    np.testing.assert_allclose(
        (left + wide / 2 + corner[0], top + tall / 2 + corner[1]), (42 * 2.0, 22 * 2.5), atol=1.5
    )
    assert (wide, tall, views["VS"].scale_mm) == (52, 32, 10)
    assert (views["left cochlea"].box[2] / UNITS, views["left cochlea"].scale_mm) == (26, 5)


def test_what_was_predicted_outside_the_window_is_counted_in_mm3():
    labels = _square()
    labels.values[299, 299, :3] = 2
    stack = make_stack(_scan(), labels, None, STRUCTURES)
    assert stack.outside_mm3 == {"cochlea": 3 * 0.25}
    assert make_stack(_scan(), _square(), None, STRUCTURES).outside_mm3 == {}


def _reformats(stack, number=0):
    return {plane.plane: plane for plane in stack.views[number].reformats}


def test_a_reformat_shows_the_extents_of_a_structure_in_true_mm_round_its_middle():
    planes = _reformats(make_stack(_scan(), _square(), None, STRUCTURES))
    # 20 x 10 voxels of 0.5 mm in 5 slices of 1 mm; the planes cut a voxel that lies half of one beside the middle
    for name, extent in (("coronal", (10, 5)), ("sagittal", (5, 5))):
        drawing = planes[name].drawing
        points = _points(drawing.found["VS"])
        assert drawing.size == (5200, 4000)
        np.testing.assert_allclose(np.ptp(points, axis=0), extent)
        np.testing.assert_allclose((points.max(axis=0) + points.min(axis=0)) / 2, (26, 20), atol=0.3)


def test_an_axial_slice_cuts_a_reformat_where_its_voxels_lie():
    stack = make_stack(_scan(), _square(), None, STRUCTURES)
    for plane in stack.views[0].reformats:
        tops = _points(plane.drawing.found["VS"])[:, 1]
        assert (stack.views[0].z, plane.height_of(10)) == (10, 2200)  # the first of the largest; the middle one is 12
        assert plane.height_of(14) / UNITS == pytest.approx(tops.min() + 0.5)  # slices of 1 mm, from 10 to 14
        assert plane.height_of(10) / UNITS == pytest.approx(tops.max() - 0.5)


def test_a_reformat_has_the_feet_at_the_bottom_and_the_right_or_the_front_on_the_left():
    values = np.zeros(SHAPE, dtype=np.float32)
    values[:150] = 40  # LPS: the patient's right
    values[:, :105] += 80  # the front
    values[:, :, :13] += 120  # the feet
    planes = _reformats(make_stack(_volume(values), _square(), None, STRUCTURES))
    for plane in planes.values():
        picture = np.asarray(Image.open(io.BytesIO(plane.drawing.jpeg))).astype(float)
        tall, wide = picture.shape
        assert picture[-tall // 3 :].mean() > picture[: tall // 3].mean() + 50
        assert picture[:, : wide // 3].mean() > picture[:, -wide // 3 :].mean() + 20


def test_a_reformat_ends_where_the_scan_does():
    values = np.zeros(SHAPE, dtype=np.uint8)
    values[140:160, 100:110, 0:2] = 1
    for plane in make_stack(_scan(), _volume(values), None, STRUCTURES).views[0].reformats:
        _, y, _, tall = (edge / UNITS for edge in plane.drawing.box)
        assert y + tall == pytest.approx(20 + 1)  # the lower edge of slice 0; the middle is that of slices 0 and 1


def test_planes_cross_inside_the_structure_even_if_its_middle_lies_outside():
    values = np.zeros(SHAPE, dtype=np.uint8)
    values[100:160, 100:104, 12] = values[100:104, 100:160, 12] = 1  # an L
    view = make_stack(_scan(), _volume(values), None, STRUCTURES).views[0]
    assert all("VS" in plane.drawing.found for plane in view.reformats)
