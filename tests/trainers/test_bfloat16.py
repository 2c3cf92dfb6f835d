"""A step in bfloat16, which any CPU can compute: what is short, what is not, and how far it is from float32."""

import pytest
import torch
from test_plain_step import PARTS, PATCHES, SOURCE, STYLE, TARGET, _gradients
from tiny import networks
from torch import nn

from tanq_monai.losses import contrastive
from tanq_monai.networks import FeatureSampler, attention, pixelwise
from tanq_monai.trainers.tanq import TanqOptimizers, TanqTrainer


@pytest.fixture(scope="module")
def both():
    """Gradients and losses in float32 and in bfloat16."""
    return [_gradients(networks(), amp=amp) for amp in (False, True)]


def test_losses_are_those_of_float32_but_for_rounding(both):
    (_, exact), (_, rounded) = both
    assert rounded == pytest.approx(exact, rel=0.05)


def test_gradients_point_where_those_of_float32_do(both):
    (exact, _), (rounded, _) = both
    for part in PARTS:
        one, other = (
            torch.cat([g.flatten() for (of, _), g in gradients.items() if of == part]) for gradients in (exact, rounded)
        )
        assert other.dtype == torch.float32
        assert torch.isfinite(other).all()
        assert torch.cosine_similarity(one, other, dim=0) > 0.95, part


def _recorded(monkeypatch, module, name, seen):
    """Note the types of what a function gives."""
    function = getattr(module, name)

    def noting(*args, **kwargs):
        result = function(*args, **kwargs)
        seen.setdefault(name, set()).update(t.dtype for t in (result if isinstance(result, tuple) else (result,)))
        return result

    monkeypatch.setattr(module, name, noting)


def test_convolutions_are_bfloat16_and_statistics_attention_losses_and_optimizers_float32(monkeypatch):
    seen: dict[str, set[torch.dtype]] = {}
    _recorded(monkeypatch, pixelwise, "take_moments", seen)
    _recorded(monkeypatch, attention, "attention_entropy", seen)
    _recorded(monkeypatch, attention, "select_attention", seen)
    _recorded(monkeypatch, contrastive, "patch_nce", seen)
    parts = networks()
    for layer in (layer for part in PARTS for layer in getattr(parts, part).modules()):
        if type(layer) in {nn.Conv2d, nn.ConvTranspose2d}:
            layer.register_forward_hook(lambda m, x, y: seen.setdefault("convolutions", set()).add(y.dtype))
    optimizers = [torch.optim.Adam(getattr(parts, name).parameters(), fused=True) for name in PARTS]
    batches = [{"image": SOURCE, "target_domain": TARGET, "style": STYLE}]
    sampler = FeatureSampler(num_patches=PATCHES)
    TanqTrainer("cpu", 1, batches, parts, TanqOptimizers(*optimizers), sampler=sampler, amp=True).run()
    assert seen.pop("convolutions") == {torch.bfloat16}
    float32 = {"take_moments", "attention_entropy", "select_attention", "patch_nce"}
    assert seen == {name: {torch.float32} for name in float32}
    states = [value for optimizer in optimizers for state in optimizer.state.values() for value in state.values()]
    assert {value.dtype for value in states} == {torch.float32}
    assert {p.dtype for part in PARTS for p in getattr(parts, part).parameters()} == {torch.float32}
