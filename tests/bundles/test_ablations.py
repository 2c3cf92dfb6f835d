"""The translators of the paper's ablation: each overlay on the tiny phantom, and the script that compares them."""

import runpy

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from ablation_figures import selected_places
from bundle_workflow import BUNDLES, workflow

from tanq_monai.adaptation.settings import SIZES
from tanq_monai.errors import InputError
from tanq_monai.networks import FeatureSampler, TanqGenerator
from tanq_monai.networks.norms import InstanceNorm, RegionAdaptiveNorm, RegionNorm

SMALL = {"pixels": 48, "pixel_mm": 1.8, "width": 4, "blocks": 2, "device": "$torch.device('cpu')"}
TRAINING = SMALL | {"crop": 32, "slab_mm": 8.0, "max_epochs": 1, "batch_size": 4}
INSTANCE = (InstanceNorm, InstanceNorm)
# Norms of encoder and decoder, whether there is a SegDecoder, layers with attention, and which one it is.
TRANSLATORS = {
    "cut": (*INSTANCE, False, 0, "global"),
    "qs_attn": (*INSTANCE, False, 2, "global"),
    "qs_attn_local": (*INSTANCE, False, 2, "local"),
    "qs_attn_local_global": (*INSTANCE, False, 2, "local+global"),
    "instance_norm_with_seg_decoder": (*INSTANCE, True, 2, "global"),
    "tanq_from_1_pixel": (RegionNorm, RegionAdaptiveNorm, True, 2, "global"),
    "tanq_from_2_pixels": (RegionNorm, RegionAdaptiveNorm, True, 2, "global"),
    "tanq_without_rain": (RegionNorm, RegionNorm, True, 2, "global"),
    "tanq_without_seg_decoder": (RegionNorm, RegionAdaptiveNorm, False, 2, "global"),
}


def test_every_overlay_is_tested():
    assert {path.stem for path in (BUNDLES / "tanq_translation/configs/ablations").iterdir()} == set(TRANSLATORS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_overlay_makes_its_translator_which_trains_and_translates(name, tiny_phantom, tmp_path):
    encoder, decoder, seg_decoder, attended, attention = TRANSLATORS[name]
    overlay = f"ablations/{name}"
    choices = TRAINING | {"dataset_dir": str(tiny_phantom), "output_dir": str(tmp_path / "run")}
    training = workflow("tanq_translation", "train", overlay, **choices)
    training.run()
    trainer = training.parser.get_parsed_content("train#trainer")
    network = trainer.network
    assert (type(network.stem_norm), type(network.up2_norm)) == (encoder, decoder)
    assert (network.seg_decoder is not None) is seg_decoder
    assert network.min_region_pixels == {"tanq_from_1_pixel": 1, "tanq_from_2_pixels": 2}.get(name, 4)
    assert (trainer.sampler.attended, trainer.sampler.attention) == (attended, attention)
    assert ("loss_segmentation" in trainer.state.output) is seg_decoder
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())

    choices = SMALL | {"slab_mm": 12.0, "model_file": str(tmp_path / "run" / "models" / "model.pt")}
    folders = {"dataset_dir": str(tiny_phantom / "training_source"), "output_dir": str(tmp_path / "pseudo")}
    inference = workflow("tanq_translation", "inference", overlay, **choices, **folders)
    inference.run()
    translations = sorted((tmp_path / "pseudo").glob("*_hrT2.nii.gz"))
    assert len(translations) == 4
    values = nib.load(translations[0]).get_fdata()
    assert np.isfinite(values).all()
    assert 0 <= values.min() < values.max() <= 1


@pytest.fixture(scope="module")
def script():
    """What ``scripts/ablation.py`` defines."""
    return runpy.run_path(str(BUNDLES.parent / "scripts" / "ablation.py"), run_name="ablation")


def _patient():
    """True hrT2 (Z, Y, X) with a head, and its label with VS and cochlea."""
    generator = np.random.default_rng(0)
    hrT2 = np.zeros((2, 32, 32), dtype=np.float32)
    hrT2[:, 4:28, 4:28] = 0.4 + 0.1 * generator.random((2, 24, 24), dtype=np.float32)
    label = np.zeros(hrT2.shape)
    label[:, 8:14, 8:14], label[:, 18:21, 18:22] = 1, 2
    return hrT2, label


def test_the_configs_of_every_compared_translator_exist(script):
    overlays = {name for t in script["TRANSLATORS"].values() for name in (*t.training, *t.inference)}
    assert overlays >= {f"ablations/{name}" for name in TRANSLATORS}
    assert [name for name in overlays if not (BUNDLES / f"tanq_translation/configs/{name}.yaml").is_file()] == []


def test_the_true_scan_scores_without_error(script):
    hrT2, label = _patient()
    scores = script["score"](hrT2, hrT2, label)
    assert scores == pytest.approx({"VS contrast error": 0, "cochlea contrast error": 0, "SSIM": 1, "PSNR dB": np.inf})


def test_scores_of_a_cochlea_that_is_too_dark_are_its_share_of_the_brain_and_its_squares(script):
    hrT2, label = _patient()
    dark = np.where(label == 2, hrT2 - 0.3, hrT2)
    scores = script["score"](dark, hrT2, label)
    inside = hrT2 > 0
    brain = np.median(hrT2[inside & (label == 0)])
    squared = (0.3**2 * (label == 2).sum()) / inside.sum()
    assert scores["VS contrast error"] == 0
    assert scores["cochlea contrast error"] == pytest.approx(0.3 / brain, rel=1e-5)
    assert scores["PSNR dB"] == pytest.approx(-10 * np.log10(squared), rel=1e-5)
    assert scores["SSIM"] < 0.99


def test_the_table_has_mean_deviation_and_number_of_patients(script, tmp_path):
    rows = [("b", 1.0, 4.0), ("a", 5.0, 4.0), ("b", 3.0, np.nan), ("a", 5.0, np.nan)]
    scores = pd.DataFrame([{"translator": t, "case": "", "SSIM": s, "VS contrast error": e} for t, s, e in rows])
    table = script["summarize"](scores)
    assert table.index.tolist() == ["b", "a"]
    assert table["SSIM"].tolist() == [2.0, 5.0]
    assert table["SSIM sd"].tolist() == pytest.approx([2**0.5, 0.0])
    assert table[["n with VS", "n"]].to_numpy().tolist() == [[1, 2], [1, 2]]
    table["minutes"] = [0.5, np.nan]
    lines = script["translation_table"](table.drop(columns=["VS contrast error", "VS contrast error sd"]))
    assert lines[0] == "| translator | SSIM | n with VS | n | minutes |"
    assert lines[2:] == ["| b | 2.00 ± 1.41 | 1 | 2 | 0.5 |", "| a | 5.00 ± 0.00 | 1 | 2 |  |"]


def test_the_segmenters_table_has_both_structures_without_and_with_self_training(script):
    keys = ["row", "trained_on", "structure", "dice", "assd_mm"]
    rows = [
        ("TANQ", "translations", "VS", 0.5, 2.0),
        ("TANQ", "translations", "VS", 0.7, 4.0),
        ("TANQ", "translations", "cochlea", 0.3, 1.0),
        ("TANQ", "and self-training", "VS", 0.8, 1.0),
        ("TANQ", "and self-training", "VS", np.nan, np.nan),  # in no truth
        ("TANQ", "and self-training", "cochlea", 0.4, 350.0),
    ]
    scores = pd.concat([pd.DataFrame(rows, columns=keys)] * 2)  # one value has no interval
    head, _, line = script["segmentation_table"](scores)
    cells = dict(zip(head.strip("| ").split(" | "), line.strip("| ").split(" | "), strict=True))
    assert cells == {
        "segmenter of": "TANQ",
        "translations: VS Dice": "0.600 (0.500, 0.700)",
        "translations: VS ASSD mm": "3.000 (2.000, 4.000)",
        "translations: cochlea Dice": "0.300 (0.300, 0.300)",
        "translations: cochlea ASSD mm": "1.000 (1.000, 1.000)",
        "and self-training: VS Dice": "0.800 (0.800, 0.800)",
        "and self-training: VS ASSD mm": "1.000 (1.000, 1.000)",
        "and self-training: cochlea Dice": "0.400 (0.400, 0.400)",
        "and self-training: cochlea ASSD mm": "350.000 (350.000, 350.000)",
    }


def test_every_row_is_segmented_by_the_models_before_and_after_self_training(script, tmp_path):
    steps = script["segmenter_steps"](tmp_path, "cut", SIZES["tiny"], 1, 0)
    assert [step.name for step in steps] == [
        *("train_segmenter", "segment", "segment_score"),
        *("segment_self_trained", "segment_self_trained_score"),
    ]
    assert f"--dataset_dir {tmp_path}/cut/translated --target_dir {tmp_path}/data/training_target" in steps[0].command
    assert f"--label_dir {tmp_path}/data/training_source" in steps[0].command
    assert f"--ensemble_dir {tmp_path}/cut/segmenter/round_0/models" in steps[1].command
    assert f"--ensemble_dir {tmp_path}/cut/segmenter/models" in steps[3].command
    for number in (2, 4):
        assert f"--truth_dir {tmp_path}/data/paired" in steps[number].command
    both = script["segmenter_steps"](tmp_path, "multi_view", SIZES["tiny"], 1, 0)[0]
    assert f"--label_dir {tmp_path}/multi_view/translated" in both.command


def test_selected_places_are_those_of_the_lowest_entropy_in_pixels_of_the_slice():
    torch.manual_seed(0)
    network = TanqGenerator(width=4, blocks=2).eval()
    generator = np.random.default_rng(0)
    ceT1, label = generator.random((32, 32), dtype=np.float32), np.zeros((32, 32))
    first, last = selected_places(ceT1, label, network, FeatureSampler(num_patches=5))
    with torch.no_grad():
        features = network.encode(torch.from_numpy(np.stack([2 * ceT1 - 1, label]).astype(np.float32))[None])[-2:]
    for found, layer in zip((first, last), features, strict=True):
        rows = layer[0].flatten(1).T.double()
        attention = (rows @ rows.T).softmax(dim=1)
        entropy = -(attention * attention.clamp(min=1e-300).log()).sum(dim=1)
        expected = [((p // 8) * 4 + 1.5, (p % 8) * 4 + 1.5) for p in entropy.argsort()[:5].tolist()]
        assert sorted(map(tuple, found)) == sorted(expected)


def test_an_unknown_translator_is_told_in_one_line(script, tmp_path):
    with pytest.raises(InputError, match="--only pix2pix: is not a translator; choose among cyclegan, cut"):
        script["ablation"](str(tmp_path), only="cut,pix2pix")
