"""One series out of a folder, or one line that says why not; nothing is written then."""

import json
import shutil

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from tanq_monai.deploy.app.bundle import find_bundle, style_of_bundle
from tanq_monai.deploy.app.command import main
from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.selection import choose_series
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.errors import InputError
from tanq_monai.scans.contrast import OWN_RULES
from tanq_monai.translation.model_choices import PAPER, write_choices

AFFINE = np.diag([-0.5, -0.5, 1.5, 1.0])


def write(folder, sequence="CISS", case="patient", shape=(8, 8, 6)):
    tags = virtual_tags(case, PROTOCOLS[sequence])
    files = write_mr_series(folder, np.random.default_rng(0).uniform(0, 100, shape), AFFINE, tags)
    return str(tags.SeriesInstanceUID), files


@pytest.fixture
def bundle(tmp_path):
    """A bundle with a file in place of weights, which no refusal gets to."""
    folder = tmp_path / "vs_cochlea_seg"
    shutil.copytree("bundles/vs_cochlea_seg", folder)
    (folder / "models" / "model.pt").touch()
    return folder


@pytest.fixture
def refusal(tmp_path, bundle, capsys):
    """What the command says of a folder, which must be all that it does."""

    def told(study, *more, command="segment", model=bundle):
        out = tmp_path / "out"
        with pytest.raises(InputError) as error:
            main([command, "-i", str(study), "-m", str(model), "-o", str(out), *map(str, more)])
        line = str(error.value)
        assert "\n" not in line and not out.exists()
        assert capsys.readouterr() == ("", "")
        return line

    return told


def change(file, edit):
    image = pydicom.dcmread(file)
    edit(image)
    image.save_as(file)


def test_the_one_series_of_the_contrast_is_found_among_others_below_the_folder(tmp_path):
    uid, files = write(tmp_path / "a" / "b", "3D TSE")
    write(tmp_path / "c", "3D FFE")
    (tmp_path / "notes.txt").write_text("no DICOM")
    chosen = choose_series(tmp_path, "hrT2", OWN_RULES)
    assert chosen.header.SeriesInstanceUID == uid
    assert list(chosen.files) == files
    assert chosen.chosen_by.startswith("rule hrT2, turbo spin echo")


def test_files_come_in_the_order_of_their_numbers(tmp_path):
    _, files = write(tmp_path)
    files[0].rename(tmp_path / "zz.dcm")
    assert [int(h.InstanceNumber) for h in choose_series(tmp_path, "hrT2", OWN_RULES).headers] == [1, 2, 3, 4, 5, 6]


def test_the_user_can_insist_on_a_series(tmp_path):
    uid, _ = write(tmp_path, "3D FLASH")
    assert choose_series(tmp_path, "hrT2", OWN_RULES, uid).chosen_by == "the user"


def test_a_hospitals_rules_take_the_place_of_ours(tmp_path):
    write(tmp_path / "study", "3D FLASH")
    rules = tmp_path / "rules.yaml"
    rules.write_text("hrT2: {always: {Modality: {has: [MR]}}, looks: {all: {SeriesDescription: {unlike: scout}}}}")
    assert choose_series(tmp_path / "study", "hrT2", rules).chosen_by == "rule hrT2, all"


def test_a_folder_without_dicom_is_refused(tmp_path, refusal):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "a.dcm").write_text("no DICOM")
    assert "study: holds no DICOM file; give the folder" in refusal(tmp_path / "study")
    assert "absent: is not a folder" in refusal(tmp_path / "absent")


def test_two_series_that_match_are_refused_by_name(tmp_path, refusal):
    uids = [write(tmp_path / "study" / name, name)[0] for name in ("CISS", "3D TSE")]
    line = refusal(tmp_path / "study")
    assert "holds 2 series of hrT2: '3D TSE phantom'" in line and "--series UID" in line
    assert all(uid in line for uid in uids)


def test_a_contrast_for_which_the_bundle_was_not_trained_is_refused(tmp_path, refusal):
    write(tmp_path / "study", "MPRAGE")
    line = refusal(tmp_path / "study")
    assert "holds no series of hrT2, for which the bundle was trained: 'MPRAGE phantom' (ScanningSequence" in line


def test_a_uid_that_is_not_there_is_refused_with_those_that_are(tmp_path, refusal):
    uid, _ = write(tmp_path / "study")
    assert f"holds no series 1.2.3; choose one of 'CISS phantom' {uid}" in refusal(
        tmp_path / "study", "--series", "1.2.3"
    )


def drop(files):
    files[2].unlink()


def double(files):
    shutil.copy(files[2], files[2].with_name("again.dcm"))


def shift(files):
    change(files[2], lambda image: image.ImagePositionPatient.__setitem__(2, image.ImagePositionPatient[2] + 0.5))


def turn(files):
    change(files[2], lambda image: setattr(image, "ImageOrientationPatient", [0, 1, 0, 1, 0, 0]))


def lose_position(files):
    change(files[2], lambda image: delattr(image, "ImagePositionPatient"))


def lose_orientation(files):
    change(files[2], lambda image: delattr(image, "ImageOrientationPatient"))


def shrink(files):
    change(files[2], lambda image: setattr(image, "PixelSpacing", [0.4, 0.4]))


def keep_one(files):
    for file in files[1:]:
        file.unlink()


def cut(files):
    files[2].write_bytes(files[2].read_bytes()[:140] + b"\x02\x00\x00")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (drop, "has slice steps from 1.50 to 3.00 mm"),
        (double, "has slice steps from 0.00 to 1.50 mm"),
        (shift, "has slice steps from 1.00 to 2.00 mm"),
        (turn, "holds slices of several orientations"),
        (lose_position, "has 0 numbers as ImagePositionPatient, not 3"),
        (lose_orientation, "has 0 numbers as ImageOrientationPatient, not 6"),
        (shrink, "holds slices of several sizes"),
        (keep_one, "holds 1 DICOM slices"),
    ],
)
def test_slices_that_make_no_regular_volume_are_refused(tmp_path, refusal, damage, told):
    _, files = write(tmp_path / "study")
    damage(files)
    assert told in refusal(tmp_path / "study")


def test_bundles_of_another_task_or_without_weights_are_refused(tmp_path, refusal, bundle):
    write(tmp_path / "study")
    assert "is of another task, its output is magnitude" in refusal(
        tmp_path / "study", model="bundles/tanq_translation"
    )
    assert "metadata.json: cannot be read" in refusal(tmp_path / "study", model=tmp_path / "study")
    (bundle / "models" / "model.pt").unlink()
    assert "holds no model.ts or model.pt" in refusal(tmp_path / "study")
    (bundle / "models" / "model.ts").touch()
    dataset = bundle / "models" / "dataset.json"
    three = {"background": 0, "VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3}
    dataset.write_text(json.dumps(json.loads(dataset.read_text()) | {"labels": three}))
    assert "labels VS intrameatal, VS extrameatal, cochlea, not VS and cochlea" in refusal(tmp_path / "study")
    dataset.unlink()
    assert "dataset.json: is missing" in refusal(tmp_path / "study")


@pytest.fixture
def translator(tmp_path):
    """A bundle of two looks, with a file in place of weights."""
    model = tmp_path / "tanq_translation" / "models" / "model.pt"
    shutil.copytree("bundles/tanq_translation", tmp_path / "tanq_translation")
    model.parent.mkdir(exist_ok=True)
    model.touch()
    write_choices(PAPER | {"styles": ["ldn", "etz"]}, model)
    return tmp_path / "tanq_translation"


def test_a_translator_needs_its_weights_as_a_state_dict(tmp_path, refusal, translator):
    (translator / "models" / "model.pt").rename(translator / "models" / "model.ts")
    line = refusal(tmp_path, "--label", "label.nii.gz", "--style", "ldn", command="translate", model=translator)
    assert "models: holds no model.pt; put trained weights there" in line


def test_a_label_on_another_grid_is_refused(tmp_path, refusal, translator):
    write(tmp_path / "study", "3D FLASH")
    label = tmp_path / "label.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((8, 8, 5), np.uint8), AFFINE), label)
    given = ("--label", label, "--style", "etz")
    line = refusal(tmp_path / "study", *given, command="translate", model=translator)
    assert "has shape (8, 8, 5), its scan (8, 8, 6)" in line


def test_a_look_that_the_translator_does_not_know_is_refused(tmp_path, refusal, translator):
    write(tmp_path / "study", "3D FLASH")
    given = {"command": "translate", "model": translator}
    line = refusal(tmp_path / "study", "--label", "label.nii.gz", **given)
    assert "--style: is missing, tanq_translation knows several; choose one of ldn, etz" in line
    line = refusal(tmp_path / "study", "--label", "label.nii.gz", "--style", "ukm", **given)
    assert "ukm: has none of the styles ['ldn', 'etz']" in line


def test_a_translator_of_one_look_needs_no_choice(translator):
    write_choices(PAPER | {"styles": ["ldn"]}, translator / "models" / "model.pt")
    assert style_of_bundle(find_bundle(translator, "tanq_translation"), None) == "ldn"


def test_an_output_folder_that_holds_something_is_refused_and_stays(tmp_path, bundle):
    write(tmp_path / "study")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.dcm").write_text("of another run")
    with pytest.raises(InputError, match="out: is not empty; give a new folder"):
        main(["segment", "-i", str(tmp_path / "study"), "-m", str(bundle), "-o", str(tmp_path / "out")])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old.dcm"]


@pytest.mark.parametrize("missing", ["input", "model", "output"])
def test_a_missing_path_is_told(monkeypatch, missing):
    for name in ("INPUT", "MODEL", "OUTPUT"):
        monkeypatch.delenv(f"HOLOSCAN_{name}_PATH", raising=False)
    given = [word for name in ("input", "model", "output") if name != missing for word in (f"--{name}", "somewhere")]
    with pytest.raises(InputError, match=f"^--{missing}: is missing; give it, or HOLOSCAN_{missing.upper()}_PATH"):
        main(["segment", *given])


def test_a_file_that_breaks_off_is_told(tmp_path, refusal):
    _, files = write(tmp_path / "study")
    cut(files)
    assert "IM0003.dcm: cannot be read as DICOM" in refusal(tmp_path / "study")


def test_scans_of_one_virtual_patient_are_one_study(tmp_path):
    one, other = (virtual_tags("patient", PROTOCOLS[name]) for name in ("CISS", "3D FLASH"))
    stranger = virtual_tags("stranger", PROTOCOLS["CISS"])
    assert one.StudyInstanceUID == other.StudyInstanceUID != stranger.StudyInstanceUID
    assert one.FrameOfReferenceUID == other.FrameOfReferenceUID != stranger.FrameOfReferenceUID
    assert len({one.SeriesInstanceUID, other.SeriesInstanceUID, stranger.SeriesInstanceUID, generate_uid()}) == 4


def test_virtual_series_names_the_sequences_it_knows(tmp_path):
    with pytest.raises(InputError, match=r"^--sequence FLAIR: is none of the phantom's; choose one of 3D FLASH, "):
        main(["virtual-series", "-i", "a.nii.gz", "--sequence", "FLAIR", "-o", str(tmp_path / "out")])
