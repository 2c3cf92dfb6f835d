"""Copies of the bundles with small lively weights, for tests of what is made of a bundle."""

import shutil
from pathlib import Path

import torch
from bundle_workflow import BUNDLES
from made_up_models import write_model

from tanq_monai.networks import TanqGenerator
from tanq_monai.translation.model_choices import write_choices

CHOICES = {"pixels": 64, "pixel_mm": 1.4, "slab_mm": 28.0, "styles": ["ldn", "etz"], "width": 8, "blocks": 2}


def copy_bundle(name: str, folder: Path) -> Path:
    """A bundle without its models."""
    shutil.copytree(BUNDLES / name, folder, ignore=shutil.ignore_patterns("models", "runs"))
    return folder


def segmenter_bundle(folder: Path, configuration: str = "2d") -> Path:
    """``vs_cochlea_seg`` with a network of random weights, in whose labels all classes occur."""
    write_model(copy_bundle("vs_cochlea_seg", folder) / "models", configuration)
    return folder


def translator_bundle(folder: Path) -> Path:
    """``tanq_translation`` with random weights large enough for everything to show, in two styles."""
    model = copy_bundle("tanq_translation", folder) / "models" / "model.pt"
    model.parent.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = TanqGenerator(width=CHOICES["width"], blocks=CHOICES["blocks"], num_styles=2)
        for parameter in generator.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape)
    torch.save(generator.state_dict(), model)
    write_choices(CHOICES, model)
    return folder
