"""Small models with random weights in which every class occurs, as our folders and as nnU-Net's, for tests."""

import contextlib
import functools
import io
import json
from pathlib import Path

import numpy as np
import torch
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.inference.sliding_window_prediction import compute_gaussian
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from tanq_monai.segmentation.plan.plans import TRAINED, network_from_plans
from tanq_monai.segmentation.training.preparation import override_plan

MODELS = Path(__file__).parent / "small_model"  # plan and description of a small network, without weights
PATCHES = {"2d": [64, 48], "3d_fullres": [16, 48, 40]}


def small_plan():
    """Its plan with narrow networks of three stages and odd windows."""
    plan = json.loads((MODELS / "plans.json").read_text())
    for configuration, patch in PATCHES.items():
        override_plan(plan, configuration, {"patch_size": patch, "features_per_stage": [4, 8, 8]})
    return plan


def write_model(folder, configuration, seed=0, labels=None):
    """A model folder."""
    folder.mkdir(parents=True)
    dataset = json.loads((MODELS / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(dataset | ({"labels": labels} if labels else {})))
    (folder / "plans.json").write_text(json.dumps(small_plan() | {TRAINED: configuration}))
    network = lively_network(folder, seed)
    torch.save(network.state_dict(), folder / "model.pt")
    return folder


def lively_network(folder, seed=0):
    """Random weights; on noise, logits have mean 0 and spread over several units."""
    generator = torch.Generator().manual_seed(seed)
    network = network_from_plans(folder / "plans.json", folder / "dataset.json").eval()
    last = network.decoder.seg_layers[-1]
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                weight.normal_(0, (2 / weight[0].numel()) ** 0.5, generator=generator)
        logits = (
            network(torch.randn(2, 1, *[32] * (last.weight.ndim - 2), generator=generator)).movedim(1, 0).flatten(1)
        )
        scale = 4 / logits.std(dim=1)
        last.weight *= scale.reshape(-1, *[1] * (last.weight.ndim - 1))
        last.bias.copy_(scale * (last.bias - logits.mean(dim=1)))
    return network


def write_nnunet_results(folder, models):
    """nnU-Net's result folder of one configuration, with the weights of ``models`` as folds 0, 1, ..."""
    plan = json.loads((models[0] / "plans.json").read_text())
    configuration = plan.pop(TRAINED)
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_bytes((models[0] / "dataset.json").read_bytes())
    for fold, model in enumerate(models):
        (folder / f"fold_{fold}").mkdir()
        checkpoint = {
            "network_weights": torch.load(model / "model.pt"),
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": configuration},
            "inference_allowed_mirroring_axes": tuple(range(len(PATCHES[configuration]))),
        }
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


def nnunets_predictor(results, mirror=False):
    """nnU-Net's own, with all folds of a result folder."""
    predictor = predict_from_raw_data.nnUNetPredictor(
        use_mirroring=mirror, device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False
    )
    folds = tuple(range(len(list(results.glob("fold_*")))))
    predictor.initialize_from_trained_model_folder(str(results), folds)
    return predictor


def nnunet_predicts(results, image, truncated, mirror=False):
    """Write ``{truncated}.nii.gz``, ``.npz`` and ``.pkl``; the logits in plan space."""
    predictor = nnunets_predictor(results, mirror)
    logits = []
    predict = predictor.predict_logits_from_preprocessed_data
    predictor.predict_logits_from_preprocessed_data = lambda data: logits.append(predict(data)) or logits[-1]
    with contextlib.redirect_stdout(io.StringIO()):
        predictor.predict_from_files_sequential([[str(image)]], [str(truncated)], save_probabilities=True)
    return logits[0]


def label_manager(results):
    dataset = json.loads((results / "dataset.json").read_text())
    return PlansManager(json.loads((results / "plans.json").read_text())).get_label_manager(dataset)


def let_nnunet_add_in_float32(monkeypatch):
    """It adds logits up in float16, which alone is worth 0.01."""

    @functools.lru_cache
    def same_weights(*args, **kwargs):
        return compute_gaussian(*args, **kwargs, dtype=torch.float16).float()

    monkeypatch.setattr(predict_from_raw_data, "torch", _TorchWithoutHalf())
    monkeypatch.setattr(predict_from_raw_data, "compute_gaussian", same_weights)


class _TorchWithoutHalf:
    half = torch.float32

    def __getattr__(self, name):
        return getattr(torch, name)


def rotation(degrees):
    turn = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        i, j = [k for k in range(3) if k != axis]
        one = np.eye(3)
        one[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = turn @ one
    return turn
