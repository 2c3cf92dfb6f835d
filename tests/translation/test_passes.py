"""Scans through small translators of random weights, in every view and style, with and without their label."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from files import LPS, write_nifti
from monai.transforms import Compose, EnsureChannelFirstd, Invertd
from torch import Tensor

from tanq_monai.networks import TanqGenerator
from tanq_monai.networks.generator import empty_label
from tanq_monai.scans.folder import Listing
from tanq_monai.scans.loading import LoadImageCheckedd, LoadLabeld
from tanq_monai.translation.inferer import SliceTranslator
from tanq_monai.translation.slice_transform import ToSlicesd
from tanq_monai.translation.views import MultiView, RawDatasetWriter, View, VolumeTranslator

STYLES = ["ldn", "etz"]
SHAPE = (24, 24, 3)  # slices of 24 x 24 pixels, as large as voxels: a translation is its slices


@pytest.fixture
def case(tmp_path: Path) -> dict[str, str]:
    label = np.zeros(SHAPE)
    label[4:12, 5:13, 1:], label[14:20, 15:21, 1] = 1, 2
    image = np.random.default_rng(0).uniform(20, 100, SHAPE).astype(np.float32)
    paths = {"image": tmp_path / "a_ceT1.nii.gz", "label": tmp_path / "a_Label.nii.gz"}
    for key, array in (("image", image), ("label", label)):
        write_nifti(paths[key], array)
    return {"case": "a"} | {key: str(path) for key, path in paths.items()}


@pytest.fixture
def network(tmp_path: Path) -> TanqGenerator:
    """Its weights are in ``model.pt``."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TanqGenerator(width=4, blocks=2, num_styles=2).eval()
        for parameter in network.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    return network


def multi_view(folder: Path, label_free: bool = False, report: bool = False) -> MultiView:
    preprocessing = Compose(
        [
            LoadImageCheckedd("image"),
            LoadLabeld("label"),
            EnsureChannelFirstd(["image", "label"]),
            ToSlicesd(pixels=24, pixel_mm=0.5),
        ]
    )
    back = Invertd("pred", transform=preprocessing, orig_keys="image", nearest_interp=False)
    translator = VolumeTranslator(preprocessing, SliceTranslator(), back, torch.device("cpu"))
    view = View(TanqGenerator(width=4, blocks=2, num_styles=2), str(folder / "model.pt"), STYLES, None, label_free)
    return MultiView({"tanq": view}, translator, RawDatasetWriter(folder / "raw"), {}, label_free_report=report)


def made(folder: Path, case: dict[str, str], **choices: bool) -> dict[str, np.ndarray]:
    """The translations of both styles, (X, Y, Z) in [0, 1]."""
    scan = Listing([case])
    multi_view(folder, **choices).run(scan)
    scan.raise_problems()
    images = {style: nib.load(folder / "raw" / "imagesTr" / f"a_tanq-{style}_0000.nii.gz") for style in STYLES}
    for image in images.values():
        np.testing.assert_allclose(image.affine, LPS)
    return {style: image.get_fdata(dtype=np.float32) for style, image in images.items()}


def slices_of(case: dict[str, str]) -> Tensor:
    """(Z, 2, Y, X) of the voxels themselves: pixels are as large, and the head fills the scan."""
    image, label = (np.asanyarray(nib.load(case[key]).dataobj).transpose(2, 1, 0) for key in ("image", "label"))
    top = np.sort(image, axis=None)[round(0.995 * image.size) - 1]
    scaled = np.clip(image / top, 0, 1) * 2 - 1
    return torch.from_numpy(np.stack([scaled, label.astype(np.float32)], axis=1))


def by_hand(network: TanqGenerator, slices: Tensor, style: int) -> np.ndarray:
    with torch.no_grad():
        image = network(slices, torch.full((len(slices),), style))
    return (image[:, 0].numpy().transpose(2, 1, 0) + 1) / 2


def test_every_style_is_what_the_network_makes_of_the_slices_in_it(
    tmp_path: Path, case: dict[str, str], network: TanqGenerator
) -> None:
    views = made(tmp_path, case)
    for number, style in enumerate(STYLES):
        np.testing.assert_allclose(views[style], by_hand(network, slices_of(case), number), rtol=0, atol=1e-5)
    assert np.abs(views["ldn"] - views["etz"]).max() > 0.01


@pytest.mark.parametrize("report", [False, True])
def test_without_label_the_networks_own_structures_take_its_place(
    tmp_path: Path, case: dict[str, str], network: TanqGenerator, report: bool
) -> None:
    slices = slices_of(case)
    with torch.no_grad():
        own = network.predict_structures(empty_label(slices[:, :1]))
    views = made(tmp_path, case, label_free=True, report=report)
    expected = by_hand(network, torch.cat([slices[:, :1], own], dim=1), 1)
    np.testing.assert_allclose(views["etz"], expected, rtol=0, atol=1e-5)
    assert np.abs(expected - by_hand(network, slices, 1)).max() > 0.01


def test_what_a_label_is_worth_is_told_without_changing_the_view(
    tmp_path: Path, case: dict[str, str], network: TanqGenerator
) -> None:
    views = made(tmp_path, case, report=True)
    np.testing.assert_allclose(views["ldn"], by_hand(network, slices_of(case), 0), rtol=0, atol=1e-5)
    assert (tmp_path / "raw" / "label_free.csv").is_file()


def test_a_view_is_made_anew_when_its_label_or_the_use_of_it_changes(
    tmp_path: Path, case: dict[str, str], network: TanqGenerator
) -> None:
    image = tmp_path / "raw" / "imagesTr" / "a_tanq-ldn_0000.nii.gz"
    made(tmp_path, case)
    record = json.loads((tmp_path / "raw" / "provenance.json").read_text())["files"]["a_tanq-ldn"]
    assert (record["label_free"], record["style"]) == (False, "ldn")
    first = image.stat().st_mtime_ns
    made(tmp_path, case)
    assert image.stat().st_mtime_ns == first
    label = np.asanyarray(nib.load(case["label"]).dataobj)
    write_nifti(Path(case["label"]), np.where(label == 2, 0, label))
    made(tmp_path, case)
    second = image.stat().st_mtime_ns
    assert second > first
    made(tmp_path, case, label_free=True)
    assert image.stat().st_mtime_ns > second
