"""Rounds of two sites, in this process: the same functions as behind FLARE."""

import copy
import shutil

import numpy as np
import pytest
from bundle_workflow import workflow
from sites import LONDON, ONE_PROCESS, TILBURG, labelled_scans, site_choices, small_segmenter

from tanq_monai.adaptation.settings import QUICK, SIZES
from tanq_monai.errors import InputError, mistake_behind
from tanq_monai.federated.exchange import Training, weights_of
from tanq_monai.federated.rounds import run_rounds
from tanq_monai.federated.site import Site
from tanq_monai.segmentation.plan.plans import network_from_plans
from tanq_monai.segmentation.training.engine import NnUNetEngine
from tanq_monai.weights import load_weights

TRAINING = Training(num_rounds=2, iterations_per_epoch=2, batch_size=2, learning_rate=0.01)


@pytest.fixture(scope="module")
def scans(tiny_phantom, tmp_path_factory):
    """Folders of labelled hrT2, by site."""
    root = tmp_path_factory.mktemp("hospitals")
    return {site: labelled_scans(tiny_phantom, site, root / site) for site in (LONDON, TILBURG)}


@pytest.fixture
def model(tmp_path):
    return small_segmenter(tmp_path / "model")


class Hospitals:
    """Sites that are asked one after the other; ``answers`` has what they said, round by round."""

    def __init__(self, root, scans, **others):
        self.sites = {name: Site(site_choices(root / name, folder, **others), name) for name, folder in scans.items()}
        self.answers = []

    def __call__(self, request):
        self.answers.append({name: site.train(request) for name, site in self.sites.items()})
        return self.answers[-1]


def weights(folder):
    network = network_from_plans(folder / "plans.json", folder / "dataset.json")
    return weights_of(load_weights(network, folder / "model.pt"))


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_sites_with_the_same_scans_end_with_the_bits_of_one_training_that_nobody_averages(scans, model, tmp_path):
    run = tmp_path / "alone"
    choices = SIZES[QUICK].segmenter | vars(TRAINING) | ONE_PROCESS | {"configuration": "2d", "max_epochs": 2}
    del choices["num_rounds"]
    choices["initial_share"] = 0.0  # sites keep nothing of it: the next round begins with the mean of all
    folders = {"dataset_dir": str(scans[LONDON]), "output_dir": str(run), "initial_model": str(model)}
    workflow("vs_cochlea_seg", "train", **choices | folders).run()
    twins = Hospitals(tmp_path, {"here": scans[LONDON], "there": scans[LONDON]})
    together = weights(run_rounds(model, tmp_path / "server", TRAINING, twins))
    assert equal(together, weights(run / "models" / "2d_fold_all"))
    assert not equal(together, weights(model))


@pytest.mark.slow
def test_a_model_is_the_mean_of_its_sites_by_their_scans_and_one_that_was_stopped_goes_on_to_its_bits(
    scans, model, tmp_path
):
    hospitals = Hospitals(tmp_path / "undisturbed", scans)
    whole = weights(run_rounds(model, tmp_path / "server", TRAINING, hospitals))
    last = hospitals.answers[-1]
    cases = {site: len([*folder.glob("*_hrT2.nii.gz")]) for site, folder in scans.items()}
    assert {site: update.num_cases for site, update in last.items()} == cases
    for name, value in whole.items():
        mean = sum(last[site].weights[name].astype(np.longdouble) * number for site, number in cases.items())
        np.testing.assert_array_equal(value, (mean / sum(cases.values())).astype(np.float32))
    assert not equal(last[LONDON].weights, last[TILBURG].weights)

    with pytest.MonkeyPatch.context() as patch:  # in the second round Tilburg breaks down when London has trained
        disturbed = Hospitals(tmp_path / "disturbed", scans)
        train = disturbed.sites[TILBURG].train

        def break_down(request):
            if request.number:
                patch.setattr(NnUNetEngine, "_finish_epoch", _interrupt)
            return train(request)

        patch.setattr(disturbed.sites[TILBURG], "train", break_down)
        with pytest.raises(KeyboardInterrupt):
            run_rounds(model, tmp_path / "stopped", TRAINING, disturbed)
    assert not (tmp_path / "stopped" / "models").exists()
    again = Hospitals(tmp_path / "disturbed", scans)
    assert equal(weights(run_rounds(model, tmp_path / "stopped", TRAINING, again)), whole)
    assert len(again.answers) == 1

    with pytest.raises(InputError, match=r"stopped: was begun with another model, or with other choices"):
        run_rounds(model, tmp_path / "stopped", Training(num_rounds=3), again)
    with pytest.raises(
        InputError, match=r"output: is of another training: it has begun 2 rounds, and round 1 is asked"
    ):
        run_rounds(model, tmp_path / "anew", TRAINING, again)


def _interrupt(_):
    raise KeyboardInterrupt


def _no_labels(folder, choices):
    for label in folder.glob("*_Label.nii.gz"):
        label.unlink()
    return choices, "_Label.nii.gz: is missing, the label of"


def _no_scans(folder, choices):
    for file in folder.iterdir():
        file.unlink()
    return choices, "holds no"


def _other_structures(folder, choices):
    return choices | {
        "structures": {"nerve": 1, "cochlea": 2}
    }, "x: has the structures {'nerve': 1, 'cochlea': 2}, the model of"


@pytest.mark.parametrize("damage", [_no_labels, _no_scans, _other_structures])
def test_a_site_that_cannot_take_part_says_so_in_a_line(damage, scans, model, tmp_path):
    folder = shutil.copytree(scans[LONDON], tmp_path / "scans")
    choices, words = damage(folder, site_choices(tmp_path, folder))
    with pytest.raises(Exception) as error:
        run_rounds(model, tmp_path / "server", TRAINING, lambda request: {LONDON: Site(choices, "x").train(request)})
    assert words in str(mistake_behind(error.value))
    assert not (tmp_path / "server" / "latest.pt").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dataset_dir": None}, "segmenter.json: has no dataset_dir; give its dataset_dir"),
        ({"learning_rate": 1.0}, "segmenter.json: learning_rate is no choice of a site"),
        ({"num_workers": -1}, "num_workers -1"),
    ],
)
def test_choices_that_are_no_sites_are_told(change, words, tmp_path):
    choices = {name: one for name, one in (site_choices(tmp_path, tmp_path) | change).items() if one is not None}
    with pytest.raises(ValueError, match=words):
        Site(choices, "segmenter.json")


def test_a_plan_that_names_more_than_networks_is_refused_by_a_site(model, scans, tmp_path):
    def ask(request):
        plan = copy.deepcopy(dict(request.plan))
        plan["configurations"]["2d"]["architecture"]["network_class_name"] = "subprocess.Popen"
        object.__setattr__(request, "plan", plan)
        return {LONDON: Site(site_choices(tmp_path, scans[LONDON]), "x").train(request)}

    with pytest.raises(InputError, match="which is no part of a network here"):
        run_rounds(model, tmp_path / "server", TRAINING, ask)
    assert not (tmp_path / "output" / "initial_model" / "model.pt").exists()
