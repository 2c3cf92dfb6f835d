"""The command line as a user meets it: exit codes and one-line mistakes."""

import pytest
from typed import run_command


def test_the_phantom_command_writes_the_layout_of_crossmoda_2022(tmp_path):
    counts = ("--num-source", 1, "--num-target", 1, "--num-test", 1, "--seed", 3)
    result = run_command("phantom", "--output-dir", tmp_path / "D", "--size", "tiny", *counts)
    assert result.returncode == 0, result.stderr
    files = sorted(str(path.relative_to(tmp_path / "D")) for path in (tmp_path / "D").rglob("*.nii.gz"))
    assert files == [
        "training_source/crossmoda2021_ldn_1_Label.nii.gz",
        "training_source/crossmoda2021_ldn_1_ceT1.nii.gz",
        "training_target/crossmoda2021_ldn_106_hrT2.nii.gz",
        "validation/crossmoda2021_ldn_211_hrT2.nii.gz",
        "withheld_labels/training_target/crossmoda2021_ldn_106_Label.nii.gz",
        "withheld_labels/validation/crossmoda2021_ldn_211_Label.nii.gz",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("demo", "--size", "huge"), "--size huge: is not a size of the demo; choose one of tiny, small"),
        (("phantom", "--output-dir", "{file}", "--seed", "abc"), "--seed abc: is not a whole number"),
        (("phantom", "--output-dir", "{file}"), "is a file; give the name of a folder"),
        (("demo", "--output-dir", "{file}"), "choose another output folder"),
        (
            ("phantom", "--output-dir", "{file}_new", "--sise", "tiny"),
            "--sise: is no option of phantom; choose of --help,",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_with_exit_code_1(tmp_path, arguments, told):
    file = tmp_path / "file"
    file.touch()
    result = run_command(*(word.format(file=file) for word in arguments))
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.strip().startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert told in result.stderr
