"""Writing aside, then renaming."""

import errno
import hashlib
import json
import os
import resource

import pytest
from processes import end, start

from tanq_monai.errors import InputError, InputErrors
from tanq_monai.files import (
    VIRTUAL,
    add_line,
    check_output_file,
    check_renewable,
    file_stamps,
    filling,
    renewing,
    replacing,
    sha256_of,
    told_when_full,
    write_json,
)


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
        assert all(path.name.startswith(temporary.name) for path in out.iterdir())
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


@pytest.mark.parametrize("name", ["case_Label.nii.gz", "two  words.csv", "line\nbreak.csv", "\udcff.csv"])
def test_a_result_is_replaced_by_a_later_one_and_by_nothing_once_somebody_changed_it(tmp_path, name):
    path = tmp_path / "new" / name
    for text in ("first", "second", "second"):
        with renewing(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
        if "\n" in name:
            return  # cannot be told again from the record, so it stays
    path.write_text("corrected")
    with pytest.raises(InputErrors, match="is there already, and not as an earlier run wrote it; take it away, or"):
        write(path, "third")
    assert path.read_text() == "corrected"
    path.write_text("first")  # as a copy of an earlier state that somebody brought back
    write(path, "third")
    assert path.read_text() == "third"


def write(path, text):
    with renewing(path) as temporary:
        temporary.write_text(text)


def test_what_somebody_else_wrote_is_not_replaced_also_where_a_link_leads_to_it(tmp_path):
    own = tmp_path / "own.csv"
    own.write_text("mine")
    (tmp_path / "out").symlink_to(tmp_path)
    (tmp_path / "link.csv").symlink_to(own)
    (tmp_path / "hard.csv").hardlink_to(own)
    for path in (own, tmp_path / "out" / "own.csv", tmp_path / "link.csv", tmp_path / "hard.csv"):
        with pytest.raises(InputErrors, match="is there already"):
            write(path, "ours")
        assert path.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hard.csv", "link.csv", "out", "own.csv"]


def test_all_that_would_be_lost_is_told_at_once(tmp_path):
    write(tmp_path / "ours", "ours")
    for name in ("a", "b"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(InputErrors) as error:
        check_renewable([tmp_path / name for name in ("ours", "a", "new", "b")])
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [str(tmp_path / n) for n in "ab"]


def test_what_a_virtual_patient_is_made_of_is_replaced_by_no_result(tmp_path):
    label = tmp_path / "a_Label.nii.gz"
    with renewing(label, VIRTUAL) as temporary:
        temporary.write_text("truth")
    with pytest.raises(InputErrors, match="is there already"):
        write(label, "prediction")
    with renewing(label, VIRTUAL) as temporary:
        temporary.write_text("of another seed")
    assert label.read_text() == "of another seed"


def test_the_record_of_results_is_one_that_sha256sum_reads(tmp_path):
    write(tmp_path / "a.csv", "of a")
    write(tmp_path / "b.csv", "of b")
    lines = [f"{hashlib.sha256(text).hexdigest()}  {name}" for text, name in ((b"of a", "a.csv"), (b"of b", "b.csv"))]
    assert (tmp_path / ".written.sha256").read_text().splitlines() == lines


@pytest.mark.slow
def test_a_run_that_is_killed_just_before_its_result_takes_its_place_may_write_it_again(tmp_path):
    path = tmp_path / "a.csv"
    write(path, "first")
    assert end(start(write_and_die, path)) == [9]
    assert path.read_text() == "first"
    write(path, "second")
    assert path.read_text() == "second"


def write_and_die(path):
    os.replace = lambda *_: os._exit(9)
    write(path, "second")


def test_a_file_does_not_take_the_place_of_what_it_is_made_of(tmp_path):
    (tmp_path / "scan").touch()
    (tmp_path / "link").symlink_to(tmp_path / "scan")
    for output, source in (("scan", "scan"), ("link", "scan"), ("scan", "link")):
        with pytest.raises(InputError, match="would replace what it is made of; give another name"):
            check_output_file(tmp_path / output, tmp_path / "other", None, tmp_path / source)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "cannot be written (No space left on device); make room"),
        (OSError(errno.EROFS, "Read-only file system"), "cannot be written (Read-only file system); choose another"),
        (OSError("98304 requested and 20416 written"), "make room and start again"),
    ],
)
def test_a_disk_that_refuses_is_told_with_the_file(tmp_path, error, told):
    with pytest.raises(InputError) as mistake, replacing(tmp_path / "model.pt"):
        raise error
    assert str(mistake.value).startswith(f"{tmp_path / 'model.pt'}: cannot be written (")
    assert told in str(mistake.value)


def test_other_errors_within_the_block_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), replacing(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere")
    with pytest.raises(RuntimeError, match="a fault"), replacing(tmp_path / "a"):
        raise RuntimeError("a fault")
    with pytest.raises(OSError, match="cannot write mode F as PNG"), replacing(tmp_path / "a"):
        raise OSError("cannot write mode F as PNG")


def test_a_line_below_one_that_broke_off_is_one_of_its_own(tmp_path):
    for before, after in ((None, "b\n"), ("", "b\n"), ("a\n", "a\nb\n"), ("a", "a\nb\n")):
        path = tmp_path / "lines"
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_text(before)
        add_line("b", path)
        assert path.read_text() == after


def test_a_result_is_known_again_though_the_record_broke_off_before(tmp_path):
    write(tmp_path / "a.csv", "first")
    with (tmp_path / ".written.sha256").open("a") as record:
        record.write("0123456789")  # and then the disk was full
    for text in ("second", "third"):
        write(tmp_path / "b.csv", text)
    assert (tmp_path / "b.csv").read_text() == "third"


def test_whatever_others_make_of_a_full_disk_is_told_as_that_and_other_faults_are_not(tmp_path):
    with pytest.raises(RuntimeError, match="while creating"), told_when_full(tmp_path):
        raise RuntimeError("Error while creating the NDArray")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        told = r"cannot be written to \(File too large\); make room and start again"
        with pytest.raises(InputError, match=told), told_when_full(tmp_path):
            raise RuntimeError("Error while creating the NDArray")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_json_that_says_so_already_is_left_as_it_is(tmp_path):
    path = tmp_path / "a.json"
    write_json({"a": 1}, path)
    os.utime(path, (0, 0))
    write_json({"a": 1}, path)
    assert path.stat().st_mtime == 0
    write_json({"a": 2}, path)
    assert json.loads(path.read_text()) == {"a": 2}


def test_stamps_are_of_all_files_below_a_folder_but_hidden_ones(tmp_path):
    for name in ("b", "a", ".hidden", "in/c", ".in/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    stamps = file_stamps([tmp_path, tmp_path / "a"])
    assert [(name, size) for name, size, _ in stamps] == [(str(tmp_path / n), len(n)) for n in ("a", "b", "in/c")]
    assert all(time == (tmp_path / name).stat().st_mtime_ns for name, _, time in stamps)


def test_a_digest_is_of_all_bytes_of_all_files(tmp_path):
    parts = [bytes([number]) * size for number, size in enumerate((3, 2_500_000, 0, 1))]
    for number, part in enumerate(parts):
        (tmp_path / str(number)).write_bytes(part)
    files = [tmp_path / str(number) for number in range(4)]
    assert sha256_of(*files) == hashlib.sha256(b"".join(parts)).hexdigest()


def test_digests_that_cannot_be_read_are_told_before_the_work(tmp_path):
    (tmp_path / ".written.sha256").mkdir()
    told = r"\.written\.sha256: cannot be read \(Is a directory\); take it away, or choose another place"
    with pytest.raises(InputError, match=told):
        check_renewable([tmp_path / "scores.csv"])
    with pytest.raises(InputError, match=told), renewing(tmp_path / "scores.csv"):
        raise AssertionError("nothing is computed")
    assert [path.name for path in tmp_path.iterdir()] == [".written.sha256"]
