"""The two bundles beside each other."""

import json
import re

import nibabel as nib
import pytest
import torch
from bundle_workflow import BUNDLES, METADATA_SCHEMA, workflow
from made_up_models import write_model
from monai.bundle import verify_metadata, verify_net_in_out

from tanq_monai.networks import TanqGenerator
from tanq_monai.steps import BUNDLE_NAMES


def test_both_run_in_one_process_the_segmenter_on_what_the_translator_wrote(tiny_phantom, tmp_path):
    torch.manual_seed(0)
    cpu = {"device": "$torch.device('cpu')"}
    torch.save(TanqGenerator(width=4, blocks=2).state_dict(), tmp_path / "translator.pt")
    choices = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2, "model_file": str(tmp_path / "translator.pt")}
    source, pseudo, labels = tiny_phantom / "training_source", tmp_path / "pseudo", tmp_path / "labels"
    translator = workflow(
        "tanq_translation", "inference", dataset_dir=str(source), output_dir=str(pseudo), **choices, **cpu
    )
    translator.run()

    models = write_model(tmp_path / "models", "3d_fullres")
    folders = {"dataset_dir": str(pseudo), "output_dir": str(labels), "model_dir": str(models)}
    segmenter = workflow("vs_cochlea_seg", "inference", **folders, **cpu)
    segmenter.run()

    assert translator.check_properties() == []
    assert segmenter.check_properties() == []
    scans = sorted(pseudo.glob("[!.]*.nii.gz"))
    assert len(scans) == 4
    for scan in scans:
        assert nib.load(labels / scan.name.replace("hrT2", "Label")).shape == nib.load(scan).shape


@pytest.mark.parametrize("bundle", ["tanq_translation", "vs_cochlea_seg"])
def test_metadata_have_the_required_keys_and_describe_the_network(bundle, tmp_path):
    configs = BUNDLES / bundle / "configs"
    (tmp_path / "schema.json").write_text(json.dumps(METADATA_SCHEMA))
    verify_metadata(meta_file=str(configs / "metadata.json"), filepath=str(tmp_path / "schema.json"))
    metadata = json.loads((configs / "metadata.json").read_text())
    assert metadata["version"] in metadata["changelog"]
    assert "Research only" in metadata["intended_use"]
    verify_net_in_out(
        net_id="network_def",
        config_file=str(configs / "inference.yaml"),
        meta_file=str(configs / "metadata.json"),
        device="cpu",
        bundle_root=str(BUNDLES / bundle),
    )


def test_the_translator_says_where_monai_label_shows_it_that_it_is_not_for_it():
    files = {name: BUNDLES / name / "configs" / "metadata.json" for name in BUNDLE_NAMES}
    described = {name: json.loads(path.read_text())["description"] for name, path in files.items()}
    assert {bundle: "Not for MONAI Label" in text for bundle, text in described.items()} == {
        "tanq_translation": True,
        "vs_cochlea_seg": False,
    }


def test_the_environment_of_monai_label_holds_what_the_segmenter_needs():
    metadata = json.loads((BUNDLES / "vs_cochlea_seg" / "configs" / "metadata.json").read_text())
    lines = (BUNDLES.parent / "requirements" / "label.txt").read_text().splitlines()
    listed = {re.match(r"[\w-]+", line).group() for line in lines if not line.startswith("#")}
    assert {"monailabel", "monai", "numpy", "torch", *metadata["required_packages_version"]} <= listed
