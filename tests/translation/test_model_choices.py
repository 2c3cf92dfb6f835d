import json

import pytest

from tanq_monai.errors import InputError
from tanq_monai.translation.model_choices import PAPER, read_choices, write_choices


def test_choices_lie_beside_the_model_and_come_back(tmp_path):
    choices = {"pixels": 80, "pixel_mm": 1.4, "slab_mm": 32.0, "styles": ["ldn", "etz"], "width": 8, "blocks": 4}
    write_choices(choices, tmp_path / "model.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    assert read_choices(tmp_path / "model.pt") == choices | {"structures": {"VS": 1, "cochlea": 2}}  # an older file
    choices["structures"] = {"left atrium": {"value": 1, "norm": "own"}}
    write_choices(choices, tmp_path / "model.pt")
    assert read_choices(tmp_path / "model.pt") == choices


def test_a_model_without_choices_is_the_papers(tmp_path):
    assert read_choices(tmp_path / "model.pt") == PAPER


@pytest.mark.parametrize(
    ("content", "problem"),
    [("{", "is no JSON"), ("[]", "has not the choices"), (json.dumps({"pixels": 80}), "has not the choices pixels, ")],
)
def test_a_damaged_file_is_told(tmp_path, content, problem):
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(InputError, match=rf"model\.json: {problem}"):
        read_choices(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixels": 0},
        {"pixels": "many"},
        {"pixel_mm": -1.0},
        {"slab_mm": 0},
        {"styles": []},
        {"styles": [3]},
        {"width": 1.5},
    ],
)
def test_a_value_that_no_training_would_have_written_is_told(tmp_path, wrong):
    write_choices({**PAPER, **wrong}, tmp_path / "model.pt")
    with pytest.raises(InputError, match=rf"model\.json: says {next(iter(wrong))} "):
        read_choices(tmp_path / "model.pt")


def test_a_model_of_whole_volumes_has_no_height_of_a_slab(tmp_path):
    write_choices({**PAPER, "slab_mm": None}, tmp_path / "model.pt")
    assert read_choices(tmp_path / "model.pt")["slab_mm"] is None
