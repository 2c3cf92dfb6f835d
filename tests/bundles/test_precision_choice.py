"""The choice ``amp`` of the translation bundle's configs, evaluated as MONAI would."""

import pytest
import torch
from bundle_workflow import BUNDLES
from monai.bundle import ConfigParser

from tanq_monai.errors import mistake_behind

CONFIGS = BUNDLES / "tanq_translation" / "configs"
USERS = {
    ("train.yaml",): "train#trainer#amp",
    ("train.yaml", "train_cyclegan.yaml"): "train#trainer#amp",
    ("multi_view.yaml",): "multi_view#translator#amp",
}


def _decision(configs, **choices):
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / name) for name in configs])
    parser.update({"device": "cpu", **choices})
    return parser.get_parsed_content(USERS[configs])


@pytest.mark.parametrize("configs", USERS, ids="+".join)
@pytest.mark.parametrize("has_it", [False, True])
def test_by_default_the_processor_decides(monkeypatch, configs, has_it):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_it}, raising=False)
    assert _decision(configs) is has_it
    assert _decision(configs, amp=False) is False


@pytest.mark.parametrize("configs", USERS, ids="+".join)
@pytest.mark.parametrize("amp", [True, "fast"])
def test_what_cannot_be_is_told_in_one_line(monkeypatch, configs, amp):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    with pytest.raises(RuntimeError) as caught:
        _decision(configs, amp=amp)
    assert str(mistake_behind(caught.value)).startswith("amp: ")
