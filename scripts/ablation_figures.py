"""The pictures of scripts/ablation.py: translations beside each other, and the places that attention selects."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigParser
from translation_figure import draw

from tanq_monai.demo.panels import TEXT, dark_figure, png
from tanq_monai.networks.attention import FeatureSampler, select_places
from tanq_monai.networks.generator import TanqGenerator
from tanq_monai.report.axial import turned_to_lps
from tanq_monai.scans.naming import LABEL_ENDING
from tanq_monai.steps import BUNDLES, TRANSLATOR

WIDTH = 2.2  # of a panel, inches


def methods_figure(paired: Path, case: str, translations: Mapping[str, Path]) -> bytes:
    """PNG of a patient's ceT1, its translations by title, and the true hrT2; whole slice, VS and cochlea."""
    files = {"ceT1": paired / f"{case}_ceT1.nii.gz", **translations, "hrT2": paired / f"{case}_hrT2.nii.gz"}
    scans = {title: turned_to_lps(nib.load(file)) for title, file in files.items()}
    return draw(scans, turned_to_lps(nib.load(paired / f"{case}{LABEL_ENDING}")), width=WIDTH)


def load_network(models: Path, configs: Sequence[str]) -> tuple[TanqGenerator, FeatureSampler]:
    """The generator that a training by ``configs`` left in ``models``, and how that training selected places."""
    parser = ConfigParser()
    parser.read_config([str(BUNDLES / TRANSLATOR / "configs" / f"{config}.yaml") for config in configs])
    parser.update({"start_from": str(models), "device": "cpu"})
    return parser.get_parsed_content("network").eval(), parser.get_parsed_content("sampler")


def places_figure(
    ceT1: np.ndarray, label: np.ndarray, translators: Mapping[str, tuple[TanqGenerator, FeatureSampler]]
) -> bytes:
    """PNG of the places that each translator's attention selects, one row for every attended layer.

    Args:
        ceT1: slice (Y, X), magnitudes in [0, 1].
        label: its map of structures.
        translators: generator and sampler by title.
    """
    rows = max(sampler.attended for _, sampler in translators.values())
    figure, axes = dark_figure(rows, len(translators), width=2 * WIDTH, heights=[2 * WIDTH] * rows)
    for column, (title, (network, sampler)) in enumerate(translators.items()):
        axes[0][column].set_title(title, color=TEXT, fontsize=11)
        for row, places in enumerate(selected_places(ceT1, label, network, sampler)):
            panel = axes[row][column]
            panel.imshow(ceT1, cmap="gray", vmin=0, vmax=1)
            panel.scatter(places[:, 1], places[:, 0], s=4, color="#ffb454", linewidths=0)
            panel.contour(label > 0, levels=[0.5], colors="#4ad991", linewidths=1)
            panel.set(xticks=[], yticks=[], facecolor="black")
    for row in range(rows):
        axes[row][0].set_ylabel(f"attended layer {row + 1}", color=TEXT, fontsize=11)
    return png(figure)


def selected_places(
    ceT1: np.ndarray, label: np.ndarray, network: TanqGenerator, sampler: FeatureSampler
) -> list[np.ndarray]:
    """Row and column (N, 2) of the selected places of every attended layer, in pixels of the slice."""
    slices = torch.from_numpy(np.stack([2 * ceT1 - 1, label]).astype(np.float32))[None]
    with torch.no_grad():
        features = network.encode(slices)[-sampler.attended :]
    found = []
    for layer in features:
        chosen = select_places(layer, sampler.num_patches, sampler.attention, sampler.window)[0].numpy()
        step = ceT1.shape[0] / layer.shape[2]
        found.append((np.stack(np.divmod(chosen, layer.shape[3]), axis=1) + 0.5) * step - 0.5)
    return found
