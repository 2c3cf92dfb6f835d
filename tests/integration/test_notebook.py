"""The notebook of the documents runs with the shipped weights, scores by the definition, and shows today's figures."""

import json
import re
from pathlib import Path

import nbformat
import nibabel as nib
import numpy as np
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first_label.ipynb"
SHOWN = nbformat.read(NOTEBOOK, as_version=4)
TOLD = """
import json
print(json.dumps({"scores": scores.to_dict("list"), "out": str(done.folder), "truths": str(truths)}))
"""
VALUES = {"VS": 1, "cochlea": 2}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, slow):
    """Scores that the notebook computed, and the folders of its labels and of the truth."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(TOLD))
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        for name, value in {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}.items():
            patch.setenv(name, value)
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    return json.loads(notebook.cells[-1].outputs[-1].text)


def shown_dice() -> list[float]:
    """The column of the last table in the committed notebook."""
    outputs = [output for cell in SHOWN.cells for output in cell.get("outputs", ()) if "data" in output]
    _, *rows = outputs[-1].data["text/plain"].splitlines()
    return [float(row.split()[2]) for row in rows]


def test_its_scores_are_those_by_the_definition(ran):
    (file,) = Path(ran["truths"]).glob("*_Label.nii.gz")
    pair = [np.asarray(nib.load(place).dataobj) for place in (Path(ran["out"]) / file.name, file)]
    assert ran["scores"]["structure"] == list(VALUES)
    for value, dice in zip(VALUES.values(), ran["scores"]["dice"], strict=True):
        found, true = (labels == value for labels in pair)
        assert true.any() and found.any()
        assert dice == pytest.approx(2 * (found & true).sum() / (found.sum() + true.sum()))


def test_the_committed_figures_are_those_of_the_shipped_weights(ran):
    assert shown_dice() == pytest.approx(ran["scores"]["dice"], abs=0.03), "run `make notebook`"


def test_the_committed_outputs_are_small_and_say_nothing_of_a_machine():
    outputs = [output for cell in SHOWN.cells for output in cell.get("outputs", ())]
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    assert [cell for cell in SHOWN.cells if cell.cell_type == "code" and not cell.outputs] == []
    assert NOTEBOOK.stat().st_size < 300_000
    assert re.findall(r"/(?:tmp|home|root|work|Users|mnt)/", NOTEBOOK.read_text()) == []


def test_its_first_lines_say_that_it_is_for_research_only():
    assert "Research use only: not a medical device" in SHOWN.cells[0].source
