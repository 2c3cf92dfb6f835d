import numpy as np
import pytest
import torch

from tanq_monai.networks import FeatureSampler, attention
from tanq_monai.networks.attention import Window, attention_entropy, places, select_attention


def _features(seed=0, batch=2, channels=6, size=(5, 7), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, *size, generator=generator, dtype=dtype)


def _attention(rows):
    """softmax(R R^T) of one sample (P, C), row by row in NumPy."""
    products = rows @ rows.T
    weights = np.exp(products - products.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _local_attention(features, size):
    """One sample (C, H, W): the attention of every place (H, W) over its window, place by place, as (P, P)."""
    _, height, width = features.shape
    weights = np.zeros((height, width, height, width))
    for y in range(height):
        for x in range(width):
            for v in range(max(0, y - size // 2), min(height, y + size // 2 + 1)):
                for u in range(max(0, x - size // 2), min(width, x + size // 2 + 1)):
                    weights[y, x, v, u] = np.exp(features[:, y, x] @ features[:, v, u])
    weights = weights.reshape(height * width, height * width)
    return weights / weights.sum(axis=1, keepdims=True)


def _entropies(attention):
    return np.array([-sum(a * np.log(a) for a in row if a > 0) for row in attention])


def test_places_are_the_pixels_row_by_row():
    features = _features()
    rows = places(features)
    assert rows.shape == (2, 35, 6)
    torch.testing.assert_close(rows[1, 2 * 7 + 3], features[1, :, 2, 3])


def test_entropies_equal_their_definition():
    rows = places(_features())
    for sample, entropies in zip(rows.numpy(), attention_entropy(rows).numpy(), strict=True):
        expected = [-sum(a * np.log(a) for a in row if a > 0) for row in _attention(sample)]
        np.testing.assert_allclose(entropies, expected, atol=1e-10)


def test_chunks_of_rows_change_nothing(monkeypatch):
    rows = places(_features())
    whole = attention_entropy(rows)
    monkeypatch.setitem(attention.VALUES_AT_ONCE, "cpu", 1)
    torch.testing.assert_close(attention_entropy(rows), whole, rtol=1e-12, atol=1e-12)


def test_zero_attention_adds_no_entropy():
    rows = 150 * torch.eye(4)[None]  # products of 22,500: all other weights are exactly 0
    assert attention_entropy(rows).tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_equal_places_have_the_largest_entropy():
    entropies = attention_entropy(torch.full((1, 9, 3), 0.7))
    torch.testing.assert_close(entropies, torch.full((1, 9), float(np.log(9))))


def test_selection_takes_no_gradient():
    assert not attention_entropy(places(_features()).requires_grad_()).requires_grad


def test_the_rows_of_lowest_entropy_are_chosen():
    features = _features()
    chosen = select_attention(features, num_queries=8)
    assert chosen.shape == (2, 8, 35)
    for sample, rows in zip(places(features).numpy(), chosen.numpy(), strict=True):
        full = _attention(sample)
        entropies = -(full * np.log(full)).sum(axis=1)
        np.testing.assert_allclose(rows, full[np.argsort(entropies, kind="stable")[:8]], atol=1e-10)


def test_ties_keep_the_order_of_the_places():
    features = (150 * torch.eye(6)).reshape(1, 6, 2, 3)
    torch.testing.assert_close(select_attention(features, num_queries=4)[0], torch.eye(6)[:4])


def test_gradient_reaches_the_source_features_through_the_chosen_rows():
    features = _features(batch=1, channels=3, size=(3, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: select_attention(f, num_queries=4), (features,))
    (select_attention(features, num_queries=4) * torch.arange(9)).sum().backward()
    assert features.grad.abs().max() > 0


def test_large_products_have_finite_gradients():
    features = (150 * torch.eye(6)).reshape(1, 6, 2, 3).requires_grad_()
    select_attention(features, num_queries=4).square().sum().backward()
    assert torch.isfinite(features.grad).all()


def test_shallow_layers_give_the_same_random_places_of_both():
    numbers = torch.arange(35.0).reshape(1, 1, 5, 7)
    sampler = FeatureSampler(num_patches=10, attended=0)
    keys, queries = sampler([numbers, numbers], [numbers + 100, numbers + 200])
    for layer, offset in enumerate((100, 200)):
        assert len(keys[layer].unique()) == 10
        torch.testing.assert_close(queries[layer], keys[layer] + offset)
    assert not torch.equal(keys[0], keys[1])


def test_random_places_are_all_places_where_there_are_few():
    numbers = torch.arange(35.0).reshape(1, 1, 5, 7)
    keys, _ = FeatureSampler(num_patches=256, attended=0)([numbers], [numbers])
    assert sorted(keys[0].flatten().tolist()) == list(range(35))


def test_deep_layers_apply_the_attention_of_the_source_to_both():
    source, translated = [_features(1), _features(2)], [_features(3), _features(4)]
    keys, queries = FeatureSampler(num_patches=8, attended=1)(source, translated)
    rows = select_attention(source[1], num_queries=8)
    torch.testing.assert_close(keys[1], rows @ places(source[1]), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(queries[1], rows @ places(translated[1]), rtol=1e-10, atol=1e-10)


def test_queries_carry_gradient_to_source_and_translation():
    source, translated = _features(1).requires_grad_(), _features(2).requires_grad_()
    _, queries = FeatureSampler(num_patches=8, attended=1)([source], [translated])
    queries[0].sum().backward()
    assert source.grad.abs().max() > 0
    assert translated.grad.abs().max() > 0


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_attention_equals_its_definition_place_by_place(size):
    features = _features()
    entropies = attention_entropy(places(features), Window(size, (5, 7)))
    chosen = select_attention(features, num_queries=8, attention="local", window=size)
    for sample, found, rows in zip(features.numpy(), entropies.numpy(), chosen.numpy(), strict=True):
        expected = _local_attention(sample, size)
        np.testing.assert_allclose(found, _entropies(expected), atol=1e-10)
        order = np.argsort(_entropies(expected), kind="stable")[:8]
        np.testing.assert_allclose(rows, expected[order], atol=1e-10)


def test_local_and_global_selects_by_the_window_and_routes_from_everywhere():
    features = _features()
    chosen = select_attention(features, num_queries=8, attention="local+global", window=3)
    for sample, rows in zip(features.numpy(), chosen.numpy(), strict=True):
        order = np.argsort(_entropies(_local_attention(sample, 3)), kind="stable")[:8]
        np.testing.assert_allclose(rows, _attention(sample.reshape(6, -1).T)[order], atol=1e-10)


@pytest.mark.parametrize("attention", ["local", "local+global"])
def test_a_window_larger_than_the_map_is_global_attention(attention):
    features = _features()
    wide = select_attention(features, num_queries=8, attention=attention, window=15)
    torch.testing.assert_close(wide, select_attention(features, num_queries=8), rtol=0, atol=0)


def test_a_window_of_one_place_returns_the_features_themselves():
    source, translated = _features(1), _features(2)
    keys, queries = FeatureSampler(num_patches=35, attended=1, attention="local", window=1)([source], [translated])
    torch.testing.assert_close(keys[0], places(source))
    torch.testing.assert_close(queries[0], places(translated))


def test_windows_in_chunks_are_those_of_the_whole_map(monkeypatch):
    rows, window = places(_features()), Window(3, (5, 7))
    whole = attention_entropy(rows, window)
    monkeypatch.setitem(attention.VALUES_AT_ONCE, "cpu", 1)
    torch.testing.assert_close(attention_entropy(rows, window), whole, rtol=1e-12, atol=1e-12)


def test_local_attention_does_not_see_places_outside_the_window():
    features = _features()
    changed = features.clone()
    changed[:, :, :, 4:] += 100  # three columns from column 0 are left alone
    near = attention_entropy(places(features), Window(7, (5, 7))).reshape(2, 5, 7)
    again = attention_entropy(places(changed), Window(7, (5, 7))).reshape(2, 5, 7)
    torch.testing.assert_close(again[:, :, 0], near[:, :, 0], rtol=0, atol=0)
    assert (again[:, :, 1] != near[:, :, 1]).all()


@pytest.mark.parametrize("attention", ["global", "local", "local+global"])
def test_large_products_leave_no_nan_in_any_attention(attention):
    features = (150 * torch.eye(6)).reshape(1, 6, 2, 3).requires_grad_()
    rows = select_attention(features, num_queries=4, attention=attention, window=3)
    rows.square().sum().backward()
    assert torch.isfinite(rows).all()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize("attention", ["local", "local+global"])
def test_gradient_of_the_windows_equals_finite_differences(attention):
    source = _features(1, batch=1, channels=3, size=(3, 4)).requires_grad_()
    translated = _features(2, batch=1, channels=3, size=(3, 4)).requires_grad_()
    sampler = FeatureSampler(num_patches=5, attended=1, attention=attention, window=3)
    assert torch.autograd.gradcheck(lambda s, t: sampler([s], [t])[1][0], (source, translated))


@pytest.mark.parametrize("attention", ["global", "local", "local+global"])
def test_keys_and_queries_are_routed_by_the_same_attention_of_the_source(attention):
    source, translated = _features(1), _features(2)
    rows = select_attention(source, 8, attention, window=3)
    keys, queries = FeatureSampler(8, 1, attention, window=3)([source], [translated])
    torch.testing.assert_close(keys[0], rows @ places(source), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(queries[0], rows @ places(translated), rtol=1e-10, atol=1e-10)


def test_an_unknown_attention_is_refused():
    with pytest.raises(ValueError, match=r'attention must be "global", "local" or "local\+global", got \'near\''):
        FeatureSampler(attention="near")


@pytest.mark.parametrize("window", [0, 4, -1])
def test_a_window_without_a_middle_is_refused(window):
    with pytest.raises(ValueError, match=f"window must be odd and positive, got {window}"):
        FeatureSampler(window=window)


@pytest.mark.parametrize("attended", [0, 1])
def test_autocast_leaves_sampled_features_in_full_precision(attended):
    source, translated = [_features(1, dtype=torch.float32)], [_features(2, dtype=torch.float32)]
    sampler = FeatureSampler(num_patches=35, attended=attended)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = sampler(source, translated)
    exact = sampler(source, translated)
    for half, full in zip(rounded, exact, strict=True):
        torch.testing.assert_close(half[0].sort(dim=1).values, full[0].sort(dim=1).values, rtol=1e-6, atol=1e-6)


def test_source_and_translation_need_the_same_layers():
    with pytest.raises(ValueError, match="shorter"):
        FeatureSampler()([_features(), _features()], [_features()])
