"""The two bundles beside each other."""

import nibabel as nib
import torch
from bundle_workflow import BUNDLES, workflow

from tanq_monai.networks import TanqGenerator
from tanq_monai.segmentation.plans import network_from_plans


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

    models = tmp_path / "models"
    models.mkdir()
    for name in ("plans.json", "dataset.json"):
        (models / name).write_bytes((BUNDLES / "vs_cochlea_seg" / "models" / name).read_bytes())
    torch.save(network_from_plans(models / "plans.json", models / "dataset.json").state_dict(), models / "model.pt")
    folders = {"dataset_dir": str(pseudo), "output_dir": str(labels), "model_dir": str(models)}
    segmenter = workflow("vs_cochlea_seg", "inference", **folders, **cpu)
    segmenter.run()

    assert translator.check_properties() == []
    assert segmenter.check_properties() == []
    scans = sorted(pseudo.iterdir())
    assert len(scans) == 4
    for scan in scans:
        assert nib.load(labels / scan.name.replace("hrT2", "Label")).shape == nib.load(scan).shape
