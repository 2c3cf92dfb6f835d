"""What a killed process leaves goes when the next one writes there, and nothing of a live one does."""

import os
import signal
import time

import pytest
from processes import end, start

from tanq_monai.claims import claimed, locked
from tanq_monai.files import aside, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def wait_for(folder, pattern, seconds=60):
    until = time.monotonic() + seconds
    while not any(folder.glob(pattern)):
        assert time.monotonic() < until, f"{folder / pattern} did not come"
        time.sleep(0.01)


def write_for_a_while(folder, go):
    with replacing(folder / "of_live.nii.gz") as temporary:
        temporary.write_text("half")
        wait_for(go.parent, go.name)
        temporary.write_text("whole")


def die_while_writing(folder):
    with (
        replacing(folder / "a.nii.gz") as file,
        replacing(folder / "link.nii") as link,
        aside(folder / "b") as made,
    ):
        file.write_text("half")
        link.symlink_to(folder)
        (made / "in").mkdir()
        (made / "in" / "it").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def write(folder):
    with replacing(folder / "new.csv") as temporary:
        temporary.write_text("whole")


@pytest.mark.slow
def test_the_next_process_that_writes_there_removes_what_dead_ones_left_and_nothing_of_a_live_one(tmp_path):
    folder, go = tmp_path / "results", tmp_path / "go"
    live = start(write_for_a_while, folder, go)
    wait_for(folder, ".of_live.*.nii.gz")
    assert end(start(die_while_writing, folder)) == [-signal.SIGKILL]
    (folder / "mine.writing-12").touch()
    before = names(folder)
    assert len(before) == 2 + 6 + 1  # each with its claim
    assert end(start(write, folder)) == [0]
    left = names(folder)
    assert [name for name in before if name not in left] == [name for name in before if "of_live" not in name][:-1]
    assert [name for name in left if name not in before] == ["new.csv"]
    go.touch()
    assert end(live) == [0]
    assert names(folder) == ["mine.writing-12", "new.csv", "of_live.nii.gz"]
    assert (folder / "of_live.nii.gz").read_text() == "whole"


def test_of_two_that_write_the_same_file_each_has_a_name_of_its_own(tmp_path):
    with claimed(tmp_path / "a.csv") as first, claimed(tmp_path / "a.csv") as second:
        assert first != second
        assert first.suffix == second.suffix == ".csv"
    assert names(tmp_path) == []


def test_a_claim_that_was_taken_for_a_dead_ones_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    lock, taken = pytest.importorskip("fcntl").flock, []

    def flock(file, how):
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        lock(file, how)

    monkeypatch.setattr("fcntl.flock", flock)
    with claimed(tmp_path / "a.csv"):
        (claim,) = tmp_path.iterdir()
        assert claim != taken[0]
    assert names(tmp_path) == []


def test_a_locked_file_is_had_by_one_and_gone_afterwards(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "new" / "a.lock"
    with locked(path):
        with pytest.raises(BlockingIOError), locked(path, wait=False):
            pass
        assert path.exists()
    assert not path.exists()
    with locked(path, wait=False):
        pass


def test_whoever_waited_for_a_locked_file_that_was_taken_away_locks_the_new_one(tmp_path, monkeypatch):
    lock, waited = pytest.importorskip("fcntl").flock, []
    path = tmp_path / "a.lock"

    def flock(file, how):
        if not waited:
            waited.append(path)
            path.unlink()  # by who had it until now
        lock(file, how)

    monkeypatch.setattr("fcntl.flock", flock)
    with locked(path), pytest.raises(BlockingIOError), locked(path, wait=False):
        pass
    assert waited
