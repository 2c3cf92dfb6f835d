import json

import pytest

from tanq_monai.data.model_choices import PAPER, read_choices, write_choices
from tanq_monai.errors import InputError


def test_choices_lie_beside_the_model_and_come_back(tmp_path):
    choices = {"pixels": 80, "pixel_mm": 1.4, "slab_mm": 32.0, "styles": ["ldn", "etz"], "width": 8, "blocks": 4}
    write_choices(choices, tmp_path / "model.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
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
