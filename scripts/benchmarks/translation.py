"""The translators against the bars of what they must reach."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from benchmarks.measure import (
    PeakMemory,
    alternate,
    in_own_process,
    largest_deviation_from_a_line,
    machine,
    report,
    tell,
)
from benchmarks.steps import Step, made_up_slices, measure_step
from tanq_monai.networks import TanqGenerator
from tanq_monai.networks.attention import attention_entropy, places, select_attention

TWIN_BAR = 1.10
STEP_SECONDS_BAR, STEP_GB_BAR = 40.0, 8.0
ENTROPY_BAR, ATTENTION_MEMORY_BAR = 1e-6, 1 / 8
SLICE_MS_BAR, CUDA_STEP_MS_BAR = 0.4, 40.0
LINE_BAR = 0.15  # noise of single steps included
TRUNK_FLOP = 2 * 48.7e9  # of a slice of 256 x 256


def translation(
    threads: int = 2,
    repeats: int = 9,
    width: int = 64,
    size: int = 256,
    step_batch: int = 4,
    growth_size: int = 128,
    peak_tflops: float = 0.0,
    seed: int = 0,
) -> None:
    """What the translators cost, in one run: the generator, attention, training steps; on CUDA where there is one.

    Args:
        threads: of torch.
        repeats: of each forward pass, alternating; medians.
        width: channels of the networks' first convolution; 64 is published.
        size: pixels across, of generator and training step.
        step_batch: slices of each domain in the training step.
        growth_size: pixels across where the batch grows from 1 to 8.
        peak_tflops: of the CUDA device in bfloat16, for the share of it that is reached.
        seed: of weights and slices.
    """
    torch.set_num_threads(threads)
    step = Step(batch=step_batch, size=size, width=width, threads=threads, seed=seed)
    ratio = forward_ratio(width, size, repeats, seed)
    report("TANQ generator, over its instance-norm twin", ratio, bar=TWIN_BAR)
    difference, share = attention_against_naive((size // 4) ** 2, 4 * width, seed)
    report(
        "attention, largest difference of the chosen entropies from the naive ones, float64",
        difference,
        "nats",
        bar=ENTROPY_BAR,
    )
    report("attention, memory over the naive one's", share, bar=ATTENTION_MEMORY_BAR)
    seconds, gigabytes = in_own_process(partial(measure_step, step, 1))
    report(f"TANQ training step, batch {step_batch}", seconds, "s", STEP_SECONDS_BAR)
    report(f"TANQ training step, batch {step_batch}, peak memory", gigabytes, "GB", STEP_GB_BAR)
    tell("(QS-Attn's own step on another machine of two cores: 74 s, 15.9 GB)")
    for method in ("CycleGAN", "TANQ"):
        _growth(replace(step, method=method, size=growth_size))
    if torch.cuda.is_available():
        _on_cuda(replace(step, device="cuda", amp=True), peak_tflops)
    else:
        tell("CUDA: no device here, not measured")
    tell(
        f"n = {repeats} forward passes each, 1 training step after a first; width {width}, {size} x {size}, seed {seed}"
    )
    tell(f"{threads} threads, {machine()}, torch {torch.__version__}")


def forward_ratio(width: int, size: int, repeats: int, seed: int) -> float:
    """Time of the TANQ generator for one slice with both structures, over that of the same with instance norm."""
    torch.manual_seed(seed)
    slices = made_up_slices(1, size)
    networks = [TanqGenerator(width, normalization=kind).eval() for kind in ("tanq", "instance")]
    with torch.inference_mode():
        seconds = alternate([partial(network, slices) for network in networks], repeats)
    for name, value in zip(("TANQ", "instance-norm twin"), seconds, strict=True):
        report(f"{name}, one slice", value, "s")
    return seconds[0] / seconds[1]


def attention_against_naive(num_places: int, channels: int, seed: int) -> tuple[float, float]:
    """Largest difference of the 256 lowest entropies in float64; memory of the selection over that of the naive way.

    The memory is not a number, which no bar lets pass, where it is too little for :class:`PeakMemory` to see.
    """
    rows = places(_features(num_places, channels, seed))
    differences = {kind: _difference_from_naive(rows.to(kind)) for kind in (torch.float32, torch.float64)}
    # Of several nats, the last digit of float32 is half of the bar.
    report("attention, largest difference in float32", differences[torch.float32], "nats")
    measure = [partial(_attention_memory, way, num_places, channels, seed) for way in ("selected", "naive")]
    selected, naive = (in_own_process(work) for work in measure)
    return differences[torch.float64], selected / naive if selected and naive else float("nan")


def _features(num_places: int, channels: int, seed: int) -> Tensor:
    """(4, C, sqrt P, sqrt P), of a spread at which places attend to many others, so that no entropy is 0."""
    across = round(num_places**0.5)
    spread = torch.linspace(0.05, 0.15, across)[:, None]
    return torch.randn(4, channels, across, across, generator=torch.Generator().manual_seed(seed)) * spread


def _difference_from_naive(rows: Tensor) -> float:
    """Largest, of the 256 lowest entropies."""
    lowest = [entropies.sort().values[:, :256] for entropies in (attention_entropy(rows), _naive_attention(rows)[1])]
    return (lowest[0] - lowest[1]).abs().max().item()


def _naive_attention(rows: Tensor) -> tuple[Tensor, Tensor]:
    """A = softmax(R R^T) as a whole, and its entropies."""
    attention = (rows @ rows.transpose(1, 2)).softmax(dim=-1)
    return attention, torch.special.entr(attention).sum(dim=-1)


def _attention_memory(way: str, num_places: int, channels: int, seed: int) -> float:
    """GB beyond what was there before. A few places first: what is loaded or compiled at first use is not counted."""
    for count in (64, num_places):
        features = _features(count, channels, seed)
        with PeakMemory() as memory:
            kept = select_attention(features) if way == "selected" else _naive_attention(places(features))
        del kept
    return memory.highest - memory.before


def _growth(step: Step) -> None:
    batches = [1, 2, 4, 8]
    measured = [in_own_process(partial(measure_step, replace(step, batch=batch), 2)) for batch in batches]
    for what, unit, values in zip(("step", "peak memory"), ("s", "GB"), zip(*measured, strict=True), strict=True):
        numbers = ", ".join(f"{value:.3g}" for value in values)
        tell(f"{step.method}, {step.size} x {step.size}, {what} at batch 1, 2, 4, 8: {numbers} {unit}")
        deviation = largest_deviation_from_a_line(batches, values)
        report(f"{step.method}, {what}, largest deviation from a straight line", 100 * deviation, "%", 100 * LINE_BAR)


def _on_cuda(step: Step, peak_tflops: float) -> None:
    """bfloat16; not tried so far on any device."""
    torch.manual_seed(step.seed)
    slices = made_up_slices(32, step.size).to("cuda")
    network = TanqGenerator(step.width).eval().to("cuda")
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.bfloat16):
        seconds = alternate([lambda: (network(slices), torch.cuda.synchronize())], 20)[0] / len(slices)
    report("CUDA, one slice of 32", 1e3 * seconds, "ms", SLICE_MS_BAR)
    if peak_tflops:
        report("CUDA, share of the peak arithmetic", TRUNK_FLOP / seconds / (1e12 * peak_tflops))
    seconds, gigabytes = in_own_process(partial(measure_step, step, 20))
    report(f"CUDA, training step, batch {step.batch}", 1e3 * seconds, "ms", CUDA_STEP_MS_BAR)
    tell(f"CUDA, training step, peak memory {gigabytes:.3g} GB, {torch.cuda.get_device_name()}")
