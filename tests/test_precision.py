from pathlib import Path

import pytest
import torch

from tanq_monai.errors import InputError
from tanq_monai.precision import cpu_has_bfloat16, use_amp

CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPUINFO.exists(), reason="asks Linux")
def test_linux_sees_the_same_instructions_as_torch():
    flags = next((set(line.split()) for line in CPUINFO.read_text().splitlines() if line.startswith("flags")), set())
    assert cpu_has_bfloat16() == bool(flags & {"amx_bf16", "avx512_bf16"})


@pytest.mark.parametrize("capabilities", [{"amx_bf16": True}, {"avx512_bf16": True, "amx_bf16": False}])
def test_either_instruction_set_is_enough(monkeypatch, capabilities):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert use_amp("auto", "cpu")
    assert use_amp(True, torch.device("cpu"))


@pytest.mark.parametrize(("asked", "answer"), [("_is_amx_tile_supported", True), ("_is_avx512_bf16_supported", True)])
def test_an_older_torch_is_asked_in_its_own_words(monkeypatch, asked, answer):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda told=name == asked and answer: told, raising=False)
    assert cpu_has_bfloat16()


def test_a_torch_that_cannot_tell_is_taken_for_one_without(monkeypatch):
    for name in ("get_capabilities", "_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not cpu_has_bfloat16()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_device_without_it_keeps_float32_by_itself(monkeypatch, device):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True}, raising=False)
    assert not use_amp("auto", device)


@pytest.mark.parametrize("device", ["cuda", torch.device("cuda", 1)])
@pytest.mark.parametrize(("amp", "used"), [("auto", True), (True, True), (False, False)])
def test_a_cuda_device_has_it(device, amp, used):
    assert use_amp(amp, device) is used


@pytest.mark.parametrize("amp", [False, "false", "False"])
def test_false_is_false_in_every_spelling_of_a_command_line(amp):
    assert use_amp(amp, "cpu") is use_amp(amp, "cuda") is False


@pytest.mark.parametrize("amp", [True, "true", "True"])
def test_a_precision_that_the_processor_lacks_is_told_in_one_line(monkeypatch, amp):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    line = "amp: this processor has neither AMX nor AVX512-BF16; give auto or false"
    with pytest.raises(InputError, match=f"^{line}$"):
        use_amp(amp, "cpu")


@pytest.mark.parametrize("amp", ["bf16", 1, None, ""])
def test_another_word_is_told_in_one_line(amp):
    with pytest.raises(InputError, match=f"^amp: {amp!r} is no choice; give auto, true or false$"):
        use_amp(amp, "cuda")
