"""Same seed, same weights: of nnU-Net's batches, of whole trainings, and of those that were stopped."""

# ruff: noqa: NPY002 - nnU-Net draws from the global generator
import multiprocessing
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.random import OneOfTransform, RandomTransform

from tanq_monai.demo.pipeline import DEMO_SIZES, demo_steps
from tanq_monai.errors import InputError
from tanq_monai.scans.folder import find_labelled
from tanq_monai.segmentation.rounds.self_training import Data, RoundChoices, SelfTraining
from tanq_monai.segmentation.training.batches import EpochLoader, blur_one_way, seed_draws
from tanq_monai.segmentation.training.engine import LATEST, NnUNetEngine
from tanq_monai.segmentation.training.nnunet import Settings, set_up_nnunet
from tanq_monai.steps import BUNDLES

STEPS = 3
SETTINGS = {
    "configuration": "2d",
    "trainer": "nnUNetTrainerAdam",
    "learning_rate": 0.001,
    "feature_statistics": 0.5,  # drawn in the step itself
    "max_epochs": 3,
    "batch_size": 2,
    "plans_override": {"patch_size": [32, 32], "features_per_stage": [4, 8, 8]},
    "num_processes": 0,
}


class Stopped(Exception):
    """In place of a SIGKILL."""


class Draws:
    """An endless stream of what the three global generators give."""

    def __next__(self):
        return {"data": torch.rand(2), "keys": np.random.rand(2), "target": random.random()}


@pytest.fixture(autouse=True)
def _generators_as_before():
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(states[0])
    np.random.set_state(states[1])


@pytest.fixture(scope="module")
def cases(tiny_phantom):
    return find_labelled(tiny_phantom / "training_source").cases


def engine(cases, run, num_workers=0, **settings):
    choices = Settings(**(SETTINGS | settings))
    nnunet = set_up_nnunet(cases, run, choices, "cpu")
    return NnUNetEngine(nnunet, EpochLoader(nnunet, STEPS, num_workers), choices.max_epochs, run / "models")


def train(cases, run, **settings):
    engine(cases, run, **settings).run()
    return weights(run)


def weights(run):
    return torch.load(run / "models" / "model.pt", weights_only=True)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def trained(cases, tmp_path_factory, slow):
    """The weights of three epochs with seed 0, and nnU-Net's preparation for more."""
    run = tmp_path_factory.mktemp("run")
    training = engine(cases, run)
    prepared = tmp_path_factory.mktemp("prepared") / "run"
    shutil.copytree(run, prepared)
    training.run()
    return weights(run), prepared


@pytest.fixture
def unstopped(trained):
    """The weights of three epochs with seed 0."""
    return trained[0]


@pytest.fixture
def run(trained, tmp_path):
    """A folder of a run that is prepared and not begun."""
    return Path(shutil.copytree(trained[1], tmp_path / "run"))


def test_the_same_seed_gives_the_same_bits_and_draws_in_between_change_nothing(cases, unstopped, run):
    training = engine(cases, run)
    training.add_event_handler("ITERATION_COMPLETED", lambda _: torch.rand(3) + random.random() + np.random.rand())
    training.run()
    assert same(weights(run), unstopped)


def test_another_seed_gives_other_weights(cases, unstopped, run):
    assert not same(train(cases, run, seed=1), unstopped)


def test_processes_that_load_change_nothing(cases, unstopped, run):
    assert same(train(cases, run, num_workers=2), unstopped)


@pytest.mark.parametrize("after", [1, STEPS, STEPS + 2])
def test_a_training_that_was_stopped_ends_with_the_bits_of_one_that_was_not(cases, unstopped, run, after):
    """In the first epoch, after its last step but before its checkpoint, and in the second epoch."""
    training = engine(cases, run)

    def stop(stopping):
        if stopping.state.iteration == after:
            raise Stopped

    training.add_event_handler("ITERATION_COMPLETED", stop)
    with pytest.raises(Stopped):
        training.run()
    assert (next(run.rglob("fold_all")) / LATEST).exists() == (after > STEPS)
    assert same(train(cases, run), unstopped)


def test_a_training_is_not_gone_on_with_under_another_seed(cases, run):
    train(cases, run, max_epochs=1)
    with pytest.raises(
        InputError, match=r"checkpoint_final.pth: was begun with another choice of seed; give the choice"
    ):
        train(cases, run, seed=1)


def loader(seed=0, epoch=0, num_workers=0):
    trainer = SimpleNamespace(dataloader_train=Draws(), seed=seed, current_epoch=epoch)
    return EpochLoader(trainer, 2, num_workers)


def drawn(batches):
    return [float(value) for b in batches for value in (*b["data"], *b["keys"], b["target"])]


@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_every_batch_has_its_own_draws_wherever_it_is_made(num_workers):
    first, second = (drawn(loader(epoch=epoch, num_workers=num_workers)) for epoch in (0, 1))
    values = first + second
    assert len(values) == len(set(values)) == 4 * 5
    assert drawn(loader(epoch=1)) == second
    assert not set(drawn(loader(seed=1))) & set(values)


@pytest.mark.slow
def test_what_the_step_draws_follows_from_its_number_too():
    steps = [float(torch.rand(1)) for _ in loader(num_workers=0)]
    assert len(set(steps)) == 2
    assert [float(torch.rand(1)) for _ in loader(num_workers=1)] == steps


@pytest.mark.slow
def test_processes_that_load_end_with_an_epoch_that_is_broken_off():
    batches = iter(loader(num_workers=1))
    next(batches)
    (process,) = multiprocessing.active_children()
    del batches
    process.join(timeout=10)
    assert not process.is_alive()


def test_ranks_draw_differently():
    values = []
    for rank in range(3):
        seed_draws(0, 5, rank)
        values += [random.random(), float(np.random.rand()), float(torch.rand(1))]
    assert len(set(values)) == 9


def test_no_blur_times_itself_wherever_it_stands():
    blurs = [GaussianBlurTransform((0.5, 1.0), benchmark=True) for _ in range(3)]
    nested = [RandomTransform(blurs[0]), OneOfTransform([RandomTransform(blurs[1])]), ComposeTransforms([blurs[2]])]
    blur_one_way(ComposeTransforms(nested))
    assert not any(blur.benchmark for blur in blurs)


def trainings_and_seeds(steps):
    """The seed of every step that trains, by its name."""
    words = {step.name: step.arguments for step in steps if "train" in step.name}
    return {name: given[given.index("--seed") + 1] for name, given in words.items()}


def test_every_training_of_self_training_gets_its_seed(tmp_path):
    choices = RoundChoices({"2d": {}, "3d_fullres": {}}, folds=(0, 1), seed=7)
    rounds = SelfTraining(Data("translated", "labels", "target"), tmp_path, choices, bundle=BUNDLES / "vs_cochlea_seg")
    for number in (0, 1):
        names = [f"round_{number}_train_{name}_fold_{fold}" for name in ("2d", "3d_fullres") for fold in (0, 1)]
        assert trainings_and_seeds(rounds.steps_of(number)) == dict.fromkeys(names, "7")


def test_every_training_of_the_demo_gets_its_seed(tmp_path):
    steps = [step for of_title in demo_steps(tmp_path, DEMO_SIZES["tiny"], 7).values() for step in of_title]
    names = {"train_self_training", "train_supervised"}
    assert trainings_and_seeds(steps) == dict.fromkeys(names, "7")
