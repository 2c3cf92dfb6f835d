"""The runtime with an ONNX file of three operations: what goes into a network, and where its result lies."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import onnx
import pytest
from files import LPS, write_nifti
from onnx import TensorProto, helper

from tanq_monai.deploy.runtime import run
from tanq_monai.errors import InputError
from tanq_monai.transforms.geometry import plan_slices
from tanq_monai.transforms.intensity import scale_to_unit_range

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
