"""The blocks of docs/embedding.md, each run as it stands in a folder with bundles and scans.

Those of MONAI Label and MONAI Deploy want environments of their own: test_label.py, test_deploy_app.py.
"""

import re
import shlex
import shutil
from pathlib import Path

import nibabel as nib
import pytest
from bundle_workflow import BUNDLES
from typed import ended, run_module

from tanq_monai.deploy.rendering import rendered_json

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "embedding.md").read_text()
FOUND = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)
BLOCKS = [code for language, code in FOUND if language == "python"]
COMMANDS = [code for language, code in FOUND if not language]
RESULTS = ("labels/crossmoda2021_ldn_211_Label.nii.gz", "label.nii.gz")  # of the second and third


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_phantom, exported):
    """What the page says lies there: bundles (a small segmenter), a zoo's bundle (the one that is shipped), scans."""
    folder = tmp_path_factory.mktemp("embedding")
    (folder / "bundles").mkdir()
    (folder / "bundles" / "vs_cochlea_seg").symlink_to(exported["2d"][0])
    segmenter = folder / "zoo_bundles" / "vs_cochlea_seg"
    for part in ("configs", "models"):
        shutil.copytree(BUNDLES / "vs_cochlea_seg" / part, segmenter / part)
    (segmenter / "configs" / "inference.json").write_text(rendered_json(segmenter / "configs" / "inference.yaml"))
    (folder / "scans").symlink_to(tiny_phantom / "validation")
    return folder


def run(program, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = ended(program)
    assert done.returncode == 0, done.stderr


def test_the_page_has_the_blocks_that_are_run():
    assert (len(BLOCKS), len(COMMANDS)) == (5, 1)
    assert BLOCKS[3] in (DOCS / "label.md").read_text()  # whose blocks `make test-label` types
    assert "tanq_monai.deploy.app" in BLOCKS[4]  # `make test-deploy`


@pytest.mark.parametrize("number", range(3))
def test_every_block_runs_as_it_stands(place, number):
    check = "\nassert logits.shape == (1, 3, 160, 160)\n" if number == 0 else ""
    folder = place if number else place / "zoo_bundles" / "vs_cochlea_seg"
    run(lambda: exec(BLOCKS[number] + check, {"__name__": "__main__"}), folder)
    if number:
        scan = nib.load(place / "scans" / "crossmoda2021_ldn_211_hrT2.nii.gz")
        assert nib.load(place / RESULTS[number - 1]).shape == scan.shape


def test_the_command_writes_the_label(place):
    (place / "label.nii.gz").unlink(missing_ok=True)
    python, dash_m, module, *words = shlex.split(COMMANDS[0])
    assert (python, dash_m) == ("python", "-m")
    done = run_module(module, words, place)
    assert done.returncode == 0, done.stderr
    assert (place / "label.nii.gz").is_file()
