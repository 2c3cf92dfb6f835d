"""Writing aside, then renaming."""

import pytest

from tanq_monai.errors import InputError
from tanq_monai.files import check_output_file, filling, replacing


def test_where_a_file_cannot_be_written_is_told_before_the_work(tmp_path):
    assert check_output_file(tmp_path / "new" / "file.txt").parent.is_dir()
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(InputError, match="new: is a folder; give the name of a file"):
        check_output_file(tmp_path / "new")
    with pytest.raises(InputError, match=r"x: cannot be written \(.*\); choose another place"):
        check_output_file("/proc/x")


def test_the_file_appears_in_a_new_folder_when_the_block_has_ended(tmp_path):
    path = tmp_path / "new" / "folder" / "scores.csv"
    with replacing(path) as temporary:
        temporary.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "endings"),
    [("case_Label.nii.gz", ".nii.gz"), ("model.pt", ".pt"), ("a.1.csv", ".csv"), ("README", "")],
)
def test_the_temporary_file_lies_beside_it_with_the_same_endings(tmp_path, name, endings):
    with replacing(str(tmp_path / name)) as temporary:
        temporary.touch()
        assert temporary.parent == tmp_path
        assert temporary.name != name
        assert temporary.name.endswith(endings)
        assert temporary.name.startswith(".")


def test_who_looks_for_labels_does_not_find_the_temporary_file(tmp_path):
    with replacing(tmp_path / "case_Label.nii.gz") as temporary:
        temporary.touch()
        assert list(tmp_path.glob("*_Label.nii.gz")) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path, error):
    path = tmp_path / "model.pt"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("ha")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_rename_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "is_a_folder"
    (path / "with_a_file").mkdir(parents=True)

    def write():
        with replacing(path) as temporary:
            temporary.write_text("new")

    with pytest.raises(InputError, match=r"is_a_folder: cannot be written \(Is a directory\); choose another place"):
        write()
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    def write():
        with replacing(tmp_path / "model.pt"):
            pass

    with pytest.raises(FileNotFoundError):
        write()


def test_a_folder_is_filled_at_the_end_or_not_at_all(tmp_path):
    out = tmp_path / "a" / "out"
    with filling(out) as temporary:
        (temporary / "series").mkdir()
        (temporary / "series" / "1.dcm").write_text("one")
        (temporary / "report.json").write_text("{}")
        assert [path.name for path in out.iterdir()] == [temporary.name]
    assert sorted(path.name for path in out.iterdir()) == ["report.json", "series"]
    with pytest.raises(KeyError), filling(tmp_path / "b") as temporary:
        (temporary / "half").write_text("")
        raise KeyError
    assert not (tmp_path / "b").exists()


def test_a_folder_that_was_there_stays_after_an_error(tmp_path):
    with pytest.raises(KeyError), filling(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_filled_over_what_it_holds(tmp_path):
    (tmp_path / "old").write_text("")
    with pytest.raises(InputError, match="is not empty"), filling(tmp_path):
        pass
    with pytest.raises(InputError, match="cannot be written to"), filling(tmp_path / "old"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
