"""Networks, data and trainer so small that a step takes a fraction of a second."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from monai.data import DataLoader

from tanq_monai.networks import FeatureProjector, FeatureSampler, PatchDiscriminator, TanqGenerator
from tanq_monai.trainers.checkpoint import Checkpoint, FinalModel
from tanq_monai.trainers.handlers import History, SeededSteps
from tanq_monai.trainers.schedule import LearningRate
from tanq_monai.trainers.tanq import TanqNetworks, TanqOptimizers, TanqTrainer
from tanq_monai.translation.batches import Batches
from tanq_monai.translation.model_choices import PAPER
from tanq_monai.translation.slices import UnpairedSlices

SIZE = 32
Weights = Mapping[str, torch.Tensor]


def networks(seed: int = 0) -> TanqNetworks:
    """Of width 4, with weights large enough for every loss to have a gradient."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = TanqGenerator(width=4, blocks=2)
        parts = TanqNetworks(
            generator, PatchDiscriminator(width=4), FeatureProjector(generator.feature_channels, width=8)
        )
        for network in (parts.generator, parts.discriminator, parts.projector):
            for parameter in network.parameters():
                parameter.data += 0.2 * torch.randn(parameter.shape)
    return parts


class InMemory:
    """Slices (N, 2, H, W) of one domain, all at one height and of style 0 unless told otherwise."""

    def __init__(self, slices, heights=None, styles=None):
        self.slices = slices
        self.heights = np.zeros(len(slices)) if heights is None else np.array(heights)
        self.styles = np.zeros(len(slices), dtype=np.int64) if styles is None else np.array(styles)

    def __len__(self):
        return len(self.slices)

    def __getitem__(self, index):
        return self.slices[index].clone()


def slices(count: int, seed: int, labelled: bool) -> torch.Tensor:
    """(N, 2, 32, 32); where labelled, a VS and a cochlea in each."""
    images = torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    labels = torch.zeros_like(images)
    if labelled:
        labels[:, :, 4:16, 4:14] = 1
        labels[:, :, 18:28, 12:24] = 2
    return torch.cat([images, labels], dim=1)


def trainer_that_resumes(
    folder: Path, max_epochs: int, extra_handlers: tuple = (), minutes: float = 10.0
) -> TanqTrainer:
    """All that ``train.yaml`` puts together: rates, seeds, history, checkpoint of the epoch and the last model."""
    parts = networks()
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=0.002, betas=(0.5, 0.999))
        for network in (parts.generator, parts.discriminator, parts.projector)
    ]
    names = ("generator", "discriminator", "projector")
    state = {name: getattr(parts, name) for name in names}
    state |= {f"optimizer_{name}": optimizer for name, optimizer in zip(names, optimizers, strict=True)}
    source, target = InMemory(slices(3, 1, labelled=True)), InMemory(slices(4, 2, labelled=False))
    dataset = UnpairedSlices(source, target, crop=SIZE - 4, seed=5)
    batches, history = Batches(dataset, batch_size=2), History(folder / "history.csv")
    return TanqTrainer(
        device=torch.device("cpu"),
        max_epochs=max_epochs,
        train_data_loader=DataLoader(dataset, batch_sampler=batches),
        networks=parts,
        optimizers=TanqOptimizers(*optimizers),
        sampler=FeatureSampler(num_patches=16),
        train_handlers=[
            *extra_handlers,
            history,
            Checkpoint(folder / "checkpoint.pt", state | {"history": history}, minutes, {"seed": 5}),
            SeededSteps(batches, seed=5),
            LearningRate(optimizers, 0.002),
            FinalModel(folder / "model.pt", parts.generator, PAPER),
        ],
    )


def assert_moved_alike(found: Weights, expected: Weights, before: Weights) -> None:
    """Steps changed weights alike: of each tensor no two differ by more than 1 % of how far its farthest one moved.

    Rounding does less, but for an L1 term: each pixel's has a kink, which rounding may cross.
    """
    assert found.keys() == expected.keys() == before.keys()
    for name, value in expected.items():
        moved = float((value - before[name]).abs().max())
        atol = max(0.01 * moved, 1e-6)
        torch.testing.assert_close(found[name], value, rtol=0, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
