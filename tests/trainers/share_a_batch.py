"""Two steps of the translator, by one process or as one of several ranks."""

from pathlib import Path

import torch
from monai.data import DataLoader
from tiny import SIZE, InMemory, networks, slices
from torch import distributed as dist

from tanq_monai.networks import FeatureSampler
from tanq_monai.trainers.handlers import SeededSteps
from tanq_monai.trainers.tanq import TanqOptimizers, TanqTrainer, TanqWeights
from tanq_monai.translation.batches import Batches
from tanq_monai.translation.slices import UnpairedSlices


def two_steps() -> dict[str, torch.Tensor]:
    """The weights of all networks after two steps of plain gradient descent on batches of 2."""
    parts = networks()
    trained = (parts.generator, parts.discriminator, parts.projector)
    source, target = slices(4, 1, labelled=True), slices(4, 2, labelled=False)
    source[::2, 1] = 0  # slices of one batch differ in what they hold
    dataset = UnpairedSlices(InMemory(source), InMemory(target), crop=SIZE, seed=5)
    batches = Batches(dataset, batch_size=2)
    TanqTrainer(
        device="cpu",
        max_epochs=1,
        train_data_loader=DataLoader(dataset, batch_sampler=batches),
        networks=parts,
        # Adam would turn a rounding error of a vanishing gradient into a whole step.
        optimizers=TanqOptimizers(*(torch.optim.SGD(network.parameters(), lr=0.002) for network in trained)),
        weights=TanqWeights(levels=1.0),
        level_ranges=[{1: (0.9, 1.0), 2: (0.0, 0.1)}],
        sampler=FeatureSampler(num_patches=4096),  # all: which of nearly equal entropies is lowest, rounding decides
        train_handlers=[SeededSteps(batches, seed=5)],
    ).run()
    return {f"{n}.{name}": value for n, network in enumerate(trained) for name, value in network.state_dict().items()}


def two_steps_as_rank(rank: int, ranks: int, meeting_place: Path, weights: Path) -> None:
    """The first one writes the weights."""
    dist.init_process_group("gloo", f"file://{meeting_place}", rank=rank, world_size=ranks)
    result = two_steps()
    if rank == 0:
        torch.save(result, weights)
    dist.destroy_process_group()
