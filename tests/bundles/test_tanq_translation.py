"""The translation bundle, through MONAI's own workflows, on the tiny phantom and on a real patient."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import processes
import pytest
import torch
from bundle_workflow import BUNDLES, THREE, three_classes, workflow
from ignite.engine import Events
from shared_data import shared_data_folder
from typed import mistakes, options, run_bundle

from tanq_monai.errors import mistake_behind
from tanq_monai.networks import TanqGenerator

BUNDLE = BUNDLES / "tanq_translation"
CONFIGS = BUNDLE / "configs"
SMALL = {"pixels": 64, "pixel_mm": 1.4, "width": 4, "blocks": 2, "device": "$torch.device('cpu')"}
TRAINING = SMALL | {"start_from": None, "crop": 32, "slab_mm": 12.0, "max_epochs": 2, "batch_size": 2}


def train(data, output, **override):
    flow = workflow("tanq_translation", "train", dataset_dir=str(data), output_dir=str(output), **(TRAINING | override))
    flow.run()
    return flow


def translate(scans, output, **override):
    folders = {"dataset_dir": str(scans), "output_dir": str(output)}
    flow = workflow("tanq_translation", "inference", **(SMALL | folders | override))
    flow.run()
    return flow


@pytest.fixture(scope="module")
def trained(slow, tiny_phantom, tmp_path_factory):
    output = tmp_path_factory.mktemp("translator")
    return output, train(tiny_phantom, output)


@pytest.fixture(scope="module")
def translated(trained, tiny_phantom, tmp_path_factory):
    output = tmp_path_factory.mktemp("pseudo")
    model = trained[0] / "models" / "model.pt"
    return output, translate(tiny_phantom / "training_source", output, model_file=str(model), slab_mm=28.0)


def test_inference_knows_the_choices_of_the_training_from_the_file_beside_its_model(
    translated, trained, tiny_phantom, tmp_path
):
    folders = {"dataset_dir": str(tiny_phantom / "training_source"), "output_dir": str(tmp_path)}
    model = {"model_file": str(trained[0] / "models" / "model.pt"), "device": "$torch.device('cpu')"}
    workflow("tanq_translation", "inference", **folders, **model, slab_mm=28.0).run()
    for path in translated[0].glob("[!.]*.nii.gz"):
        np.testing.assert_array_equal(nib.load(tmp_path / path.name).dataobj, nib.load(path).dataobj)


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    """Choices that put a network in the translator's place which returns its input image."""
    empty = tmp_path_factory.mktemp("identity") / "model.pt"
    torch.save({}, empty)
    plain = {"_target_": "monai.engines.utils.PrepareBatchDefault"}  # Identity takes no style
    network = {"_target_": "torch.nn.Identity"}
    return {"network_def": network, "evaluator#prepare_batch": plain, "model_file": str(empty)}


def test_training_and_inference_have_all_properties_of_monai(trained, translated):
    assert trained[1].check_properties() == []
    assert translated[1].check_properties() == []


def test_the_training_leaves_a_model_a_history_and_no_half_file(trained):
    output, _ = trained
    generator = TanqGenerator(width=4, blocks=2)
    generator.load_state_dict(torch.load(output / "models" / "model.pt", weights_only=True))
    history = pd.read_csv(output / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert np.isfinite(history.to_numpy()).all()
    assert not list(output.rglob("*.writing"))


def test_a_run_stopped_after_an_epoch_and_resumed_ends_with_the_same_weights(trained, tiny_phantom, tmp_path):
    def stop(engine):
        engine.terminate()

    halted = workflow("tanq_translation", "train", dataset_dir=str(tiny_phantom), output_dir=str(tmp_path), **TRAINING)
    trainer = halted.parser.get_parsed_content("train#trainer")
    trainer.add_event_handler(Events.EPOCH_COMPLETED, stop)
    trainer.run()
    (tmp_path / "models" / "model.pt").unlink(missing_ok=True)
    train(tiny_phantom, tmp_path)
    straight = torch.load(trained[0] / "models" / "model.pt", weights_only=True)
    resumed = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(resumed[name], straight[name]) for name in straight)


def train_as_typed(choices, *overlays):
    done = run_bundle("tanq_translation", "train", *overlays, **choices)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tiny_phantom, tmp_path):
    def start(output):
        folders = {"dataset_dir": str(tiny_phantom), "output_dir": str(output)}
        return processes.start(train_as_typed, {"checkpoint_minutes": 0.0} | TRAINING | folders)

    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert processes.end(start(straight)) == [0]
    checkpoint, reached = killed / "checkpoint.pt", []
    for seconds in (0.0, 0.35):  # after the first checkpoint, and some while after a later one, perhaps within writing
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        run = start(killed)
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            assert run.is_alive()
            time.sleep(0.01)
        time.sleep(seconds)
        run.kill()
        assert processes.end(run) == [-signal.SIGKILL]
        reached.append(torch.load(checkpoint, weights_only=True)["iteration"])
    assert 0 < reached[0] < reached[1]
    assert not (killed / "models" / "model.pt").exists()
    assert processes.end(start(killed)) == [0]
    expected, weights = (torch.load(f / "models" / "model.pt", weights_only=True) for f in (straight, killed))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert (killed / "history.csv").read_text() == (straight / "history.csv").read_text()


@pytest.mark.slow
def test_two_processes_train_as_torchrun_starts_them_and_the_first_one_writes(tiny_phantom, tmp_path):
    choices = {"dataset_dir": str(tiny_phantom), "output_dir": str(tmp_path)} | TRAINING | {"max_epochs": 1}
    del choices["device"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "CUDA_VISIBLE_DEVICES": ""}
    ranks = [
        processes.start(train_as_typed, choices, "multi_gpu_train", RANK=rank, LOCAL_RANK=rank, **shared)
        for rank in ("0", "1")
    ]
    assert processes.end(*ranks) == [0, 0]
    assert pd.read_csv(tmp_path / "history.csv")["epoch"].tolist() == [1]
    events = [path.name.split(".") for path in (tmp_path / "logs").rglob("events*")]
    assert len({process for *_, process, number in events}) == 1
    TanqGenerator(width=4, blocks=2).load_state_dict(torch.load(tmp_path / "models" / "model.pt", weights_only=True))
    assert not list(tmp_path.rglob("*.writing*"))


def test_three_classes_are_the_same_slices_to_a_training_as_the_two_they_merge_to(tiny_phantom, tmp_path):
    data = tmp_path / "data"
    three_classes(tiny_phantom / "training_source", data / "training_source")
    (data / "training_target").symlink_to(tiny_phantom / "training_target")
    stores = []
    for folder, choices in ((tiny_phantom, {}), (data, {"structures": THREE})):
        folders = {"dataset_dir": str(folder), "output_dir": str(tmp_path / "run")}
        flow = workflow("tanq_translation", "train", **(TRAINING | folders | choices))
        stores.append(flow.parser.get_parsed_content("source_slices"))
    two, three = (torch.stack([store[n] for n in range(len(store))]) for store in stores)
    assert torch.equal(two, three)
    assert set(three[:, 1].unique().tolist()) == {0, 1, 2}


def test_three_classes_are_translated_as_the_two_they_merge_to(trained, translated, tiny_phantom, tmp_path):
    scans, pseudo = three_classes(tiny_phantom / "training_source", tmp_path / "scans"), tmp_path / "pseudo"
    model = trained[0] / "models" / "model.pt"
    translate(scans, pseudo, model_file=str(model), slab_mm=28.0, structures=THREE)
    assert len(list(pseudo.glob("[!.]*.nii.gz"))) == 4
    for path in pseudo.glob("[!.]*.nii.gz"):
        assert np.array_equal(nib.load(path).dataobj, nib.load(translated[0] / path.name).dataobj)


def test_a_real_hrT2_of_the_same_name_stays(trained, tiny_phantom, tmp_path):
    scans, real = tiny_phantom / "training_source", tmp_path / "crossmoda2021_ldn_1_hrT2.nii.gz"
    real.write_bytes(b"real")
    with pytest.raises(Exception) as error:
        translate(scans, tmp_path, model_file=str(trained[0] / "models" / "model.pt"), slab_mm=28.0)
    assert str(mistake_behind(error.value)).startswith(f"{real}: is there already, and not as an earlier run wrote it")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"real"]


def test_a_checkpoint_is_not_gone_on_with_when_a_label_was_corrected(trained, tiny_phantom, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(tiny_phantom, data)
    shutil.copytree(trained[0], run)
    before = (run / "models" / "model.pt").read_bytes()
    train(data, run)  # the same scans in another place, and all is done
    label = next((data / "training_source").glob("*_Label.nii.gz"))
    image = nib.load(label)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine), label)
    with pytest.raises(Exception) as error:
        train(data, run)
    assert "checkpoint.pt: was begun with another choice of scans;" in str(mistake_behind(error.value))
    assert (run / "models" / "model.pt").read_bytes() == before


def test_translations_lie_on_the_ceT1_grid_as_finite_float32(translated, tiny_phantom):
    sources = sorted((tiny_phantom / "training_source").glob("*_ceT1.nii.gz"))
    assert len(sources) == 4
    for source in sources:
        ceT1 = nib.load(source)
        pseudo = nib.load(translated[0] / source.name.replace("ceT1", "hrT2"))
        assert pseudo.shape == ceT1.shape
        assert np.allclose(pseudo.affine, ceT1.affine, atol=1e-4)
        assert pseudo.get_data_dtype() == np.float32
        values = pseudo.get_fdata()
        assert np.isfinite(values).all()
        assert 0 <= values.min() < values.max() <= 1


def test_every_labelled_voxel_is_translated(translated, tiny_phantom):
    for label in (tiny_phantom / "training_source").glob("*_Label.nii.gz"):
        inside = nib.load(label).get_fdata() > 0
        pseudo = nib.load(translated[0] / label.name.replace("Label", "hrT2")).get_fdata()
        assert (pseudo[inside] > 0).mean() > 0.99


def test_a_translator_that_changes_nothing_gives_back_the_scan(identity, tiny_phantom, tmp_path):
    choices = {"pixels": 80, "pixel_mm": 1.4, "slab_mm": None}
    translate(tiny_phantom / "training_source", tmp_path, **(choices | identity))
    for source in (tiny_phantom / "training_source").glob("*ldn*_ceT1.nii.gz"):
        scan = nib.load(source).get_fdata()
        again = nib.load(tmp_path / source.name.replace("ceT1", "hrT2")).get_fdata()
        inside = again > 0.05
        assert inside.mean() > 0.3
        assert np.corrcoef(scan[inside], again[inside])[0, 1] > 0.97


def test_bad_scans_are_named_and_good_ones_translated(identity, tiny_phantom, tmp_path):
    scans, output = tmp_path / "scans", tmp_path / "out"
    shutil.copytree(tiny_phantom / "training_source", scans)
    images = sorted(scans.glob("*_ceT1.nii.gz"))
    images[0].write_bytes(images[0].read_bytes()[:500])
    Path(str(images[1]).replace("ceT1", "Label")).unlink()
    choices = {"dataset_dir": scans, "output_dir": output, "pixels": 64, "pixel_mm": 1.4, "device": "cpu"} | identity
    errors = mistakes(run_bundle("tanq_translation", "inference", **choices))
    assert len(errors) == 2
    assert images[0].name in errors[0]
    assert "is missing" in errors[1]
    assert len(list(output.glob("*.nii.gz"))) == 2


def test_a_missing_model_is_told_in_one_line(tiny_phantom, tmp_path):
    with pytest.raises(Exception) as error:
        translate(tiny_phantom / "training_source", tmp_path, model_file=str(tmp_path / "none.pt"))
    assert "none.pt: is missing; train first" in str(mistake_behind(error.value))


def test_networks_of_all_configs_are_equal():
    texts = [path.read_text() for path in sorted(CONFIGS.glob("*.yaml"))]
    found = [
        re.search(r"^network_def: \{_target_: [\w.]+Generator, (width.*num_styles.*)", text, re.M) for text in texts
    ]
    choices = [one.group(1) for one in found if one]
    assert len(choices) == 2  # of train.yaml and inference.yaml
    assert len(set(choices)) == 1  # that of CycleGAN's overlays is compared in test_cyclegan_configs.py


@pytest.mark.slow
def test_a_real_dicom_series_comes_back_on_its_grid_with_its_structures_in_place(identity, tmp_path):
    patient = shared_data_folder("vs_seg_001")
    choices = {"label_dir": str(patient / "label.nii.gz"), "pixels": 256, "pixel_mm": 0.41} | identity
    translate(patient / "ceT1_dicom", tmp_path, **choices)
    pseudo = nib.load(tmp_path / "ceT1_dicom_hrT2.nii.gz")
    label = nib.load(patient / "label.nii.gz")
    assert pseudo.shape == label.shape
    assert np.allclose(pseudo.affine, label.affine, atol=1e-3)
    values, structures = pseudo.get_fdata(), label.get_fdata()
    assert np.isfinite(values).all()
    # On ceT1 the VS is 1.4 times as bright as brain, the cochlea a third of it: an image that moved would lose this.
    brain = np.median(values[values > 0.2])
    assert values[structures == 1].mean() > 1.2 * brain
    assert values[structures == 2].mean() < 0.6 * brain
    assert (values[structures > 0] > 0).all()


@pytest.mark.slow
def test_a_real_patient_is_translated_at_full_width_below_6_GB(tmp_path):
    patient = shared_data_folder("vs_seg_001")
    torch.manual_seed(0)
    torch.save(TanqGenerator().state_dict(), tmp_path / "model.pt")
    program = (
        "import resource, runpy, sys; sys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_module('monai.bundle', run_name='__main__')\n"
        "finally:\n    print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    choices = {"dataset_dir": patient / "ceT1_dicom", "label_dir": patient / "label.nii.gz", "output_dir": tmp_path}
    choices |= {"model_file": tmp_path / "model.pt", "device": "$torch.device('cpu')"}
    choices |= {"slab_mm": 24.0}  # two batches of slices, as high as the structures
    command = [sys.executable, "-c", program, "monai.bundle", "run", "--config_file", "configs/inference.yaml"]
    command += options(choices)
    result = subprocess.run(command, cwd=BUNDLE, capture_output=True, text=True, check=True)
    peak_kilobytes = int(result.stdout.rsplit("peak", 1)[1])
    assert peak_kilobytes < 6e6
    pseudo = nib.load(tmp_path / "ceT1_dicom_hrT2.nii.gz").get_fdata()
    assert np.isfinite(pseudo).all()
    structures = nib.load(patient / "label.nii.gz").get_fdata()
    assert (pseudo[structures > 0] > 0).mean() > 0.99
