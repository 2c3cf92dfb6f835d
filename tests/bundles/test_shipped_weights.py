"""The weights that the bundles ship: what they are, and that what is said of them is what was measured."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from bundle_workflow import BUNDLES, workflow
from ship_weights import METRICS

from tanq_monai.metrics.dice import dice
from tanq_monai.phantom import Case, scan_case
from tanq_monai.segmentation.plan.plans import (
    network_from_plans,
    patch_size_from_plans,
    space_from_plans,
    strides_from_plans,
)

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
    assert set(strides_from_plans(plans)) == {16}
    assert "H and W multiples of 16" in card.read_text()


def test_the_segmenter_finds_both_structures_in_a_patient_of_each_site_it_has_not_seen(tmp_path):
    patients = [scan_case(Case("test", index), "small", seed=1) for index in range(2)]
    for number, patient in enumerate(patients):
        nib.save(nib.Nifti1Image(patient.images["hrT2"], patient.grid.affine), tmp_path / f"{number}_hrT2.nii.gz")
    folders = {"dataset_dir": str(tmp_path), "output_dir": str(tmp_path / "labels")}
    workflow("vs_cochlea_seg", "inference", **folders, device="$torch.device('cpu')").run()
    labels = [np.asarray(nib.load(tmp_path / "labels" / f"{n}_Label.nii.gz").dataobj) for n in range(len(patients))]
    for value, bar in ((1, 0.3), (2, 0.4)):
        scores = [dice(label == value, p.label == value) for label, p in zip(labels, patients, strict=True)]
        assert min(scores) > bar
