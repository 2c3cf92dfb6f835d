"""The weights that the bundles ship: what they are, and that what is said of them is what was measured."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from bundle_workflow import BUNDLES, workflow
from shared_data import shared_data_folder
from ship_weights import METRICS
from zero_shot import far_volume

from tanq_monai.deploy.engines import read_usable
from tanq_monai.deploy.export import export_onnx
from tanq_monai.deploy.runtime import run
from tanq_monai.errors import InputError
from tanq_monai.metrics.dice import dice
from tanq_monai.phantom import LONDON_CISS, Case, draw_patient, make_grid, render, scan_case
from tanq_monai.segmentation.inference.test_time.source_statistics import read_statistics
from tanq_monai.segmentation.plan.plans import (
    mirror_axes_from_plans,
    network_from_plans,
    patch_size_from_plans,
    space_from_plans,
    strides_from_plans,
)
from tanq_monai.weights import digest

NAMES = ["tanq_translation", "vs_cochlea_seg"]


@pytest.mark.parametrize("bundle", NAMES)
def test_the_metadata_say_what_the_evaluation_found(bundle):
    metadata = json.loads((BUNDLES / bundle / "configs" / "metadata.json").read_text())
    evaluation = pd.read_csv(BUNDLES / bundle / "docs" / "evaluation.csv")
    assert metadata["eval_metrics"]
    assert metadata["eval_metrics"] == METRICS[bundle](evaluation)
    assert "virtual patients" in metadata["data_source"]


@pytest.mark.parametrize("bundle", NAMES)
def test_the_weights_are_small_plain_and_fit_the_network_without_further_choices(bundle):
    path = BUNDLES / bundle / "models" / "model.pt"
    weights = torch.load(path, weights_only=True)
    network = workflow(bundle, "inference", device="$torch.device('cpu')").parser.get_parsed_content("network_def")
    assert path.stat().st_size < 20e6
    assert {name: value.shape for name, value in weights.items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_the_card_tells_the_size_and_the_pixels_of_the_network_that_is_shipped():
    card, plans = (BUNDLES / "vs_cochlea_seg" / path for path in ("docs/README.md", "models/plans.json"))
    window, spacing = patch_size_from_plans(plans), space_from_plans(plans).spacing
    network = network_from_plans(plans, plans.with_name("dataset.json"))
    millions = sum(weight.numel() for weight in network.parameters()) / 1e6
    assert f"(2D, {millions:.1f} million parameters, pixels of {spacing[-1]:.2g} mm)" in card.read_text()
    assert f"4 slices of {window[0]} x {window[1]})" in card.read_text()
    assert set(strides_from_plans(plans)) == {32}
    assert "H and W multiples of 32, 64 at least" in card.read_text()
    metadata = json.loads((BUNDLES / "vs_cochlea_seg" / "configs" / "metadata.json").read_text())
    for kind, name in (("inputs", "image"), ("outputs", "pred")):
        assert metadata["network_data_format"][kind][name]["spatial_shape"] == ["64*n", "64*n"]


def test_the_segmenters_onnx_file_has_its_weights_in_the_model_pt_that_is_shipped(tmp_path):
    models = BUNDLES / "vs_cochlea_seg" / "models"
    network = workflow("vs_cochlea_seg", "inference", device="$torch.device('cpu')", engine="torch").parser
    said = read_usable(models / "model.onnx")
    assert said["weights"] == digest(network.get_parsed_content("network"))
    assert said["mirror_axes"] == [*mirror_axes_from_plans(models / "plans.json", "left_right")]
    assert said["patch_size"] == [*patch_size_from_plans(models / "plans.json")]
    assert (models / "model.onnx").stat().st_size < 100e3
    for name in ("model.onnx", "model.pt"):
        shutil.copy(models / name, tmp_path)
    changed = bytearray((tmp_path / "model.pt").read_bytes())
    changed[-(10**6)] ^= 1
    (tmp_path / "model.pt").write_bytes(changed)
    with pytest.raises(InputError, match=r"model\.onnx: is of another model\.pt than the one beside it; export it"):
        read_usable(tmp_path / "model.onnx")
    (tmp_path / "model.pt").unlink()
    with pytest.raises(InputError, match=r"model\.pt: is missing, and model\.onnx has its weights there; export it"):
        run(tmp_path / "model.onnx", tmp_path / "a_hrT2.nii.gz", tmp_path / "a_Label.nii.gz")


def test_the_segmenters_statistics_are_of_the_weights_that_are_shipped_and_of_every_norm():
    models = BUNDLES / "vs_cochlea_seg" / "models"
    network = network_from_plans(models / "plans.json", models / "dataset.json")
    channels = [norm.num_features for norm in network.modules() if isinstance(norm, torch.nn.InstanceNorm2d)]
    assert [len(layer.mean) for layer in read_statistics(models).layers] == channels
    assert (models / "source_statistics.json").stat().st_size < 50e3


def segment(scans, output, **choices):
    folders = {"dataset_dir": str(scans), "output_dir": str(output), "device": "$torch.device('cpu')"}
    workflow("vs_cochlea_seg", "inference", **folders, **choices).run()
    return {path.name: np.asarray(nib.load(path).dataobj) for path in output.glob("[!.]*.nii.gz")}


def test_the_segmenter_finds_both_structures_in_a_patient_of_each_site_it_has_not_seen(tmp_path):
    patients = [scan_case(Case("test", index), "small", seed=1) for index in range(2)]
    for number, patient in enumerate(patients):
        nib.save(nib.Nifti1Image(patient.images["hrT2"], patient.grid.affine), tmp_path / f"{number}_hrT2.nii.gz")
    labels = segment(tmp_path, tmp_path / "labels")
    for value, bar in ((1, 0.3), (2, 0.4)):
        scores = [dice(labels[f"{n}_Label.nii.gz"] == value, p.label == value) for n, p in enumerate(patients)]
        assert min(scores) > bar


@pytest.mark.slow
def test_on_a_head_that_no_phantom_drew_it_finds_both_structures_and_no_vs_far_from_them(tmp_path):
    """One scan, low bars: what the weights reach is measured by scripts/zero_shot.py."""
    data, name = shared_data_folder("real_head_hrt2"), "crossmoda2022_etz_106"
    shutil.copy(data / "images" / f"{name}_hrT2.nii.gz", tmp_path)
    (found,) = segment(tmp_path, tmp_path / "labels").values()
    truth = nib.load(data / "labels" / f"{name}_Label.nii.gz")
    true = np.rint(truth.get_fdata()).astype(np.uint8)
    for value in (1, 2):
        assert dice(found == value, true == value) > 0.4
    assert far_volume(found == 1, true, truth.affine) < 0.05


@pytest.fixture(scope="module")
def exported(slow, tmp_path_factory):
    """A folder with the segmenter as model.onnx, and a scan of a virtual patient."""
    folder = tmp_path_factory.mktemp("exported")
    patient = scan_case(Case("test", 1), "small", seed=1)
    nib.save(nib.Nifti1Image(patient.images["hrT2"], patient.grid.affine), folder / "a_hrT2.nii.gz")
    export_onnx(BUNDLES / "vs_cochlea_seg", folder / "model.onnx")
    return folder


@pytest.mark.parametrize("ears_first", [True, False])
def test_the_runtime_keeps_what_the_bundle_keeps(exported, tmp_path, ears_first):
    run(exported / "model.onnx", exported / "a_hrT2.nii.gz", tmp_path / "a_Label.nii.gz", ears_first=ears_first)
    (label,) = segment(exported, tmp_path / "labels", ears_first=ears_first).values()
    alone = np.asarray(nib.load(tmp_path / "a_Label.nii.gz").dataobj)
    # A Dice of .995, or two voxels of a cochlea of 75: where both classes are as likely, rounding decides.
    for value in (1, 2):
        one, other = alone == value, label == value
        assert np.count_nonzero(one != other) <= max(2, 0.005 * (one.sum() + other.sum()))


def test_a_slab_without_ears_is_labelled_with_nothing_and_that_is_said(tmp_path, capfd):
    patient = draw_patient(3)
    grid = make_grid((160, 160, 4), (1.0, 1.0, 2.0), center=(0, 0, 70))
    image, label = render(patient, LONDON_CISS, grid, np.random.default_rng(0))
    assert not label.any()
    nib.save(nib.Nifti1Image(image, grid.affine), tmp_path / "high_hrT2.nii.gz")
    (found,) = segment(tmp_path, tmp_path / "labels").values()
    assert not found.any()
    assert "high_hrT2.nii.gz: no cochlea was found, so nothing is labelled" in capfd.readouterr().err
