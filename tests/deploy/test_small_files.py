"""The runtime with an ONNX file of three operations: what goes into a network, and where its result lies."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import onnx
import pytest
from files import LPS, write_nifti
from onnx import TensorProto, helper

from tanq_monai.deploy.engines import read_properties
from tanq_monai.deploy.runtime import run
from tanq_monai.deploy.runtime.segmentation import plan_space
from tanq_monai.errors import InputError
from tanq_monai.translation.intensity import scale_to_unit_range
from tanq_monai.translation.slice_grid import plan_slices

SHAPE = (24, 20, 4)
STYLES = ["ldn", "etz"]


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the image, .2 of the label map and .1 of the style's number, added up."""
    nodes = [
        helper.make_node("Mul", ["image", "shares"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "channels"], ["mixed"], keepdims=1),
        helper.make_node("Cast", ["style"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["number", "tenth"], ["offset"]),
        helper.make_node("Add", ["mixed", "offset"], ["translation"]),
    ]
    constants = [
        helper.make_tensor("shares", TensorProto.FLOAT, [1, 2, 1, 1], [0.5, 0.2]),
        helper.make_tensor("channels", TensorProto.INT64, [1], [1]),
        helper.make_tensor("tenth", TensorProto.FLOAT, [1], [0.1]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 2, "height", "width"]),
            helper.make_tensor_value_info("style", TensorProto.INT64, ["batch"]),
        ],
        [helper.make_tensor_value_info("translation", TensorProto.FLOAT, ["batch", 1, "height", "width"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    said = {"task": "translation", "modality": "ceT1", "pixels": 40, "spacing": 0.3, "slab_mm": None, "styles": STYLES}
    helper.set_model_props(model, {name: json.dumps(value) for name, value in said.items()})
    path = tmp_path_factory.mktemp("small") / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A scan and its label."""
    scan = np.random.default_rng(0).uniform(20, 100, SHAPE).astype(np.float32)
    label = np.zeros(SHAPE)
    label[4:12, 5:13, 1:], label[14:20, 12:17, 1] = 1, 2
    return write_nifti(tmp_path / "a_ceT1.nii.gz", scan), write_nifti(tmp_path / "a_Label.nii.gz", label)


def voxels(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


@pytest.mark.parametrize("style", STYLES)
def test_a_translation_is_made_of_scan_nearest_label_and_style_and_lies_where_the_scan_lies(
    translator: Path, files: tuple[Path, Path], style: str, tmp_path: Path
) -> None:
    image, label = files
    run(translator, image, tmp_path / "out.nii.gz", label=label, style=style, provider="cpu")
    scan, structures = voxels(image), voxels(label)
    grid = plan_slices(scan, LPS, 40, 0.3, structures)
    mixed = 0.5 * scale_to_unit_range(grid.to_slices(scan)) + 0.2 * grid.to_slices(structures, mode="nearest")
    translated = np.clip(mixed + 0.1 * STYLES.index(style), -1, 1)
    blank = (scale_to_unit_range(grid.to_slices(scan)) == -1).all(axis=(1, 2))
    assert not blank.any()
    np.testing.assert_allclose(voxels(tmp_path / "out.nii.gz"), grid.to_volume((translated + 1) / 2), atol=1e-5)
    np.testing.assert_allclose(nib.load(tmp_path / "out.nii.gz").affine, LPS)


def test_a_label_that_lies_elsewhere_is_refused(translator: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, label = files
    moved = LPS.copy()
    moved[0, 3] += 0.5
    write_nifti(label, voxels(label), moved)
    with pytest.raises(InputError, match=r"lies up to 0\.50 mm beside its scan"):
        run(translator, image, tmp_path / "out.nii.gz", label=label, style="ldn", provider="cpu")
    assert not (tmp_path / "out.nii.gz").exists()


def test_a_scan_of_another_contrast_is_refused(translator: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    image, label = files
    other = image.rename(tmp_path / "a_hrT2.nii.gz")
    with pytest.raises(InputError, match="is no ceT1 by its name"):
        run(translator, other, tmp_path / "out.nii.gz", label=label, style="ldn", provider="cpu")


TRANSLATION = {
    "task": "translation",
    "modality": "ceT1",
    "pixels": 40,
    "spacing": 0.3,
    "slab_mm": 60.0,
    "styles": STYLES,
}
SPLINES = {
    "image": {"order": 3, "order_z": 0, "separate_z": None},
    "logits": {"order": 1, "order_z": 0, "separate_z": None},
}
SEGMENTATION = {
    **{"task": "segmentation", "modality": "hrT2", "classes": {"background": 0, "VS": 1, "cochlea": 2}},
    **{"spacing": [1.5, 0.8, 0.8], "patch_size": [16, 32, 32], "transpose": [0, 1, 2]},
    **{"normalization": {"nonzero_only": False}, "interpolation": SPLINES},
}


def described(path: Path, said: dict[str, object]) -> Path:
    """An ONNX file of nothing but properties."""
    model = helper.make_model(helper.make_graph([], "empty", [], []))
    helper.set_model_props(model, {name: json.dumps(value) for name, value in said.items()})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("said", [TRANSLATION, SEGMENTATION], ids=["translation", "segmentation"])
def test_what_an_export_writes_is_read_as_it_is(said: dict[str, object], tmp_path: Path) -> None:
    assert read_properties(described(tmp_path / "model.onnx", said)) == said


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        *((TRANSLATION, "pixels", value) for value in (0, "many", None, [40])),
        *((TRANSLATION, "spacing", value) for value in (0, -1.0, None, [0.3])),
        *((TRANSLATION, "styles", value) for value in ([], [3], None)),
        (TRANSLATION, "slab_mm", 0),
        *((SEGMENTATION, "spacing", value) for value in ([0, 1, 1], [1], "x", None)),
        *((SEGMENTATION, "patch_size", value) for value in ([0, 0], [1.5, 1], 3)),
        (SEGMENTATION, "transpose", [0, 1, 3]),
        *((SEGMENTATION, "classes", value) for value in ({"VS": -1}, ["VS"])),
    ],
)
def test_a_property_that_no_export_writes_is_told(
    said: dict[str, object], name: str, value: object, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"model\.onnx: says {name} .*, which is not "):
        read_properties(described(tmp_path / "model.onnx", {**said, name: value}))
    without = {key: one for key, one in said.items() if key != name}
    with pytest.raises(InputError, match=rf"model\.onnx: does not say its {name}"):
        read_properties(described(tmp_path / "model.onnx", without))


@pytest.mark.parametrize("said", [TRANSLATION, SEGMENTATION], ids=["translation", "segmentation"])
def test_a_file_for_another_contrast_or_task_is_told(said: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: is for CT scans; give one for ceT1 or hrT2"):
        read_properties(described(tmp_path / "model.onnx", {**said, "modality": "CT"}))
    with pytest.raises(InputError, match=r"model\.onnx: does not say what it is"):
        read_properties(described(tmp_path / "model.onnx", {**said, "task": []}))


def test_classes_that_would_be_taken_for_each_other_are_refused(tmp_path: Path) -> None:
    swapped = {**SEGMENTATION, "classes": {"background": 0, "cochlea": 1, "VS": 2}}
    with pytest.raises(InputError, match=r"model\.onnx: has VS 2, cochlea 1: .* takes one for the other"):
        read_properties(described(tmp_path / "model.onnx", swapped))


@pytest.mark.parametrize("said", [TRANSLATION, SEGMENTATION], ids=["translation", "segmentation"])
@pytest.mark.parametrize("classes", [{"background": 0}, {"background": 0, "VS": 1, "cochlea": 1}, {"": 1}])
def test_classes_that_name_no_structures_are_told(
    said: dict[str, object], classes: dict[str, int], tmp_path: Path
) -> None:
    with pytest.raises(
        InputError, match=r"model\.onnx: says classes \{.*\}, which name no structures; export it again"
    ):
        read_properties(described(tmp_path / "model.onnx", {**said, "classes": classes}))


@pytest.mark.parametrize(
    "change",
    [
        {"interpolation": {"image": {}}},
        {"interpolation": {"image": {"order": 9}, "logits": {}}},
        {"interpolation": {"image": {"x": 1}, "logits": {}}},
        {"normalization": {}},
        {"transpose": [0, 0, 1]},
    ],
)
def test_a_space_that_is_none_is_told(change: dict[str, object]) -> None:
    with pytest.raises(InputError, match="describes no space"):
        plan_space({**SEGMENTATION, **change})
