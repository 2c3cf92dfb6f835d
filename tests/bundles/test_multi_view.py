"""From labelled ceT1 scans to a raw data set in several views, by MONAI's workflow and by the command."""

import json
import multiprocessing
import re
import shutil
from hashlib import sha256
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from bundle_workflow import BUNDLES, THREE, three_classes, workflow
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
from typed import mistakes, run_bundle

from tanq_monai.errors import mistake_behind
from tanq_monai.networks import CycleGanGenerator, TanqGenerator
from tanq_monai.scans.folder import find_labelled
from tanq_monai.structures import Structures

BUNDLE = BUNDLES / "tanq_translation"
STYLES = ["ldn", "etz"]
SLICES = {"pixels": 64, "pixel_mm": 1.4, "slab_mm": 12.0, "width": 4, "blocks": 2, "styles": STYLES}
SMALL = SLICES | {"cyclegan_blocks": 2, "device": "$torch.device('cpu')"}
VIEWS = ["cyclegan", "tanq-etz", "tanq-ldn"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Untrained translators; the styles differ."""
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tanq, cyclegan = TanqGenerator(width=4, blocks=2, num_styles=2), CycleGanGenerator(width=4, blocks=2)
    for norm in (tanq.up1_norm, tanq.up2_norm):
        torch.nn.init.constant_(norm.bias[1], 1.0)
    torch.save(tanq.state_dict(), folder / "tanq.pt")
    torch.save(cyclegan.state_dict(), folder / "cyclegan.pt")
    return folder


@pytest.fixture(scope="module")
def source(tiny_phantom, tmp_path_factory):
    """One patient of each site."""
    folder = tmp_path_factory.mktemp("source")
    for pattern in ("*etz_0_*", "*ldn_1_*"):
        for path in (tiny_phantom / "training_source").glob(pattern):
            shutil.copy(path, folder)
    return folder


def choices_for(source, models, output, **override):
    files = {"tanq_model_file": models / "tanq.pt", "cyclegan_model_file": models / "cyclegan.pt"}
    folders = {"dataset_dir": source, "output_dir": output}
    return SMALL | {name: str(path) for name, path in (files | folders).items()} | override


def generate(source, models, output, **override):
    workflow("tanq_translation", "multi_view", **choices_for(source, models, output, **override)).run()
    return output


@pytest.fixture(scope="module")
def generated(source, models, tmp_path_factory):
    return generate(source, models, tmp_path_factory.mktemp("raw") / "Dataset001_VSCochlea")


def cases_of(folder):
    return sorted(path.name.removesuffix("_ceT1.nii.gz") for path in folder.glob("*_ceT1.nii.gz"))


def voxels(path):
    return np.asanyarray(nib.load(path).dataobj)


def records(folder):
    return json.loads((folder / "provenance.json").read_text())["files"]


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in sorted((folder / "imagesTr").glob("*.gz"))}


def digest(path):
    return sha256(path.read_bytes()).hexdigest()


def test_every_case_is_there_in_every_view_on_its_grid_with_its_label(generated, source):
    expected = [f"{case}_{view}" for case in cases_of(source) for view in VIEWS]
    assert sorted(p.name for p in (generated / "imagesTr").glob("*.gz")) == [f"{n}_0000.nii.gz" for n in expected]
    assert sorted(p.name for p in (generated / "labelsTr").glob("*.gz")) == [f"{n}.nii.gz" for n in expected]
    for name in expected:
        case = name.rsplit("_", 1)[0]
        ceT1, image = nib.load(source / f"{case}_ceT1.nii.gz"), nib.load(generated / "imagesTr" / f"{name}_0000.nii.gz")
        label = nib.load(generated / "labelsTr" / f"{name}.nii.gz")
        assert image.shape == label.shape == ceT1.shape
        assert np.allclose(image.affine, ceT1.affine, atol=1e-4)
        assert np.array_equal(image.affine, label.affine)
        assert (image.get_data_dtype(), label.get_data_dtype()) == (np.float32, np.uint8)
        values = image.get_fdata()
        assert 0 <= values.min() < values.max() <= 1
        assert np.array_equal(
            voxels(generated / "labelsTr" / f"{name}.nii.gz"), voxels(source / f"{case}_Label.nii.gz")
        )


def test_a_view_is_what_inference_alone_writes(generated, source, models, tmp_path):
    for style in STYLES:
        folders = {"dataset_dir": str(source), "output_dir": str(tmp_path / style)}
        model = {"model_file": str(models / "tanq.pt"), "style": style, "device": "$torch.device('cpu')"}
        workflow("tanq_translation", "inference", **(SLICES | folders | model)).run()
    for case in cases_of(source):
        views = {style: voxels(generated / "imagesTr" / f"{case}_tanq-{style}_0000.nii.gz") for style in STYLES}
        for style, view in views.items():
            assert np.array_equal(view, voxels(tmp_path / style / f"{case}_hrT2.nii.gz"))
        assert np.abs(views["ldn"] - views["etz"]).max() > 1e-3


def test_the_view_by_signal_equations_needs_no_weights_and_is_made_anew_for_another_protocol(source, models, tmp_path):
    output, chosen = tmp_path / "raw", {"used_views": ["signal"]}
    generate(source, models, output, **chosen)
    names = [f"{case}_signal-{look}" for case in cases_of(source) for look in ("ciss", "tse")]
    assert sorted(path.name for path in (output / "imagesTr").glob("*.gz")) == [f"{name}_0000.nii.gz" for name in names]
    assert records(output)[names[0]]["facts"]["protocols"][0]["sequence"] == "balanced"
    before = times(output)
    generate(source, models, output, **chosen)
    assert times(output) == before
    other = {
        "ciss": {"sequence": "balanced", "tr": 5, "te": 2.2, "flip_angle": 50},
        "tse": records(output)[names[0]]["facts"]["protocols"][1],
    }
    generate(source, models, output, signal_protocols=other, **chosen)
    assert all(after != before[name] for name, after in times(output).items())


def test_the_provenance_says_what_every_file_was_made_of(generated, source, models):
    files = records(generated)
    assert sorted(files) == [f"{case}_{view}" for case in cases_of(source) for view in VIEWS]
    case = cases_of(source)[0]
    record = files[f"{case}_tanq-etz"]
    assert (record["case"], record["view"], record["style"], record["label_free"]) == (case, "tanq-etz", "etz", False)
    assert (record["network"], record["pixels"], record["slab_mm"]) == ("TanqGenerator", 64, 12.0)
    assert record["model"] == {"file": "tanq.pt", "sha256": digest(models / "tanq.pt")}
    image = source / f"{case}_ceT1.nii.gz"
    assert record["sources"]["image"] == {"file": image.name, "sha256": digest(image)}
    assert record["package"].startswith("tanq-monai ")
    assert len(record["date"]) == len("2026-01-31")
    assert str(source) not in (generated / "provenance.json").read_text()


def test_nnunet_finds_nothing_wrong_with_it(generated, monkeypatch, capsys):
    # Threads in place of processes, which would take half a minute to start.
    monkeypatch.setattr(multiprocessing, "get_context", lambda *_: SimpleNamespace(Pool=ThreadPool))
    verify_dataset_integrity(str(generated), 1)
    told = capsys.readouterr().out
    assert "verify_dataset_integrity Done." in told
    assert "Error" not in told
    assert "Warning" not in told


@pytest.mark.slow
def test_the_segmenter_trains_from_it(generated, tmp_path):
    choices = {"configuration": "2d", "max_epochs": 1, "iterations_per_epoch": 1, "num_processes": 0, "device": "cpu"}
    override = {"batch_size": 2, "patch_size": [32, 32], "features_per_stage": [4, 8, 8]}
    folders = {"dataset_dir": str(generated), "output_dir": str(tmp_path)}
    workflow("vs_cochlea_seg", "train", plans_override=override, **choices, **folders).run()
    assert (tmp_path / "models" / "2d_fold_all" / "model.pt").is_file()
    preprocessed = (tmp_path / "nnUNet_preprocessed").glob("*/nnUNetPlans_2d/*.pkl")
    assert sorted(path.stem for path in preprocessed) == sorted(records(generated))


def test_the_views_of_a_scan_are_one_patients(generated, source):
    patients = [case["patient"] for case in find_labelled(generated).cases]
    assert patients == [case for case in cases_of(source) for _ in VIEWS]


def test_a_second_run_makes_nothing_anew(generated, source, models):
    before = times(generated)
    generate(source, models, generated)
    assert times(generated) == before


def test_a_run_interrupted_between_two_views_goes_on(generated, source, models, tmp_path, monkeypatch):
    whole, count = CycleGanGenerator.forward, []

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(CycleGanGenerator, "forward", interrupt)
    with pytest.raises(KeyboardInterrupt):
        generate(source, models, tmp_path)
    assert len(times(tmp_path)) == 2  # the first case in TANQ's two styles
    assert not (tmp_path / "dataset.json").exists()
    before = times(tmp_path)
    monkeypatch.setattr(CycleGanGenerator, "forward", lambda *args, **kwargs: count.append(1) or whole(*args, **kwargs))
    generate(source, models, tmp_path)
    assert count
    after = times(tmp_path)
    assert {name: after[name] for name in before} == before
    for name in after:
        assert np.array_equal(voxels(tmp_path / "imagesTr" / name), voxels(generated / "imagesTr" / name))
    assert json.loads((tmp_path / "dataset.json").read_text())["numTraining"] == 6


def test_what_would_come_out_otherwise_is_made_anew(generated, source, models, tmp_path):
    output, other = tmp_path / "raw", tmp_path / "models"
    shutil.copytree(generated, output)
    shutil.copytree(models, other)
    weights = torch.load(models / "cyclegan.pt", weights_only=True)
    torch.save({name: 2 * value for name, value in weights.items()}, other / "cyclegan.pt")
    first, second = cases_of(source)
    (output / "labelsTr" / f"{second}_tanq-ldn.nii.gz").unlink()
    before = times(output)
    generate(source, other, output)
    after = times(output)
    changed = {name.removesuffix("_0000.nii.gz") for name in after if after[name] != before[name]}
    assert changed == {f"{first}_cyclegan", f"{second}_cyclegan", f"{second}_tanq-ldn"}
    assert records(output)[f"{first}_cyclegan"]["model"]["sha256"] == digest(other / "cyclegan.pt")
    assert (output / "labelsTr" / f"{second}_tanq-ldn.nii.gz").is_file()


def test_files_of_another_run_are_left_alone_but_do_not_belong_to_the_data_set(generated, source, models, tmp_path):
    shutil.copytree(generated, tmp_path / "raw")
    generate(source, models, tmp_path / "raw", used_views=["cyclegan"])
    assert len(times(tmp_path / "raw")) == 6
    listed = [case["case"] for case in find_labelled(tmp_path / "raw").cases]
    assert listed == [f"{case}_cyclegan" for case in cases_of(source)]


def test_label_free_is_what_inference_alone_writes_and_the_report_says_what_it_costs(
    generated, source, models, tmp_path
):
    report = generate(source, models, tmp_path / "raw", label_free=True, label_free_report=True, used_views=["tanq"])
    inference = {"dataset_dir": str(source), "output_dir": str(tmp_path / "pseudo"), "style": "etz", "label_free": True}
    inference |= SLICES | {"model_file": str(models / "tanq.pt"), "device": "$torch.device('cpu')"}
    workflow("tanq_translation", "inference", **inference).run()
    for case in cases_of(source):
        view = voxels(report / "imagesTr" / f"{case}_tanq-etz_0000.nii.gz")
        assert np.array_equal(view, voxels(tmp_path / "pseudo" / f"{case}_hrT2.nii.gz"))
        assert not np.array_equal(view, voxels(generated / "imagesTr" / f"{case}_tanq-etz_0000.nii.gz"))
        assert records(report)[f"{case}_tanq-etz"]["label_free"] is True
    table = pd.read_csv(report / "label_free.csv")
    assert table[["view", "structure", "scans"]].to_numpy().tolist() == [
        [view, structure, 2] for view in ("tanq-etz", "tanq-ldn") for structure in ("VS", "cochlea")
    ]
    costs = [records(report)[f"{case}_tanq-ldn"]["label_free_cost"]["cochlea"] for case in cases_of(source)]
    row = table[(table["view"] == "tanq-ldn") & (table["structure"] == "cochlea")].iloc[0]
    for column in ("difference_inside", "difference_around", "dice"):
        assert row[column] == pytest.approx(np.mean([cost[column] for cost in costs]), abs=1e-4)
    assert (table["difference_inside"] > 0).all()


def test_the_command_names_bad_cases_and_makes_the_good_ones(source, models, tmp_path):
    scans = tmp_path / "scans"
    shutil.copytree(source, scans)
    good, _ = cases_of(source)
    for number, name in enumerate(["nan", "cut", "unlabelled"]):
        for path in source.glob(f"{good}_*"):
            shutil.copy(path, scans / path.name.replace(good, f"bad{number}_{name}"))
    image = nib.load(scans / "bad0_nan_ceT1.nii.gz")
    array = image.get_fdata()
    array[0] = np.nan
    nib.save(nib.Nifti1Image(array, image.affine), scans / "bad0_nan_ceT1.nii.gz")
    cut = scans / "bad1_cut_Label.nii.gz"
    cut.write_bytes(cut.read_bytes()[:200])
    (scans / "bad2_unlabelled_Label.nii.gz").unlink()
    choices = choices_for(scans, models, tmp_path / "raw") | {"views#tanq#style": "ldn", "used_views": ["tanq"]}
    errors = sorted(mistakes(run_bundle("tanq_translation", "multi_view", **choices)))
    assert len(errors) == 3
    for line, name, problem in zip(errors, ["bad0", "bad1", "bad2"], ["NaN", "cannot be read", "missing"], strict=True):
        assert name in line
        assert problem in line
    listed = [case["case"] for case in find_labelled(tmp_path / "raw").cases]
    assert listed == [f"{case}_tanq-ldn" for case in cases_of(source)]


def test_three_classes_are_translated_as_two_regions_and_stay_three_in_the_data_set(
    generated, source, models, tmp_path
):
    scans = three_classes(source, tmp_path / "scans")
    choices = {"used_views": ["tanq"], "views#tanq#style": "etz", "label_free_report": True, "structures": THREE}
    raw = generate(scans, models, tmp_path / "raw", **choices)
    for case in cases_of(source):  # the same patients, labelled with two classes
        image, label = f"imagesTr/{case}_tanq-etz_0000.nii.gz", f"labelsTr/{case}_tanq-etz.nii.gz"
        assert np.array_equal(voxels(raw / image), voxels(generated / image))
        assert set(np.unique(voxels(raw / label))) == {0, 1, 2, 3}
        assert np.array_equal(voxels(raw / label), voxels(scans / f"{case}_Label.nii.gz"))
        assert np.array_equal(np.array([0, 1, 1, 2])[voxels(raw / label)], voxels(generated / label))
    assert json.loads((raw / "dataset.json").read_text())["labels"] == {"background": 0} | THREE
    assert pd.read_csv(raw / "label_free.csv")["structure"].tolist() == ["VS", "cochlea"]
    found = find_labelled(raw, structures=Structures(THREE))
    assert [case["patient"] for case in found.cases] == cases_of(source)
    assert records(raw)[f"{cases_of(source)[0]}_tanq-etz"]["structures"] == THREE


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ({"structures": {"VS": 1, "tumor": 2}}, "structures: 'tumor' has no norm, by which the translator goes"),
        ({"structures": {"VS": 1, "cochlea": 3}}, "structures: .* are not numbered 1, 2, 3"),
        ({"structures": {"VS": [1, 2], "cochlea": 3}}, "structures: VS: has several label values"),
        ({"tanq_model_file": "none.pt"}, "none.pt: is missing; train first"),
        (
            {"views#tanq#style": "utrecht"},
            r"views#tanq#style: 'utrecht' is unknown; choose of \['ldn', 'etz'\], or null",
        ),
        ({"views#cyclegan#label_free": True}, "views#cyclegan#label_free: its network has no SegDecoder; choose false"),
        ({"cyclegan_blocks": 3}, "cyclegan.pt: does not fit the network"),
    ],
)
def test_choices_that_cannot_be_are_told_before_anything_is_written(source, models, tmp_path, override, words):
    with pytest.raises(Exception) as error:
        generate(source, models, tmp_path / "raw", **override)
    mistake = mistake_behind(error.value)
    assert mistake is not None, error.value
    assert re.search(words, str(mistake))
    assert not (tmp_path / "raw" / "imagesTr").exists()


def test_a_provenance_that_cannot_be_read_is_told(source, models, tmp_path):
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(Exception) as error:
        generate(source, models, tmp_path)
    assert "provenance.json: cannot be read; remove it, or choose another folder" in str(mistake_behind(error.value))


def test_the_folder_of_the_scans_gets_no_translations(source, models, tmp_path):
    scans, link = tmp_path / "scans", tmp_path / "link"
    shutil.copytree(source, scans)
    link.symlink_to(scans)
    with pytest.raises(Exception) as error:
        generate(scans, models, link)
    told = f"{link}: holds what the results are made of; choose another output folder"
    assert str(mistake_behind(error.value)) == told
    assert sorted(path.name for path in scans.iterdir()) == sorted(path.name for path in source.iterdir())


@pytest.mark.parametrize("config", ["multi_view", "inference"])
def test_translations_are_not_translated_again(generated, models, tmp_path, config):
    choices = choices_for(generated, models, tmp_path / "raw")
    if config == "inference":
        choices = {name: choices[name] for name in ("dataset_dir", "output_dir", *SLICES)}
        choices |= {"model_file": str(models / "tanq.pt"), "device": "cpu"}
    with pytest.raises(Exception) as error:
        workflow("tanq_translation", config, **choices).run()
    told = f"{generated}: holds translations, as its provenance.json says; "
    assert str(mistake_behind(error.value)).startswith(told)
    assert not (tmp_path / "raw" / "imagesTr").exists()


def test_network_and_transforms_are_those_of_inference():
    multi, single = (
        yaml.safe_load((BUNDLE / "configs" / f"{n}.yaml").read_text()) for n in ("multi_view", "inference")
    )
    scriptable = {"_target_": "tanq_monai.deploy.torchscript.ScriptableGenerator"}
    assert multi["views"]["tanq"]["network_def"] | scriptable == single["network_def"]
    assert multi["preprocessing"] == single["preprocessing"]
    assert multi["postprocessing"] == single["postprocessing"]["transforms"][0]
    for name in ("pixels", "pixel_mm", "slab_mm", "styles", "width", "blocks", "batch_size", "label_free"):
        assert multi[name] == single[name]


def test_all_configs_that_read_labels_take_the_structures_of_the_model_that_they_begin_with():
    configs = {path.stem: yaml.safe_load(path.read_text()) for path in (BUNDLE / "configs").glob("*.yaml")}
    found = {name: config["structures"] for name, config in configs.items() if "structures" in config}
    trained = dict.fromkeys(["inference", "multi_view"], "$@trained['structures']")
    assert found == trained | {"train": '$@begun_with["structures"]'}
