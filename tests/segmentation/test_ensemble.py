"""Ensembles against nnU-Net's own: folds, two configurations, postprocessing; and what uncertainty means."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_workflow import workflow
from made_up_models import label_manager, let_nnunet_add_in_float32, nnunet_predicts, write_model, write_nnunet_results
from nnunetv2.ensembling.ensemble import merge_files
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO
from nnunetv2.postprocessing.remove_connected_components import remove_all_but_largest_component_from_segmentation

from tanq_monai.errors import InputError, mistake_behind
from tanq_monai.segmentation.inference.ensemble import read_ensemble
from tanq_monai.segmentation.plan.plans import network_from_plans

GROUPS = [["2d_fold_0", "2d_fold_1"], ["3d_fullres_fold_0"]]
STEPS = [[1, 2], [1]]


def describe(folder, groups, steps=()):
    (folder / "ensemble.json").write_text(json.dumps({"groups": groups, "postprocessing": list(steps)}))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Three models in two groups, as an ensemble folder."""
    folder = tmp_path_factory.mktemp("ensemble")
    for seed, name in enumerate(name for group in GROUPS for name in group):
        write_model(folder / name, name.partition("_fold")[0], seed)
    describe(folder, GROUPS, STEPS)
    return folder


@pytest.fixture(scope="module")
def scan(tiny_phantom, tmp_path_factory):
    """A folder with one small scan, zero at its borders."""
    folder = tmp_path_factory.mktemp("scan")
    image = nib.load(next((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))).slicer[10:90, 10:85, :14]
    voxels = image.get_fdata(dtype=np.float32)
    voxels[:5] = voxels[:, -4:] = 0
    nib.save(nib.Nifti1Image(voxels, image.affine), folder / "crossmoda2021_ldn_7_hrT2.nii.gz")
    return folder


def segment(scan, ensemble, output, **override):
    folders = {"dataset_dir": str(scan), "ensemble_dir": str(ensemble), "output_dir": str(output)}
    flow = workflow("vs_cochlea_seg", "ensemble", device="cpu", ears_first=False, mirror="never", **folders, **override)
    flow.run()
    return flow


def read(folder, kind):
    return nib.load(folder / f"crossmoda2021_ldn_7_{kind}.nii.gz").get_fdata()


def nnunets(scan, models, folder):
    """Probabilities of every group and labels before postprocessing, all of nnU-Net's own making."""
    image, files = next(scan.iterdir()), []
    for number, group in enumerate(GROUPS):
        results = write_nnunet_results(folder / f"results_{number}", [models / name for name in group])
        nnunet_predicts(results, image, folder / f"group_{number}")
        files.append(str(folder / f"group_{number}.npz"))
    merge_files(files, str(folder / "merged"), ".nii.gz", NibabelIO(), label_manager(results))
    probabilities = [np.load(file)["probabilities"].transpose(0, 3, 2, 1) for file in files]
    return probabilities, np.asarray(nib.load(folder / "merged.nii.gz").dataobj)


@pytest.fixture(scope="module")
def predicted(models, scan, tmp_path_factory):
    """The folder of ours, the workflow, and what nnU-Net gives."""
    output, folder = tmp_path_factory.mktemp("labels"), tmp_path_factory.mktemp("nnunet")
    flow = segment(scan, models, output, uncertainty=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        let_nnunet_add_in_float32(monkeypatch)
        return output, flow, *nnunets(scan, models, folder)


def test_the_ensemble_has_all_properties_of_an_inference(predicted):
    assert predicted[1].check_properties() == []


def test_labels_equal_those_of_nnunets_ensemble_and_postprocessing(predicted):
    output, _, _, merged = predicted
    expected = merged
    for step in STEPS:
        expected = remove_all_but_largest_component_from_segmentation(expected, step)
    assert (expected != merged).mean() > 0.0005  # five times what may differ below
    assert set(np.unique(expected)) == {0, 1, 2}
    assert (read(output, "Label") == expected).mean() >= 0.9999


def test_confidence_is_the_mean_probability_of_the_label_that_won(predicted):
    output, _, probabilities, _ = predicted
    expected = np.mean(probabilities, axis=0).max(axis=0)
    np.testing.assert_allclose(read(output, "Confidence"), expected, atol=0.5 / 255 + 1e-4)
    assert read(output, "Confidence")[0].min() == pytest.approx(1)  # outside the non-zero box


def test_agreement_is_the_share_of_members_that_voted_for_the_label_that_won(predicted, models, scan, tmp_path):
    votes = []
    for name in (name for group in GROUPS for name in group):
        flow = workflow(
            "vs_cochlea_seg",
            "inference",
            dataset_dir=str(scan),
            model_dir=str(models / name),
            output_dir=str(tmp_path / name),
            ears_first=False,
            mirror="never",
            device="cpu",
        )
        flow.run()
        votes.append(read(tmp_path / name, "Label"))
    merged = predicted[3]
    expected = np.mean([vote == merged for vote in votes], axis=0)
    differs = np.abs(read(predicted[0], "Agreement") - expected) > 0.5 / 255 + 1e-6
    assert differs.mean() < 1e-4  # where nnU-Net's own label is another one
    assert len(np.unique(np.rint(3 * expected))) >= 3


def test_uncertainty_is_stored_as_bytes_and_only_on_request(predicted, models, scan, tmp_path):
    for kind in ("Confidence", "Agreement"):
        image = nib.load(predicted[0] / f"crossmoda2021_ldn_7_{kind}.nii.gz")
        assert image.get_data_dtype() == np.uint8
        assert image.dataobj.slope == pytest.approx(1 / 255)
    segment(scan, models, tmp_path)
    assert [path.name for path in tmp_path.glob("[!.]*.nii.gz")] == ["crossmoda2021_ldn_7_Label.nii.gz"]
    assert np.array_equal(read(tmp_path, "Label"), read(predicted[0], "Label"))


@pytest.mark.parametrize("kind", ["Label", "Confidence", "Agreement"])
def test_nothing_of_ones_own_is_replaced_by_labels_or_their_uncertainty(models, scan, tmp_path, kind):
    own = tmp_path / f"crossmoda2021_ldn_7_{kind}.nii.gz"
    own.write_bytes(b"mine")
    with pytest.raises(Exception) as error:
        segment(scan, models, tmp_path, uncertainty=True)
    assert str(mistake_behind(error.value)).startswith(f"{own}: is there already, and not as an earlier run wrote it")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


def test_a_lone_model_is_an_ensemble_of_one_that_agrees_with_itself(models, scan, tmp_path):
    model = models / "2d_fold_0"
    segment(scan, model, tmp_path / "one", uncertainty=True)
    workflow(
        "vs_cochlea_seg",
        "inference",
        dataset_dir=str(scan),
        model_dir=str(model),
        output_dir=str(tmp_path / "plain"),
        mirror="never",
        ears_first=False,
        device="cpu",
    ).run()
    assert (read(tmp_path / "one", "Label") == read(tmp_path / "plain", "Label")).mean() >= 0.9999
    assert np.allclose(read(tmp_path / "one", "Agreement"), 1)


def test_three_classes_come_from_the_dataset_alone_and_an_ignore_label_is_none_of_them(scan, tmp_path):
    labels = {"background": 0, "VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3, "ignore": 4}
    model = write_model(tmp_path / "model", "2d", labels=labels)
    segment(scan, model, tmp_path / "out")
    assert set(np.unique(read(tmp_path / "out", "Label"))) == {0, 1, 2, 3}
    network = network_from_plans(model / "plans.json", model / "dataset.json")
    assert network(torch.zeros(1, 1, 32, 32)).shape[1] == 4


def copy_of(models, folder):
    return shutil.copytree(models, folder / "ensemble")


def remove_a_fold(folder):
    shutil.rmtree(folder / "2d_fold_1")


def remove_weights(folder):
    (folder / "2d_fold_1" / "model.pt").unlink()


def change_labels(folder):
    path = folder / "3d_fullres_fold_0" / "dataset.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"labels": {"background": 0, "tumor": 1, "cochlea": 2}}))


def mix_plans(folder):
    describe(folder, [["2d_fold_0", "3d_fullres_fold_0"]])


def forget_groups(folder):
    describe(folder, [])


def invent_a_label(folder):
    describe(folder, GROUPS, [[1], [5]])


def mistype_a_key(folder):
    content = json.loads((folder / "ensemble.json").read_text())
    content["postprocesing"] = content.pop("postprocessing")
    (folder / "ensemble.json").write_text(json.dumps(content))


def remove_description(folder):
    (folder / "ensemble.json").unlink()


def swap_weights(folder):
    shutil.copyfile(folder / "2d_fold_0" / "model.pt", folder / "3d_fullres_fold_0" / "model.pt")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (remove_a_fold, "2d_fold_1: is missing, a model that ensemble.json names; train it"),
        (remove_weights, "model.pt: is missing"),
        (change_labels, "has other labels than 2d_fold_0"),
        (mix_plans, "is another plan than that of 2d_fold_0"),
        (forget_groups, "ensemble.json: is no description of an ensemble"),
        (invent_a_label, r"postprocessing names labels that no model has: \[5\]"),
        (mistype_a_key, "has postprocesing, which no ensemble has; did you mean postprocessing"),
        (remove_description, "ensemble.json: is missing; give the folder of an ensemble"),
    ],
)
def test_a_broken_ensemble_is_told_in_one_line(models, tmp_path, damage, words):
    folder = copy_of(models, tmp_path)
    damage(folder)
    with pytest.raises(InputError, match=words) as error:
        read_ensemble(folder)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("damage", "words"), [(remove_a_fold, "is missing"), (swap_weights, "does not fit")])
def test_a_broken_ensemble_stops_before_anything_is_written(models, scan, tmp_path, damage, words):
    folder = copy_of(models, tmp_path)
    damage(folder)
    with pytest.raises(Exception) as error:
        segment(scan, folder, tmp_path / "out")
    assert words in str(mistake_behind(error.value))
    assert not (tmp_path / "out").exists()
