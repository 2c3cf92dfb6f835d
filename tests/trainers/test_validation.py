import numpy as np
import pandas as pd
import pytest
import torch
from ignite.engine import Engine, Events
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import SIZE, InMemory, slices, trainer_that_resumes
from torch import nn

from tanq_monai.metrics.sliced_wasserstein import patch_distance
from tanq_monai.metrics.translation import border_auc, contrast_ratio, head_mask, psnr, ssim, surroundings
from tanq_monai.trainers import validation
from tanq_monai.trainers.quality import Findings, PairedQuality, UnpairedQuality
from tanq_monai.trainers.validation import Validation
from tanq_monai.translation.slices import UnpairedSlices

RANGES = [{1: (0.0, 0.3), 2: (0.0, 1.0)}, {1: (0.6, 1.0), 2: (0.9, 1.0)}]
STRUCTURES = {"VS": 1, "cochlea": 2}


def _unpaired(empty=0, styles=(0, 1)):
    """Six pairs of slices, hrT2 of two styles; the first ``empty`` source slices hold no structure."""
    source = slices(6, 1, labelled=True)
    source[:empty, 1] = 0
    target = InMemory(slices(6, 2, labelled=False), styles=[*styles] * 3)
    return UnpairedSlices(InMemory(source), target, crop=SIZE, seed=5)


def _pairs(empty=0, styles=(0, 1, 0, 1, 1)):
    """Five slices of both contrasts, the first ``empty`` of them without structure."""
    source = slices(5, 1, labelled=True)
    source[:empty, 1] = 0
    return InMemory(torch.cat([source, slices(5, 3, labelled=False)[:, :1]], dim=1), styles=styles)


def _copy(images, style):
    """A translator that changes nothing."""
    return images[:, :1]


def _array(channel):
    return ((channel + 1) / 2).numpy()


class _Fixed:
    """A check that finds what it is told."""

    def __init__(self, *values):
        self.values = list(values)

    def __call__(self, translate):
        translate(torch.zeros(3, 2, 8, 8), torch.zeros(3, dtype=torch.long))
        return Findings(self.values.pop(0), torch.linspace(0, 1, 12).reshape(1, 3, 4))


class _Noisy(nn.Module):
    """A network that draws random numbers, in eval mode too, and says in which mode it ran."""

    def __init__(self):
        super().__init__()
        self.weight, self.calls = nn.Parameter(torch.ones(1)), []

    def forward(self, images, style):
        self.calls.append((self.training, torch.is_grad_enabled(), len(images), len(style)))
        return images[:, :1] * self.weight + torch.rand(1)


def _run(folder, check, epochs, **choices):
    """The metrics at the end of every epoch."""
    network, seen = _Noisy(), []
    engine = Engine(lambda engine, batch: None)
    Validation(network, [check], folder / "validation.csv", **choices).attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: seen.append(dict(e.state.metrics)))
    engine.run([0], max_epochs=epochs)
    return seen, network


def test_every_nth_epoch_and_the_last_have_a_row_and_metrics_of_their_own(tmp_path):
    check = _Fixed({"a": 1.0, "b": np.nan}, {"a": 2.0, "b": 3.0}, {"a": 4.0, "b": np.inf})
    seen, _ = _run(tmp_path, check, epochs=5, every=2)
    assert seen == [{}, {"a": 1.0}, {}, {"a": 2.0, "b": 3.0}, {"a": 4.0}]
    table = pd.read_csv(tmp_path / "validation.csv")
    assert table["epoch"].tolist() == [2, 4, 5]
    np.testing.assert_equal(table["b"].to_numpy(), [np.nan, 3.0, np.inf])


def test_rows_of_epochs_that_are_repeated_are_replaced(tmp_path):
    _run(tmp_path, _Fixed({"a": 1.0}, {"a": 2.0}), epochs=2, every=1)
    _run(tmp_path, _Fixed({"a": 3.0}), epochs=2, every=2)
    assert pd.read_csv(tmp_path / "validation.csv").to_dict("list") == {"epoch": [1, 2], "a": [1.0, 3.0]}
    assert [path.name for path in tmp_path.iterdir()] == ["validation.csv"]


def test_0_epochs_means_never(tmp_path):
    seen, network = _run(tmp_path, _Fixed(), epochs=2, every=0)
    assert seen == [{}, {}] and not network.calls and not list(tmp_path.iterdir())


def test_other_ranks_than_the_first_do_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "is_first_rank", lambda: False)
    seen, network = _run(tmp_path, _Fixed(), epochs=1, every=1)
    assert seen == [{}] and not network.calls and not list(tmp_path.iterdir())


def test_translations_are_made_in_parts_in_eval_mode_without_gradient(tmp_path):
    _, network = _run(tmp_path, _Fixed({}), epochs=1, every=1, batch_size=2)
    assert network.calls == [(False, False, 2, 2), (False, False, 1, 1)]
    assert network.training


def test_a_network_in_eval_mode_stays_there_and_the_random_state_is_left_alone(tmp_path):
    network = _Noisy().eval()
    engine = Engine(lambda engine, batch: None)
    Validation(network, [_Fixed({})], tmp_path / "validation.csv", every=1).attach(engine)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002 - the global state
    engine.run([0], max_epochs=1)
    assert not network.training
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


def test_a_training_with_validation_ends_with_the_weights_of_one_without(tmp_path):
    ends = []
    for name, every in (("without", 0), ("with", 1)):
        trainer = trainer_that_resumes(tmp_path / name, max_epochs=2)
        unpaired, pairs = _unpaired(styles=(0, 0)), _pairs(styles=[0] * 5)  # the network knows one style
        checks = [UnpairedQuality(unpaired, num_slices=2), PairedQuality(pairs, num_slices=2)]
        path = tmp_path / name / "validation.csv"
        Validation(trainer.network, checks, path, every=every, log_dir=tmp_path / name).attach(trainer)
        trainer.run()
        ends.append(torch.load(tmp_path / name / "model.pt", weights_only=True))
    assert len(pd.read_csv(tmp_path / "with" / "validation.csv")) == 2
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_pictures_go_to_tensorboard_by_epoch(tmp_path):
    _run(tmp_path, _Fixed({}, {}), epochs=2, every=1, log_dir=tmp_path / "logs")
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert events.Tags()["images"] == ["translation/0"]
    assert [(image.step, image.width, image.height) for image in events.Images("translation/0")] == [
        (1, 4, 3),
        (2, 4, 3),
    ]


def test_unpaired_values_equal_their_definitions_over_the_slices():
    data = _unpaired()
    found = UnpairedQuality(data, num_slices=6, level_ranges=RANGES, seed=3)(_copy)
    items = [data[0, index] for index in range(6)]
    images, labels = ([item["image"][c].numpy() for item in items] for c in (0, 1))
    images = [(image + 1) / 2 for image in images]
    real = np.stack([_array(item["target_domain"][0]) for item in items])
    expected = {
        "distance": patch_distance(np.stack(images), real, seed=3),
        "distance_untranslated": patch_distance(np.stack(images), real, seed=3),
        "level_head": np.median(np.stack(images)[head_mask(np.stack(images))]),
        "level_head_real": np.median(real[head_mask(real)]),
    }
    for name, value in STRUCTURES.items():
        pairs = list(zip(images, labels, strict=True))
        levels = [image[label == value].mean() for image, label in pairs]
        ranges = [RANGES[int(item["style"])][value] for item in items]
        expected[f"kept_{name}"] = np.mean([border_auc(image, label, value) for image, label in pairs])
        expected[f"level_{name}"] = np.mean(levels)
        expected[f"off_range_{name}"] = np.mean(
            [max(0, low - level, level - high) for level, (low, high) in zip(levels, ranges, strict=True)]
        )
        expected[f"contrast_{name}"] = np.mean(
            [contrast_ratio(image, label, value, head_mask(image)) for image, label in pairs]
        )
    assert found.values == pytest.approx(expected, rel=1e-5)


def test_a_translation_that_is_moved_has_lost_its_structures_and_a_real_one_is_no_longer_far():
    data = _unpaired()
    for store in (data.source, data.target_domain):
        store.slices[:, 0] = 0.1 * store.slices[:, 0] - 0.5
    data.source.slices[:, 0] += 1.0 * (data.source.slices[:, 1] > 0)
    quality = UnpairedQuality(data, num_slices=6)
    exact, moved = quality(_copy).values, quality(lambda x, style: x[:, :1].roll(3, dims=-1)).values
    assert exact["kept_VS"] > moved["kept_VS"] + 0.2
    assert exact["kept_cochlea"] > moved["kept_cochlea"] + 0.2
    real = torch.stack([data[0, index]["target_domain"][:1] for index in range(6)])
    assert quality(lambda x, style: real).values["distance"] == 0


def test_slices_with_structures_are_chosen_and_stay_the_same_with_their_styles():
    quality, seen = UnpairedQuality(_unpaired(empty=3), num_slices=3), []

    def translate(images, style):
        seen.append((images, style))
        return images[:, :1]

    quality(translate)
    quality(translate)
    assert len(seen[0][0]) == 3 and seen[0][0][:, 1].flatten(1).any(dim=1).all()
    assert torch.equal(seen[0][0], seen[1][0]) and torch.equal(seen[0][1], seen[1][1])
    data = _unpaired(empty=3)
    chosen = [item for item in (data[0, index] for index in range(6)) if item["image"][1].any()]
    assert seen[0][1].tolist() == [item["style"].item() for item in chosen]


def test_without_any_structure_the_distance_is_still_measured():
    values = UnpairedQuality(_unpaired(empty=6), num_slices=3, level_ranges=RANGES)(_copy).values
    assert set(values) == {"distance", "distance_untranslated", "level_head", "level_head_real"}


def test_paired_values_equal_their_definitions_over_the_slices():
    pairs, expected = _pairs(), {}
    found = PairedQuality(pairs, num_slices=5)(_copy)
    rows = [(_array(s[0]), _array(s[2]), s[1].numpy()) for s in pairs.slices]
    heads = [head_mask(truth) for _, truth, _ in rows]
    expected["paired_ssim"] = np.mean([ssim(*row[:2], head) for row, head in zip(rows, heads, strict=True)])
    expected["paired_psnr"] = np.mean([psnr(*row[:2], head) for row, head in zip(rows, heads, strict=True)])
    for name, value in STRUCTURES.items():
        inside, around = [], []
        for (image, truth, labels), head in zip(rows, heads, strict=True):
            ring, brain = surroundings(labels, value), head & (labels == 0)
            ratios = [contrast_ratio(x, labels, value, head) for x in (image, truth)]
            rings = [x[ring].mean() / np.median(x[brain]) for x in (image, truth)]
            inside.append(abs(ratios[0] - ratios[1]))
            around.append(abs(rings[0] - rings[1]))
        expected[f"paired_contrast_error_{name}"] = np.mean(inside)
        expected[f"paired_contrast_error_around_{name}"] = np.mean(around)
    assert found.values == pytest.approx(expected, rel=1e-5)


def test_the_true_translation_has_no_error():
    pairs, styles = _pairs(empty=2), []

    def truth(images, style):
        styles.extend(style.tolist())
        same = (pairs.slices[None, :, :2] == images[:, None]).flatten(2).all(dim=2)
        return pairs.slices[same.int().argmax(dim=1), 2:]

    values = PairedQuality(pairs, num_slices=5)(truth).values
    assert values.pop("paired_ssim") == pytest.approx(1, abs=1e-6)
    assert values.pop("paired_psnr") == np.inf
    assert set(values.values()) == {0.0}
    assert sorted(styles) == [0, 1, 1]


def test_a_picture_shows_source_translation_and_hrT2_side_by_side():
    data = _unpaired()
    picture = UnpairedQuality(data, num_slices=2)(lambda x, style: -x[:, :1]).picture
    assert picture.shape == (1, 2 * SIZE, 3 * SIZE)
    first = data[0, 0]
    columns = [first["image"][0], -first["image"][0], first["target_domain"][0]]
    assert torch.equal(picture[0, :SIZE], torch.cat([(column + 1) / 2 for column in columns], dim=1))
