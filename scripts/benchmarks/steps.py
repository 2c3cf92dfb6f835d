"""Training steps of the translators on made-up slices."""

import time
from dataclasses import dataclass
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from benchmarks.measure import PeakMemory
from tanq_monai.networks import CycleGanGenerator, FeatureProjector, PatchDiscriminator, TanqGenerator
from tanq_monai.trainers.base import AdversarialOptimizers
from tanq_monai.trainers.cyclegan import CycleGanNetworks, CycleGanTrainer
from tanq_monai.trainers.tanq import TanqNetworks, TanqOptimizers, TanqTrainer


@dataclass(frozen=True)
class Step:
    """What a training step is measured with.

    Attributes:
        method: "TANQ" or "CycleGAN".
        batch: slices of each domain.
        size: pixels across.
        width: channels of the first convolution, of generators and discriminators.
        threads: of torch.
        seed: of weights and slices.
        device: "cpu" or "cuda".
        amp: bfloat16.
    """

    method: str = "TANQ"
    batch: int = 4
    size: int = 256
    width: int = 64
    threads: int = 2
    seed: int = 0
    device: str = "cpu"
    amp: bool = False


def made_up_slices(batch: int, size: int) -> Tensor:
    """(B, 2, size, size); VS of 12 x 13 mm and two cochleae of 5 x 6 mm, where a slice has 105 mm."""
    slices = torch.rand(batch, 2, size, size) * 2 - 1
    labels = torch.zeros(256, 256)
    labels[120:150, 60:92] = 1
    labels[118:130, 40:54] = labels[118:130, 202:216] = 2
    slices[:, 1] = nn.functional.interpolate(labels[None, None], size=(size, size))[0, 0]
    return slices


def measure_step(step: Step, repeats: int) -> tuple[float, float]:
    """Seconds of the fastest step after the first, and the highest memory of this process in GB, the first included."""
    torch.set_num_threads(step.threads)
    torch.manual_seed(step.seed)
    trainer = _tanq(step) if step.method == "TANQ" else _cyclegan(step)
    source, target = made_up_slices(step.batch, step.size), made_up_slices(step.batch, step.size)
    target[:, 1] = 0
    batch = {"image": source, "target_domain": target, "style": torch.zeros(step.batch, dtype=torch.long)}
    trainer.state.device = torch.device(step.device)
    seconds = []
    with PeakMemory() as memory:
        for _ in range(repeats + 1):
            start = time.perf_counter()
            trainer._iteration(trainer, batch)  # its losses are read, so that a CUDA device has finished
            seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated() / 1e9 if step.device == "cuda" else memory.highest
    return min(seconds[1:]), peak


def _tanq(step: Step) -> TanqTrainer:
    generator = TanqGenerator(width=step.width)
    networks = generator, PatchDiscriminator(width=step.width), FeatureProjector(generator.feature_channels)
    networks = tuple(network.to(step.device) for network in networks)
    optimizers = TanqOptimizers(*(_adam(network.parameters()) for network in networks))
    return TanqTrainer(step.device, 1, [{}], TanqNetworks(*networks), optimizers, amp=step.amp)


def _cyclegan(step: Step) -> CycleGanTrainer:
    kinds = 2 * [CycleGanGenerator] + 2 * [partial(PatchDiscriminator, antialiased=False)]
    networks = [kind(width=step.width).to(step.device) for kind in kinds]
    optimizers = AdversarialOptimizers(
        *(_adam(chain(*(n.parameters() for n in part))) for part in (networks[:2], networks[2:]))
    )
    return CycleGanTrainer(step.device, 1, [{}], CycleGanNetworks(*networks), optimizers, amp=step.amp)


_adam = partial(torch.optim.Adam, lr=0.0002, betas=(0.5, 0.999), fused=True)
