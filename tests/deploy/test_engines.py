"""Both engines against torch, which one is chosen, and what users may get wrong about them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from bundles import CHOICES
from tanq_monai.deploy.bundle_network import read_network
from tanq_monai.deploy.engine_network import Bfloat16Network, EngineNetwork, kind_of, on_engine
from tanq_monai.deploy.engines import (
    SEGMENTER_2D,
    SEGMENTER_3D,
    TRANSLATOR,
    Choices,
    OnnxRuntime,
    choose_engine,
    open_engine,
    read_properties,
)
from tanq_monai.deploy.engines.choice import EXTRAS, FASTEST
from tanq_monai.deploy.engines.on_openvino import OpenVino, has_bfloat16
from tanq_monai.deploy.runtime.__main__ import main
from tanq_monai.errors import InputError
from tanq_monai.networks import CycleGanGenerator
from tanq_monai.precision import cpu_has_bfloat16

KINDS = {"2d": SEGMENTER_2D, "3d_fullres": SEGMENTER_3D, "translation": TRANSLATOR}


@pytest.fixture(scope="module")
def bundles(exported):
    """Slices, volumes, translation, with their ONNX files."""
    return {name: folder for name, (folder, _) in exported.items()}


def inputs_of(name, batch, seed=0):
    """What the network of a bundle takes: images, of a translator with structures and styles."""
    noise = torch.randn(
        batch, 1, *((16, 48, 32) if name == "3d_fullres" else (64, 48)), generator=torch.Generator().manual_seed(seed)
    )
    if name != "translation":
        return {"image": noise}
    structures = torch.zeros_like(noise)
    structures[0, 0, 8:20, 8:24], structures[-1, 0, 30:40, 20:36] = 1, 2
    return {
        "image": torch.cat([noise.clamp(-1, 1), structures], dim=1),
        "style": torch.arange(batch) % len(CHOICES["styles"]),
    }


def on(bundle, engine, **choices):
    return on_engine(read_network(bundle), bundle / "models" / "model.pt", engine=engine, **choices)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", KINDS)
def test_a_bundles_network_computes_the_same_on_every_engine(bundles, name, engine):
    network, other = read_network(bundles[name]), on(bundles[name], engine, threads=1, amp=False)
    assert isinstance(other, EngineNetwork)
    for batch in (1, 3):
        inputs = inputs_of(name, batch, seed=batch)
        with torch.no_grad():
            torch.testing.assert_close(other(*inputs.values()), network(*inputs.values()), rtol=0, atol=3e-4)


@pytest.mark.parametrize("name", KINDS)
def test_openvino_converts_a_network_that_has_no_file(bundles, name, tmp_path):
    network, inputs = read_network(bundles[name]), inputs_of(name, 2)
    other = on_engine(read_network(bundles[name]), tmp_path / "model.pt", engine="openvino", threads=1, amp=False)
    with torch.no_grad():
        torch.testing.assert_close(other(*inputs.values()), network(*inputs.values()), rtol=0, atol=3e-4)


@pytest.mark.parametrize("engine", [OnnxRuntime, OpenVino])
@pytest.mark.parametrize("name", KINDS)
def test_a_file_computes_the_same_on_every_engine(bundles, name, engine):
    run = engine(bundles[name] / "models" / "model.onnx", threads=1)
    inputs = inputs_of(name, 2)
    with torch.no_grad():
        expected = read_network(bundles[name])(*inputs.values()).numpy()
    np.testing.assert_allclose(run({key: value.numpy() for key, value in inputs.items()}), expected, rtol=0, atol=3e-4)


GIVEN_UP_BY_A_THREAD = """
import gc, signal, sys, threading
import numpy as np
from tanq_monai.deploy.engines.on_openvino import OpenVino

networks = [OpenVino(sys.argv[1], threads=1)]
networks[0]({"image": np.zeros((1, 1, 32, 32), np.float32)})
thread = threading.Thread(target=lambda: (networks.clear(), gc.collect()))
thread.start()
thread.join()
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
signal.raise_signal(signal.SIGUSR1)
"""


def test_signals_are_handled_after_a_thread_gave_up_a_network_on_openvino(bundles):
    command = [sys.executable, "-c", GIVEN_UP_BY_A_THREAD, str(bundles["2d"] / "models" / "model.onnx")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "handled\n"), run.stderr


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_output_stays_as_it_is_when_the_network_runs_again(bundles, engine):
    network = on(bundles["2d"], engine)
    first = network(torch.ones(1, 1, 32, 32))
    kept = first.clone()
    network(torch.zeros(1, 1, 32, 32))
    assert torch.equal(first, kept)


def test_auto_takes_the_fastest_of_its_table_that_is_there(monkeypatch):
    engines = ("openvino", "onnxruntime", "torch")
    for kind, order in FASTEST.items():
        assert sorted(order) == sorted(engines)
        for number in range(3):
            with monkeypatch.context() as patch:
                for name in order[:number]:
                    patch.setitem(sys.modules, name, None)
                assert choose_engine(Choices(), kind, engines) == order[number]


def test_auto_passes_over_an_engine_without_the_precision_that_is_asked_for():
    possible = ("onnxruntime", "torch")
    assert choose_engine(Choices(bfloat16=True), TRANSLATOR, possible) == "torch"
    assert choose_engine(Choices(bfloat16=False), TRANSLATOR, possible) == "onnxruntime"


def test_the_kind_of_a_network_is_seen(bundles):
    for name, kind in KINDS.items():
        assert kind_of(read_network(bundles[name])) == kind
    assert kind_of(CycleGanGenerator(width=4, blocks=1)) == TRANSLATOR


def test_without_any_engine_a_bundle_runs_on_torch(bundles, monkeypatch):
    network = read_network(bundles["2d"])
    for name in ("openvino", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    assert on_engine(network, bundles["2d"] / "models" / "model.pt", amp=False) is network


def test_auto_runs_a_translator_on_onnx_runtime_only_with_a_file_of_its_weights(bundles, tmp_path):
    network, file = read_network(bundles["translation"]), tmp_path / "model.onnx"
    assert on_engine(network, tmp_path / "model.pt", amp=False) is network
    for name in ("model.pt", "model.onnx"):  # which has its weights in the other one
        (tmp_path / name).write_bytes((bundles["translation"] / "models" / name).read_bytes())
    chosen = on_engine(network, tmp_path / "model.pt", amp=False)
    assert isinstance(chosen.engine, OnnxRuntime)
    with torch.no_grad():
        next(network.parameters())[0] += 1e-6
    assert on_engine(network, tmp_path / "model.pt", amp=False) is network
    with pytest.raises(InputError, match=r"model\.onnx: is of other weights than the model\.pt beside it"):
        on_engine(network, tmp_path / "model.pt", engine="onnxruntime")
    file.unlink()
    with pytest.raises(InputError, match=r"model\.onnx: is missing; export it with"):
        on_engine(network, tmp_path / "model.pt", engine="onnxruntime")


def test_on_another_device_auto_is_torch(bundles):
    network = read_network(bundles["2d"])
    assert on_engine(network, bundles["2d"] / "models" / "model.pt", device="meta") is network
    with pytest.raises(
        InputError, match=r"^engine openvino: runs the bundles' own networks, on CPUs, not on meta; choose auto$"
    ):
        on_engine(network, bundles["2d"] / "models" / "model.pt", device="meta", engine="openvino")


def test_a_network_that_is_none_of_the_bundles_own_stays_on_torch(tmp_path):
    network = torch.nn.Conv2d(1, 3, 1)
    assert on_engine(network, tmp_path / "model.pt") is network
    with pytest.raises(
        InputError, match=r"^engine onnxruntime: runs the bundles' own networks, not a Conv2d; choose auto"
    ):
        on_engine(network, tmp_path / "model.pt", engine="onnxruntime")


@pytest.mark.parametrize("name", ["2d", "3d_fullres"])
def test_torch_in_bfloat16_labels_as_in_float32(bundles, name):
    network, short = read_network(bundles[name]), Bfloat16Network(read_network(bundles[name]))
    image = inputs_of(name, 1)["image"]
    with torch.no_grad():
        expected, found = network(image), short(image)
    assert found.dtype == torch.bfloat16
    assert (found.argmax(dim=1) == expected.argmax(dim=1)).double().mean() > 0.98
    assert not torch.equal(found.float(), expected)
    assert short.encoder is short.network.encoder


@pytest.mark.parametrize(
    ("name", "amp", "short"), [("2d", "auto", False), ("2d", True, True), ("translation", "auto", True)]
)
def test_torch_takes_bfloat16_by_itself_only_where_results_hold(bundles, monkeypatch, name, amp, short):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert isinstance(on(bundles[name], "torch", amp=amp), Bfloat16Network) is short


def test_both_ask_the_processor_alike():
    assert has_bfloat16() == cpu_has_bfloat16()


@pytest.mark.parametrize(("engine", "package"), [("onnxruntime", "onnxruntime"), ("openvino", "openvino")])
def test_an_engine_that_is_not_installed_is_told(bundles, monkeypatch, engine, package):
    monkeypatch.setitem(sys.modules, package, None)
    told = f"^engine {engine}: is not installed; install {engine}, or choose auto$"
    with pytest.raises(InputError, match=told):
        on(bundles["2d"], engine)
    with pytest.raises(InputError, match=told):
        open_engine(bundles["2d"] / "models" / "model.onnx", SEGMENTER_2D, Choices(engine))


def test_no_engine_at_all_is_told(monkeypatch):
    for name in ("openvino", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    told = 'engine: none of openvino, onnxruntime is installed; python -m pip install "tanq-monai[runtime]"'
    with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
        choose_engine(Choices(), SEGMENTER_2D, ("onnxruntime", "openvino"))
    told = 'engine: none of openvino is installed; python -m pip install "tanq-monai[openvino]"'
    with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
        choose_engine(Choices(bfloat16=True), SEGMENTER_2D, ("onnxruntime", "openvino"))


def test_the_extra_that_is_told_brings_the_engine():
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    for engine, extra in EXTRAS.items():
        assert re.search(rf'^{extra} = \[[^]]*"{engine}>=', project, re.MULTILINE)


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"engine": "warp"}, "engine warp: is none; choose auto or one of torch, openvino, onnxruntime"),
        ({"threads": 0}, "threads 0: is no number of threads; give 1 or more, or leave it out"),
        ({"threads": -2}, "threads -2: is no number of threads; give 1 or more, or leave it out"),
        ({"threads": 1.5}, "threads 1.5: is no number of threads; give 1 or more, or leave it out"),
        ({"amp": "bf16"}, "amp: 'bf16' is no choice; give auto, true or false"),
    ],
)
def test_choices_that_are_none_are_told(bundles, choices, told):
    with pytest.raises(InputError, match=f"^{told}$"):
        on_engine(read_network(bundles["2d"]), bundles["2d"] / "models" / "model.pt", **choices)


def test_an_engine_that_runs_no_such_network_is_told(tmp_path):
    network = CycleGanGenerator(width=4, blocks=1)
    assert on_engine(network, tmp_path / "model.pt", amp=False) is network
    with pytest.raises(InputError, match=r"^engine openvino: runs no such network; choose auto or one of torch$"):
        on_engine(network, tmp_path / "model.pt", engine="openvino")


@pytest.mark.skipif(cpu_has_bfloat16(), reason="this processor computes in bfloat16")
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_precision_that_the_processor_lacks_is_told(bundles, engine):
    told = "^amp: this processor has neither AMX nor AVX512-BF16; give auto or false$"
    with pytest.raises(InputError, match=told):
        on(bundles["2d"], engine, amp=True)
    if engine == "openvino":
        with pytest.raises(InputError, match=told):
            OpenVino(bundles["2d"] / "models" / "model.onnx", threads=1, bfloat16=True)


def test_an_engine_that_lacks_the_precision_is_told():
    with pytest.raises(InputError, match=r"^engine onnxruntime: computes in float32 alone; "):
        choose_engine(Choices("onnxruntime", bfloat16=True), SEGMENTER_2D, ("onnxruntime",))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--threads", "0"), "--threads 0: is not a whole number from 1 to 1024; give one or null "),
        (("--threads", "two"), "--threads two: is not a whole number from 1 to 1024; give one or null "),
        (("--engine", "torch"), "engine torch: runs no such network; choose auto or one of openvino, onnxruntime"),
        (("--amp", "half"), "--amp half: is not auto or true or false; give one "),
        (
            ("--engine", "openvino", "--provider", "cuda"),
            "engine openvino: runs no such network; choose auto or one of",
        ),
    ],
)
def test_the_runtime_tells_mistakes_in_one_line(bundles, tmp_path, words, told):
    output = tmp_path / "out.nii.gz"
    files = (
        "--model",
        bundles["2d"] / "models" / "model.onnx",
        "--image",
        tmp_path / "scan.nii.gz",
        "--output",
        output,
    )
    with pytest.raises(InputError, match=f"^{told}.*$"):
        main([*map(str, files), *words])
    assert not output.exists()


@pytest.mark.slow
def test_openvino_leaves_no_id_in_the_home_folder_and_tells_nobody(bundles, tmp_path):
    model = str(bundles["2d"] / "models" / "model.onnx")
    program = f"""
import sys
from tanq_monai.deploy.engines import SEGMENTER_2D, Choices, open_engine
open_engine({model!r}, SEGMENTER_2D, Choices("openvino"))
assert "openvino" in sys.modules
assert not any(name.startswith("openvino_telemetry.") for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_properties_are_read_as_onnx_runtime_reads_them(bundles):
    for folder in bundles.values():
        file = folder / "models" / "model.onnx"
        texts = onnxruntime.InferenceSession(file).get_modelmeta().custom_metadata_map
        assert read_properties(file) == {name: json.loads(text) for name, text in texts.items()}


def test_files_that_say_nothing_are_told(bundles, tmp_path):
    whole = (bundles["2d"] / "models" / "model.onnx").read_bytes()
    for content in (whole[:1000], whole[:-5], b"plain text, and no protobuf at all", b"\xff" * 40):
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(InputError, match=r"model\.onnx: cannot be opened \(.*\); export it again"):
            read_properties(tmp_path / "model.onnx")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(InputError, match=r"model\.onnx: does not say what it is"):
        read_properties(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="is a folder"):
        read_properties(tmp_path)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["2d", "3d_fullres", "translation"])
def test_a_size_that_the_network_does_not_take_is_told_in_one_line(bundles, name, engine):
    file = bundles[name] / "models" / "model.onnx"
    network = open_engine(file, KINDS[name], Choices(engine), "cpu")
    inputs = {put: array.numpy() for put, array in inputs_of(name, 1).items()}
    odd = inputs | {"image": np.ascontiguousarray(inputs["image"][..., :-1])}
    with pytest.raises(InputError, match=rf"^{file}: cannot be run on image \([^\n]*\([^\n]*\); export it again$"):
        network(odd)
    assert np.isfinite(network(inputs)).all()
