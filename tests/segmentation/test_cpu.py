"""nnU-Net's step on a CPU against nnU-Net's own step, and the norms against torch's."""

import pytest
import torch
from monai.inferers import SimpleInferer
from torch import nn

from tanq_monai.scans.folder import find_labelled
from tanq_monai.segmentation.training import nnunet as nnunet_module
from tanq_monai.segmentation.training.batches import seed_draws
from tanq_monai.segmentation.training.cpu import GroupNorm3d, SampleNorm2d, suit_cpu
from tanq_monai.segmentation.training.engine import Bfloat16Inferer
from tanq_monai.segmentation.training.nnunet import Settings, prepare_batch, set_up_nnunet

CPU = torch.device("cpu")
LAST, PLAIN = torch.channels_last, torch.contiguous_format
KINDS = {
    "2D, channels last": (SampleNorm2d, nn.InstanceNorm2d, (3, 5, 7, 6), LAST),
    "2D": (SampleNorm2d, nn.InstanceNorm2d, (3, 5, 7, 6), PLAIN),
    "3D": (GroupNorm3d, nn.InstanceNorm3d, (2, 5, 3, 7, 6), PLAIN),
}


def norms(kind, dtype=torch.float64):
    """Ours and torch's with the same weights, and an input."""
    draws = torch.Generator().manual_seed(0)
    ours, torchs, shape, memory_format = KINDS[kind]
    norm, expected = (norm(shape[1], eps=1e-3, affine=True, dtype=dtype) for norm in (ours, torchs))
    for one in (norm.weight, norm.bias):
        one.data = torch.randn(shape[1], generator=draws, dtype=dtype)
    expected.load_state_dict(norm.state_dict())
    image = 3 * torch.randn(shape, generator=draws, dtype=dtype) + 2
    return norm, expected, image.to(memory_format=memory_format)


def gradients(norm, image, of_output):
    image = image.clone().requires_grad_()
    return torch.autograd.grad(norm(image), [image, *norm.parameters()], of_output)


@pytest.mark.parametrize("kind", KINDS)
def test_norms_equal_torchs_instance_norm_and_so_do_their_gradients(kind):
    norm, expected, image = norms(kind)
    output = norm(image)
    torch.testing.assert_close(output, expected(image))
    assert output.stride() == image.stride()
    of_output = torch.randn(image.shape, generator=torch.Generator().manual_seed(1), dtype=image.dtype)
    found, wanted = (gradients(one, image, of_output) for one in (norm, expected))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_finite_differences(kind):
    norm, _, image = norms(kind)
    assert torch.autograd.gradcheck(lambda x, *_: norm(x), (image[:2].requires_grad_(), *norm.parameters()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_does_not_depend_on_the_others(kind):
    norm, _, image = norms(kind)
    torch.testing.assert_close(norm(image)[1:2], norm(image[1:2]))


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_bfloat16_features_are_float32(kind):
    norm, expected, image = norms(kind, torch.float32)
    image = (image + 300).to(torch.bfloat16)  # where bfloat16 knows whole numbers only, by twos
    output = norm(image)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected(image.float()), rtol=2**-8, atol=1e-3)


def test_norms_that_are_not_nnunets_stay():
    network = nn.Sequential(nn.InstanceNorm2d(2), nn.InstanceNorm2d(2, affine=True, track_running_stats=True))
    suit_cpu(network, torch.optim.Rprop(nn.Linear(1, 1).parameters()))
    assert [type(module) for module in network] == 2 * [nn.InstanceNorm2d]


@pytest.fixture(scope="module")
def run(tiny_phantom, tmp_path_factory, slow):
    """Cases and a folder that is prepared for 2D."""
    return find_labelled(tiny_phantom / "training_source").cases, tmp_path_factory.mktemp("run")


def nnunet(run, trainer="nnUNetTrainer"):
    override = {"patch_size": [32, 32], "features_per_stage": [4, 8, 8]}
    settings = Settings("2d", trainer=trainer, batch_size=2, plans_override=override, num_processes=0)
    return set_up_nnunet(*run, settings, "cpu")


def step(trainer, inferer):
    """Loss and gradients of a batch; then the optimizer takes its step."""
    seed_draws(1)
    image, target = prepare_batch(next(trainer.dataloader_train), CPU)
    outputs = inferer(image, trainer.network)
    assert all(output.dtype == torch.float32 for output in outputs)
    loss = trainer.loss(outputs, target)
    loss.backward()
    parameters = trainer.network.named_parameters()
    found = {name: p.grad.clone() for name, p in parameters if p.grad is not None}  # the coarsest output has no loss
    trainer.optimizer.step()
    return loss.item(), found


@pytest.mark.parametrize("name", ["nnUNetTrainer", "nnUNetTrainerAdam"])
def test_a_step_is_nnunets_but_for_rounding(run, name, monkeypatch):
    ours = nnunet(run, name)
    monkeypatch.setattr(nnunet_module, "suit_cpu", lambda *_: None)
    theirs = nnunet(run, name)
    assert ours.network.state_dict().keys() == theirs.network.state_dict().keys()
    (loss, found), (expected_loss, expected) = (step(one, SimpleInferer()) for one in (ours, theirs))
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for key, gradient in expected.items():
        torch.testing.assert_close(
            found[key], gradient, rtol=1e-4, atol=1e-5 * largest, msg=lambda m, k=key: f"{k}: {m}"
        )
    for found_weight, weight in zip(ours.network.parameters(), theirs.network.parameters(), strict=True):
        scale = 1e-5 if name == "nnUNetTrainer" else 2 * ours.initial_lr  # Adam's first step is a sign
        torch.testing.assert_close(found_weight, weight, rtol=1e-4, atol=scale * largest)


def test_in_bfloat16_the_gradients_point_where_those_of_float32_do(run):
    (loss, found), (expected_loss, expected) = (
        step(nnunet(run), inferer) for inferer in (Bfloat16Inferer(SimpleInferer()), SimpleInferer())
    )
    assert loss == pytest.approx(expected_loss, rel=0.01)
    one, other = (torch.cat([gradient.flatten() for gradient in part.values()]) for part in (found, expected))
    assert one.dtype == torch.float32
    assert torch.cosine_similarity(one, other, dim=0) > 0.99
