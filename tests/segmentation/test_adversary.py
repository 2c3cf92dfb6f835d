"""A discriminator learns where translations and real scans differ, and draws a segmenter's features together there."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.utils.enums import CommonKeys as Keys
from torch import nn

from tanq_monai.errors import InputError
from tanq_monai.scans.folder import find_images, find_labelled
from tanq_monai.segmentation.training.adversary import (
    FeatureAdversary,
    discriminator_loss,
    local_mask,
    segmenter_loss,
    set_up_adversary,
)
from tanq_monai.segmentation.training.batches import EpochLoader
from tanq_monai.segmentation.training.engine import LATEST, NnUNetEngine, plain_state
from tanq_monai.segmentation.training.nnunet import Settings, set_up_nnunet
from tanq_monai.segmentation.training.training_cases import training_cases

CHANNELS, SIDE = 4, 16
KEYS = ["translation_1", "real_1", "translation_2", "real_2"]


class Network(nn.Module):
    """Has of nnU-Net's U-Net what an adversary looks at; one stage, which shifts every channel."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.stages = nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 1, groups=CHANNELS))
        self.encoder.output_channels, self.encoder.conv_op = [CHANNELS], nn.Conv2d
        nn.init.ones_(self.encoder.stages[0].weight)
        nn.init.zeros_(self.encoder.stages[0].bias)


def features(seed: int) -> torch.Tensor:
    """Noise of two translations and two real scans in turn; the left half is lowered in those, and raised in these."""
    x = torch.randn(len(KEYS), CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    x[0::2, :, :, : SIDE // 2] -= 2
    x[1::2, :, :, : SIDE // 2] += 2
    return x


def step(adversary: FeatureAdversary, network: Network, x: torch.Tensor) -> torch.Tensor:
    """The adversary's term of the loss, whose gradient is the network's; then the discriminator learns."""
    network.encoder.stages(x)
    engine = SimpleNamespace(state=SimpleNamespace(device=x.device, output={Keys.LOSS: torch.tensor(0.0)}))
    engine.state.batch = {"keys": np.array(KEYS)}
    adversary._oppose(engine)
    engine.state.output[Keys.LOSS].backward()
    adversary._learn(engine)
    return engine.state.output[Keys.LOSS].detach()


@pytest.fixture(scope="module")
def taught() -> tuple[FeatureAdversary, Network]:
    """An adversary that has seen 60 batches of a network that does not learn."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network()
        adversary = FeatureAdversary(network, KEYS[1::2], weight=0.5)
    adversary.optimizer.param_groups[0]["lr"] = 0.003
    for seed in range(60):
        step(adversary, network, features(seed))
        network.zero_grad()
    return adversary, network


def test_losses_and_mask_are_those_of_their_formulas() -> None:
    scores = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values, domains = scores.numpy(), np.array([-1.0, 1.0, 1.0])
    mask = 1 + np.abs(np.tanh(values))
    np.testing.assert_allclose(local_mask(scores), mask)
    assert segmenter_loss(scores).item() == pytest.approx(np.mean(mask * values**2))
    expected = np.mean([np.mean((values[n] - domains[n]) ** 2) for n in range(3)])
    assert discriminator_loss(scores, torch.tensor(domains)).item() == pytest.approx(expected)


def test_the_mask_has_no_gradient_and_is_1_where_no_domain_is_seen() -> None:
    scores = torch.tensor([[[0.0, 0.5, -2.0]]], requires_grad=True)
    segmenter_loss(scores).backward()
    mask = local_mask(scores)
    torch.testing.assert_close(scores.grad, 2 * mask * scores.detach() / 3)
    assert mask[0, 0, 0] == 1


def test_the_mask_is_larger_where_the_features_of_the_domains_differ(taught: tuple[FeatureAdversary, Network]) -> None:
    adversary, network = taught
    with torch.no_grad():
        mask = local_mask(adversary.discriminator(network.encoder.stages(features(1000))))
    left, right = mask[..., 1 : SIDE // 2 - 1], mask[..., SIDE // 2 + 1 : -1]  # kernels of 3 see the edge between
    assert left.mean() == pytest.approx(1.76, abs=0.06)  # 1 + tanh(1), where the domain is certain
    assert right.mean() == pytest.approx(1.0, abs=0.15)  # where there is nothing to tell


def test_a_step_along_the_gradient_brings_the_domains_nearer(taught: tuple[FeatureAdversary, Network]) -> None:
    adversary, network = taught
    before, x = adversary.state_dict(), features(1001)
    with torch.no_grad():
        apart = adversary.discriminator(x).abs().mean()
    shifted = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(segmenter_loss(adversary.discriminator(shifted)), shifted)
    with torch.no_grad():
        nearer = adversary.discriminator(x - 0.5 * gradient / gradient.abs().max()).abs().mean()
    assert nearer < apart
    assert all(torch.equal(before["discriminator"][k], v) for k, v in adversary.discriminator.state_dict().items())
    network.zero_grad()


def test_the_segmenter_gets_the_weighed_term_and_the_discriminator_the_gradient_of_its_own_loss_alone() -> None:
    torch.manual_seed(0)
    network, x = Network(), features(0)
    adversary = FeatureAdversary(network, KEYS[1::2], weight=0.5)
    scores = adversary.discriminator(x)
    parameters = list(adversary.discriminator.parameters())
    expected = torch.autograd.grad(discriminator_loss(scores, torch.tensor([-1.0, 1.0, -1.0, 1.0])), parameters)
    assert step(adversary, network, x) == pytest.approx(0.5 * segmenter_loss(scores).item())
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert network.encoder.stages[0].bias.grad.abs().min() > 0


def test_weights_keep_their_names_and_nothing_is_kept_outside_of_a_training() -> None:
    network, plain = Network(), Network()
    adversary = FeatureAdversary(network, KEYS[1::2], weight=0.5)
    assert list(plain_state(network)) == list(plain_state(plain))
    network.eval().encoder.stages(features(0))
    assert adversary._features is None


def test_an_adversary_without_real_scans_or_without_stages_is_told() -> None:
    with pytest.raises(InputError, match=r"^adversary: has no real scans to tell from translations; give target_dir"):
        set_up_adversary(SimpleNamespace(network=Network()), [{"image": "a_hrT2.nii.gz"}], 0.1)
    with pytest.raises(InputError, match=r"^adversary: Conv2d has no encoder with stages; choose 0"):
        FeatureAdversary(nn.Conv2d(1, 1, 1), ["a"], 0.1)
    assert set_up_adversary(SimpleNamespace(network=Network()), [], 0) is None


# --- in nnU-Net's training ---

SETTINGS = Settings(
    configuration="2d",
    trainer="nnUNetTrainerAdam",
    learning_rate=0.001,
    max_epochs=2,
    batch_size=4,
    plans_override={"patch_size": [32, 32], "features_per_stage": [4, 8, 8]},
    num_processes=0,
)


class Stopped(Exception):
    """In place of a SIGKILL."""


def training(cases: list[dict[str, object]], run: Path) -> NnUNetEngine:
    nnunet = set_up_nnunet(cases, run, SETTINGS, "cpu")
    adversary = set_up_adversary(nnunet, cases, 0.1)
    return NnUNetEngine(nnunet, EpochLoader(nnunet, 2), 2, run / "models", amp=True, adversary=adversary)


def test_a_training_with_unlabelled_scans_that_was_stopped_ends_with_the_bits_of_one_that_was_not(
    tiny_phantom: Path, tmp_path: Path, slow: None
) -> None:
    real = find_images(tiny_phantom / "training_target")
    cases = training_cases(find_labelled(tiny_phantom / "training_source"), real)
    unstopped, seen = training(cases, tmp_path / "run"), set()
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    unstopped.add_event_handler("ITERATION_COMPLETED", lambda engine: seen.update(engine.state.batch["keys"]))
    unstopped.run()
    assert len(seen & unstopped.adversary.real) > 0 < len(seen - unstopped.adversary.real)

    stopped = training(cases, tmp_path / "again")

    def stop(engine: NnUNetEngine) -> None:
        if engine.state.iteration == 3:
            raise Stopped

    stopped.add_event_handler("ITERATION_COMPLETED", stop)
    with pytest.raises(Stopped):
        stopped.run()
    assert next((tmp_path / "again").rglob(LATEST))
    resumed = training(cases, tmp_path / "again")
    resumed.run()
    weights = [torch.load(tmp_path / run / "models" / "model.pt", weights_only=True) for run in ("run", "again")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    discriminators = [one.adversary.discriminator.state_dict() for one in (unstopped, resumed)]
    assert all(torch.equal(discriminators[0][key], discriminators[1][key]) for key in discriminators[0])

    nnunet = set_up_nnunet(cases, tmp_path / "again", SETTINGS, "cpu")
    without = NnUNetEngine(nnunet, EpochLoader(nnunet, 2), 2, tmp_path / "again" / "models")
    with pytest.raises(InputError, match=r"checkpoint_final.pth: was begun with another choice of adversary"):
        without.run()
