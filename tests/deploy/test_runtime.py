"""The runtime without torch beside the bundles themselves, on virtual patients."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from files import MPRAGE, write_series
from monai.bundle import ConfigWorkflow
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typed import ended, options

from tanq_monai.deploy import export
from tanq_monai.deploy.engines import OnnxRuntime
from tanq_monai.deploy.runtime import run
from tanq_monai.deploy.runtime.__main__ import main
from tanq_monai.deploy.runtime.resampling import resample as resample_array
from tanq_monai.errors import InputError, InputErrors
from tanq_monai.metrics.dice import dice
from tanq_monai.segmentation.plan.resampling import resample
from tanq_monai.segmentation.plan.splines import Interpolation

CPU = {"device": "$torch.device('cpu')", "amp": False}  # the same on every processor
PACKAGES = ("onnxruntime", "numpy", "nibabel")  # and what these require
ALONE = """
import sys
class Refuses:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None and name not in {allowed} and name[:15] != "_sysconfigdata_":
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Refuses)
from tanq_monai.deploy.runtime.__main__ import main
for words in {commands}: main(words)
"""


@pytest.fixture(scope="module")
def bundles(exported):
    """Bundles with their ONNX files: slices, volumes, translation."""
    return {name: folder for name, (folder, _) in exported.items()}


def infer(bundle: Path, *overlays: str, **choices: object) -> ConfigWorkflow:
    """A run of the bundle's own configs."""
    configs = [str(bundle / "configs" / f"{name}.yaml") for name in ("inference", *overlays)]
    flow = ConfigWorkflow(
        config_file=configs,
        meta_file=str(bundle / "configs" / "metadata.json"),
        logging_file=str(bundle / "configs" / "logging.conf"),
        workflow_type="inference",
        bundle_root=str(bundle),
        **choices,
    )
    flow.initialize()
    flow.run()
    return flow


def importable(packages: Sequence[str]) -> set[str]:
    """Names of all modules of Python, of this project, and of packages with all that they require."""
    distributions, waiting = set(), list(packages)
    while waiting:
        name = waiting.pop()
        if name not in distributions:
            distributions.add(name)
            needed = [Requirement(text) for text in metadata.requires(name) or ()]
            waiting += [canonicalize_name(one.name) for one in needed if one.marker is None or one.marker.evaluate()]
    owners = metadata.packages_distributions()
    modules = {name for name, owned in owners.items() if distributions & set(map(canonicalize_name, owned))}
    return {*modules, *sys.stdlib_module_names, "tanq_monai"}


def alone(*commands: dict[str, object]) -> subprocess.CompletedProcess:
    """The runtime, called several times in a process that can import nothing but the packages it may need."""
    program = ALONE.format(allowed=importable(PACKAGES), commands=[options(command) for command in commands])
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def voxels(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["2d", "3d_fullres"])
def test_the_segmenter_alone_labels_as_the_bundle_does(bundles, network, tiny_phantom, tmp_path):
    scans = sorted((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    infer(
        bundles[network], dataset_dir=str(scans[0].parent), output_dir=str(tmp_path / "bundle"), ears_first=False, **CPU
    )
    model = bundles[network] / "models" / "model.onnx"
    labels = {scan: scan.name.replace("hrT2", "Label") for scan in scans}
    done = alone(
        *(
            {"model": model, "image": s, "output": tmp_path / "alone" / name, "ears-first": False}
            for s, name in labels.items()
        )
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "alone" / name) for name in labels.values()]
    for scan, name in labels.items():
        ours, expected = (voxels(tmp_path / folder / name) for folder in ("alone", "bundle"))
        assert ours.dtype == np.uint8
        assert set(np.unique(expected)) == {0, 1, 2}
        for value in (1, 2):
            assert dice(ours == value, expected == value) > 0.995
        np.testing.assert_allclose(nib.load(tmp_path / "alone" / name).affine, nib.load(scan).affine, atol=1e-5)


@pytest.mark.slow
def test_ears_first_without_yaml_is_told_before_the_computation(bundles, tiny_phantom, tmp_path):
    scan = next((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    done = alone({"model": bundles["2d"] / "models" / "model.onnx", "image": scan, "output": tmp_path / "a.nii.gz"})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: --ears-first: what is published of anatomy is written in YAML, and PyYAML is not installed; "
        "install PyYAML, or give --ears-first false"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_translator_alone_translates_as_the_bundle_does(bundles, tiny_phantom, tmp_path):
    source = tiny_phantom / "training_source"
    infer(bundles["translation"], dataset_dir=str(source), output_dir=str(tmp_path / "bundle"), **CPU)
    model, commands = bundles["translation"] / "models" / "model.onnx", {}
    for scan in sorted(source.glob("*_ceT1.nii.gz"))[:2]:
        case = scan.name.removesuffix("_ceT1.nii.gz")
        files = {"model": model, "image": scan, "label": source / f"{case}_Label.nii.gz"}
        style = next(style for style in ("ldn", "etz") if style in case)
        commands[case] = files | {"output": tmp_path / f"{case}.nii.gz", "style": style}
    done = alone(*commands.values())
    assert done.returncode == 0, done.stderr
    for case, command in commands.items():
        expected = voxels(tmp_path / "bundle" / f"{case}_hrT2.nii.gz")
        assert expected.std() > 0.05
        np.testing.assert_allclose(voxels(command["output"]), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", ["2d", "translation"])
def test_the_bundle_does_on_every_engine_what_it_does_on_torch(bundles, network, tiny_phantom, tmp_path):
    scans = tiny_phantom / ("training_source" if network == "translation" else "validation")
    choices = {"dataset_dir": str(scans), **CPU} | ({"ears_first": False} if network == "2d" else {})
    for engine in ("torch", "onnxruntime", "openvino"):
        flow = infer(bundles[network], output_dir=str(tmp_path / engine), engine=engine, **choices)
    assert flow.check_properties() == []
    written = sorted((tmp_path / "torch").glob("[!.]*.nii.gz"))
    assert len(written) == len(list(scans.glob("*_hrT2.nii.gz" if network == "2d" else "*_ceT1.nii.gz")))
    for path in written:
        for engine in ("onnxruntime", "openvino"):
            ours, expected = voxels(tmp_path / engine / path.name), voxels(path)
            if network == "2d":
                assert np.mean(ours == expected) > 0.9999
            else:
                np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


def test_a_dicom_series_is_labelled_as_the_same_scan_as_nifti(bundles, tiny_phantom, tmp_path):
    scan = nib.load(next((tiny_phantom / "validation").glob("*_hrT2.nii.gz")))
    volume = np.asanyarray(scan.dataobj)
    write_series(tmp_path / "series", volume, [1.5 * k for k in range(volume.shape[2])])
    same = nib.Nifti1Image(volume.astype(np.uint16), np.diag([-0.5, -0.5, 1.5, 1]))
    nib.save(same, tmp_path / "scan_hrT2.nii.gz")
    for image in ("series", "scan_hrT2.nii.gz"):
        run(
            bundles["2d"] / "models" / "model.onnx",
            tmp_path / image,
            tmp_path / f"{image}_Label.nii.gz",
            ears_first=False,
        )
    labels = [voxels(tmp_path / f"{image}_Label.nii.gz") for image in ("series", "scan_hrT2.nii.gz")]
    assert set(np.unique(labels[0])) == {0, 1, 2}
    np.testing.assert_array_equal(*labels)


@pytest.mark.parametrize(
    ("spacing", "new_spacing"),
    [((1.5, 0.9, 0.8), (1.5, 0.5, 0.5)), ((5.0, 0.9, 0.8), (1.5, 1.2, 0.5)), ((1.0, 1.0, 1.0), (1.7, 0.6, 1.0))],
)
@pytest.mark.parametrize("how", [Interpolation(), Interpolation(order=1), Interpolation(separate_z=True)])
def test_arrays_are_resampled_as_tensors_are(spacing, new_spacing, how):
    volume = np.random.default_rng(0).normal(size=(9, 14, 11)).astype(np.float32)
    shape = [round(n * a / b) for n, a, b in zip(volume.shape, spacing, new_spacing, strict=True)]
    ours = resample_array(volume, shape, spacing, new_spacing, how)
    expected = resample(torch.from_numpy(volume)[None], shape, spacing, new_spacing, how)[0].numpy()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


def _mistake(**changes: object) -> str:
    done = ended(lambda: main(options(changes)))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not Path(str(changes["output"])).exists()
    return done.stderr


def test_mistakes_are_told_in_one_line_and_nothing_is_written(bundles, tiny_phantom, tmp_path):
    scan = next((tiny_phantom / "validation").glob("*_hrT2.nii.gz"))
    ce_t1 = next((tiny_phantom / "training_source").glob("*_ceT1.nii.gz"))
    segmenter, translator = (bundles[name] / "models" / "model.onnx" for name in ("2d", "translation"))
    good = {"model": segmenter, "image": scan, "output": tmp_path / "out.nii.gz"}
    assert "none.onnx: is missing; export it" in _mistake(**good | {"model": tmp_path / "none.onnx"})
    for name in ("a_ceT1.nii.gz", "a_ceT1.nii", "a_cet1.nii", "a_Label.nii.gz", "a_Confidence.nii.gz"):
        nib.save(nib.load(ce_t1), tmp_path / name)
        assert f"{name}: is no hrT2 by its name; give hrT2" in _mistake(**good | {"image": tmp_path / name})
    nib.save(nib.load(scan), tmp_path / "a_T2.nii.gz")
    assert "is for translation; give --label" in _mistake(**good | {"model": translator, "image": ce_t1})
    assert "is for segmentation; leave --label out" in _mistake(**good, label=scan)
    assert "--provider warp: is not auto, cpu, cuda or tensorrt" in _mistake(**good, provider="warp")
    label = ce_t1.with_name(ce_t1.name.replace("ceT1", "Label"))
    translation = good | {"model": translator, "image": ce_t1, "label": label}
    assert "style: is missing, and the file knows several; choose one of ldn, etz" in _mistake(**translation)
    assert "style warm: is none of the file's; choose one of ldn, etz" in _mistake(**translation, style="warm")
    assert "is for segmentation; leave --style out" in _mistake(**good, style="ldn")
    told = "is for segmentation, and names its structures itself; leave --structures out"
    assert told in _mistake(**good, structures='{"VS": 1}')
    assert "a_T2.nii.gz: is no ceT1 by its name" in _mistake(**translation | {"image": tmp_path / "a_T2.nii.gz"})
    assert "holds unknown label 2; use only [0, 1]" in _mistake(**translation, style="ldn", structures='{"VS": 1}')
    told = _mistake(**translation, style="ldn", structures="[1]")
    assert "--structures [1]: is not {VS: 1, cochlea: 2} or the like" in told
    assert "ceT1.nii.gz: holds unknown label" in _mistake(**translation | {"label": ce_t1}, style="ldn")
    (tmp_path / "file").touch()
    assert "file/out.nii.gz: cannot be written (File exists)" in _mistake(
        **good | {"output": tmp_path / "file/out.nii.gz"}
    )
    assert "its scan (80, 80, 20); resample it" in _mistake(**translation | {"label": scan}, style="ldn")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(segmenter.read_bytes()[:1000])
    assert "broken.onnx: cannot be opened" in _mistake(**good | {"model": broken})
    assert "cannot be read as NIfTI" in _mistake(**good | {"image": broken.rename(tmp_path / "a_hrT2.nii.gz")})


def test_a_series_of_another_contrast_is_told(bundles, tmp_path):
    write_series(tmp_path / "mprage", np.ones((4, 4, 3)), [0.0, 1.5, 3.0], **MPRAGE)
    with pytest.raises(InputError, match="mprage: is no hrT2 by its header"):
        run(bundles["2d"] / "models" / "model.onnx", tmp_path / "mprage", tmp_path / "out.nii.gz")
    assert not (tmp_path / "out.nii.gz").exists()


def test_the_runtime_writes_onto_nothing_that_it_reads_and_onto_nothing_of_others(bundles, tiny_phantom, tmp_path):
    image, model = tmp_path / "a_hrT2.nii.gz", bundles["2d"] / "models" / "model.onnx"
    shutil.copy(next((tiny_phantom / "validation").glob("*_hrT2.nii.gz")), image)
    link, other = tmp_path / "link.nii.gz", tmp_path / "a_Label.nii.gz"
    link.symlink_to(image)
    other.write_bytes(b"mine")
    for output, told in ((image, "would replace what"), (link, "would replace what"), (other, "is there already, and")):
        before = output.read_bytes()
        with pytest.raises((InputError, InputErrors), match=f"{output}: {told}"):
            run(model, image, output)
        assert output.read_bytes() == before
    other.unlink()
    for _ in range(2):
        run(model, image, other)
    assert nib.load(other).shape == nib.load(image).shape


@pytest.mark.parametrize("package", ["onnxruntime", "onnxscript"])
def test_a_package_that_is_missing_is_told(bundles, monkeypatch, tmp_path, package):
    if package == "onnxruntime":  # asked for when the file is there, which takes seconds
        file = bundles["2d"] / "models" / "model.onnx"
        monkeypatch.setattr(export, "write_onnx", lambda network, path, *_: shutil.copy(file, path))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"{package}: is not installed; install "):
        export.export_onnx(bundles["2d"], tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("name", ["out.png", "out.Nii.gz", ".nii.gz", ".nii"])
def test_a_name_that_is_no_nifti_file_is_told_before_anything_is_read(tmp_path, name):
    with pytest.raises(InputError, match=rf"/{name}: is no name of a NIfTI file; let it end in \.nii\.gz"):
        run(tmp_path / "none.onnx", tmp_path / "none.nii.gz", tmp_path / name)


def test_a_provider_that_this_onnx_runtime_lacks_is_told(bundles):
    with pytest.raises(InputError, match="provider tensorrt: is not in this ONNX Runtime; install onnxruntime-gpu"):
        OnnxRuntime(bundles["2d"] / "models" / "model.onnx", 1, "tensorrt")
