"""Bundles are fetched whole or not at all, and what is installed stays as it is."""

import contextlib
import errno
import json
import shutil
import socket
import stat
import struct
import time
import zipfile
import zlib

import pytest
from made_up_zoo import CONFIG, QuietHandler, make_bundle, publish, serving, snapshot, zip_of
from typed import run_command

from tanq_monai.deploy.zoo import source
from tanq_monai.deploy.zoo.fetch import fetch_bundle
from tanq_monai.deploy.zoo.index import as_numbers
from tanq_monai.deploy.zoo.requirements import check_requirements
from tanq_monai.errors import InputError

NAME = "vs_cochlea_seg"


@pytest.fixture
def zoo(tmp_path):
    """A zoo with the versions 0.9.0, 0.10.0 and 0.2.0 of one bundle."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    return publish(folder, *(bundle_zip(folder, version) for version in ("0.9.0", "0.10.0", "0.2.0")))


@pytest.fixture
def installed(zoo, tmp_path):
    """Where 0.9.0 is installed, besides what a user has there."""
    folder = fetch_bundle(NAME, str(zoo), tmp_path / "bundles", version="0.9.0").parent
    (folder / "mine.txt").write_text("mine")
    return folder


def bundle_zip(zoo, version, config=CONFIG, **metadata):
    bundle = make_bundle(zoo.parent / f"made_{version}" / NAME, config, version, **metadata)
    path = zip_of(bundle, zoo / f"{NAME}_v{version}.zip")
    shutil.rmtree(bundle.parent)
    return path


def spoilt(zoo, spoil, version="1.0.0"):
    """Publish a further version whose zip was opened for appending by ``spoil``, with a checksum that is right."""
    archive = bundle_zip(zoo, version)
    with zipfile.ZipFile(archive, "a") as opened:
        spoil(opened)
    publish(zoo, archive)


def test_a_bundle_lies_in_a_folder_of_its_version_with_what_its_zip_holds(zoo, tmp_path):
    folder = fetch_bundle(NAME, str(zoo), tmp_path / "bundles", version="0.9.0")
    assert folder == tmp_path / "bundles" / "vs_cochlea_seg_v0.9.0"
    with zipfile.ZipFile(zoo / "vs_cochlea_seg_v0.9.0.zip") as archive:
        held = {n.removeprefix(f"{NAME}/"): archive.read(n) for n in archive.namelist() if not n.endswith("/")}
    found = snapshot(folder)
    record = json.loads(found.pop("installed.json"))
    assert found == held
    assert record["sha256"] == json.loads((zoo / "model_info.json").read_text())["vs_cochlea_seg_v0.9.0"]["sha256"]
    assert record["files"].keys() == held.keys()


def test_versions_are_sorted_as_versions(zoo, tmp_path):
    assert fetch_bundle(NAME, str(zoo), tmp_path).name == "vs_cochlea_seg_v0.10.0"
    assert as_numbers("2.15.0+cu130") == (2, 15, 0) > as_numbers("2.8") > as_numbers("none")


def test_other_versions_stay_beside_it(zoo, installed):
    before = snapshot(installed)
    fetch_bundle(NAME, str(zoo), installed)
    after = snapshot(installed)
    assert {name: after[name] for name in before} == before
    assert sorted(path.name for path in installed.iterdir()) == ["mine.txt", f"{NAME}_v0.10.0", f"{NAME}_v0.9.0"]


def test_a_second_fetch_changes_nothing_and_copies_nothing(zoo, installed):
    (zoo / f"{NAME}_v0.9.0.zip").unlink()
    (installed / f"{NAME}_v0.9.0" / "runs").mkdir()
    (installed / f"{NAME}_v0.9.0" / "runs" / "label.nii.gz").write_text("made by a run")
    before = snapshot(installed)
    fetch_bundle(NAME, str(zoo), installed, version="0.9.0")
    assert snapshot(installed) == before


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_a_second_fetch_tells_a_file_that_is_not_as_it_was_installed(zoo, installed, change):
    config = installed / f"{NAME}_v0.9.0" / "configs" / "inference.yaml"
    config.write_text("other") if change == "edit" else config.unlink()
    with pytest.raises(InputError, match=r"inference.yaml: is not as it was installed; move .* away"):
        fetch_bundle(NAME, str(zoo), installed, version="0.9.0")


def test_a_version_that_was_published_again_is_told(zoo, installed):
    publish(zoo, bundle_zip(zoo, "0.9.0", f"{CONFIG}x: 1\n"))
    with pytest.raises(InputError, match="is not what the zoo now has under this version"):
        fetch_bundle(NAME, str(zoo), installed, version="0.9.0")


def test_a_plain_http_server_will_do(zoo, tmp_path):
    with serving(zoo) as address:
        folder = fetch_bundle(NAME, f"{address}/", tmp_path / "by_http")
    assert snapshot(folder) == snapshot(fetch_bundle(NAME, str(zoo), tmp_path / "by_folder"))


# --- what is refused: how the zoo is spoilt, and what the user is told -----------------------------------------------
def published_wrong(**wrong):
    return lambda zoo: publish(zoo, bundle_zip(zoo, "1.0.0"), **wrong)


def cut_off(zoo):
    archive = bundle_zip(zoo, "1.0.0")
    publish(zoo, archive)
    archive.write_bytes(archive.read_bytes()[:-100])


def published_cut_off(zoo):
    archive = bundle_zip(zoo, "1.0.0")
    archive.write_bytes(archive.read_bytes()[:-100])
    publish(zoo, archive)


def damaged_inside(zoo):
    archive = bundle_zip(zoo, "1.0.0")
    archive.write_bytes(archive.read_bytes().replace(b"Apache-2.0", b"Apache-9.0"))
    publish(zoo, archive)


def with_member(name, content="x"):
    return lambda zoo: spoilt(zoo, lambda opened: opened.writestr(name, content))


def with_link(zoo):
    link = zipfile.ZipInfo(f"{NAME}/docs/a.md")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    spoilt(zoo, lambda opened: opened.writestr(link, "/etc/passwd"))


def with_bomb(zoo):
    bomb = zipfile.ZipInfo(f"{NAME}/docs/a.md")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    spoilt(zoo, lambda opened: opened.writestr(bomb, b"0" * 10_000_000))


def with_unicode_name(zoo):
    """A text that Info-ZIP's unzip calls torch.py, by the extra field Unicode Path."""
    member = zipfile.ZipInfo(f"{NAME}/docs/a.txt")
    body = struct.pack("<BI", 1, zlib.crc32(member.filename.encode())) + f"{NAME}/torch.py".encode()
    member.extra = struct.pack("<HH", 0x7075, len(body)) + body
    spoilt(zoo, lambda opened: opened.writestr(member, "import os"))


def with_local_extra(zoo):
    """The same, but not in the list of members, which is all that Python reads."""

    def spoil(opened):
        member = zipfile.ZipInfo(f"{NAME}/docs/a.txt")
        member.extra = struct.pack("<HH", 0x7075, 0)
        opened.writestr(member, "import os")
        member.extra = b""

    spoilt(zoo, spoil)


def with_nul(zoo):
    """Python ends the name where C does; others may not."""
    archive = bundle_zip(zoo, "1.0.0")
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(f"{NAME}/docs/a.txtX.py", "import os")
    archive.write_bytes(archive.read_bytes().replace(b"a.txtX", b"a.txt\0"))
    publish(zoo, archive)


def with_prefix(zoo):
    archive = bundle_zip(zoo, "1.0.0")
    archive.write_bytes(b"#!/bin/sh\n" + archive.read_bytes())
    publish(zoo, archive)


def with_gap(zoo):
    """Another list of members, say, between the files and the list that Python finds from the end."""
    archive = bundle_zip(zoo, "1.0.0")
    content = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        start = opened.start_dir
    end = bytearray(content[-22:])
    end[16:20] = struct.pack("<I", start + 4)
    archive.write_bytes(content[:start] + b"evil" + content[start:-22] + end)
    publish(zoo, archive)


def with_root(name):
    def spoil(zoo):
        bundle = make_bundle(zoo.parent / "made" / name, version="1.0.0")
        publish(zoo, zip_of(bundle, zoo / f"{NAME}_v1.0.0.zip"))

    return spoil


def twice(zoo):
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_member(f"{NAME}/LICENSE")(zoo)


def of_version(told, **metadata):
    def spoil(zoo):
        archive = bundle_zip(zoo, told, **metadata)
        publish(zoo, archive.rename(zoo / f"{NAME}_v1.0.0.zip"))

    return spoil


def other_bundle(zoo):
    archive = zip_of(make_bundle(zoo.parent / "made" / "other", version="1.0.0"), zoo / f"{NAME}_v1.0.0.zip")
    publish(zoo, archive)


def without(zoo):
    (zoo / "model_info.json").unlink()


def index_of(text):
    return lambda zoo: (zoo / "model_info.json").write_text(text)


SPOILT = {
    "wrong sha256": (published_wrong(sha256="0" * 64), "has another sha256 than model_info.json tells"),
    "larger than told": (published_wrong(size=100), "is more than the 100 bytes that model_info.json tells"),
    "truncated on the way": (cut_off, "bytes of the"),
    "truncated when published": (published_cut_off, "is no whole zip file"),
    "damaged inside": (damaged_inside, "is no whole zip file (Bad CRC-32"),
    "path upwards": (with_member(f"{NAME}/../../evil.py"), "which leads out of its folder"),
    "absolute path": (with_member("/tmp/evil.py"), "which leads out of its folder"),
    "path of Windows": (with_member(f"{NAME}/..\\evil.py"), "which leads out of its folder"),
    "drive of Windows": (with_member("C:/evil.py"), "which leads out of its folder"),
    "link": (with_link, "which is no plain file"),
    "second folder": (with_member("other/evil.py"), "does not lie in one folder but in 2"),
    "file in no folder": (with_member("evil.py"), "which lies in no folder"),
    "file twice": (twice, "holds a file twice"),
    "bomb": (with_bomb, "grows to"),
    "code that is not ours": (with_member(f"{NAME}/torch.py"), "no bundle needs it"),
    "version of itself": (of_version("0.8.0"), "says of itself to be version 0.8.0"),
    "newer package": (
        of_version("1.0.0", required_packages_version={"nibabel": "99.0"}),
        "needs nibabel 99.0 (here is",
    ),
    "newer MONAI": (of_version("1.0.0", monai_version="99.1"), "needs monai 99.1 (here is"),
    "package that ours do not need": (
        of_version("1.0.0", required_packages_version={"evil'; touch x #": "1.0"}),
        "is a package that no bundle of ours requires",
    ),
    "version that is a command": (
        of_version("1.0.0", required_packages_version={"nibabel": "99'; touch x #"}),
        "is no version, such as 1.2.0",
    ),
    "forbidden call": (of_version("1.0.0", config="x: {_target_: os.system}"), "is a target that is not on the list"),
    "other bundle": (other_bundle, "holds the bundle other"),
    "no index": (without, "model_info.json: cannot be read (No such file or directory)"),
    "index that is none": (index_of("{"), "is no JSON"),
    "index without checksums": (index_of('{"vs_cochlea_seg_v1.0.0": {"checksum": "a"}}'), "tells no version, sha256"),
    "index without end": (index_of('{"a": ' * 5000 + "1" + "}" * 5000), "cannot be judged (RecursionError"),
    "version of many digits": (index_of('{"vs_cochlea_seg_v' + "9" * 5000 + '": {}}'), "model_info.json: "),
    "requirements that are a list": (
        of_version("1.0.0", required_packages_version=["torch"]),
        "is a package that no bundle of ours requires",
    ),
    "member of no name": (with_member("./"), "which is a folder of its own"),
    "record of fetch": (with_member(f"{NAME}/installed.json", "{}"), "no bundle needs it (installed.json)"),
    "name of another program": (with_unicode_name, "holds more at"),
    "name of another program in the file": (with_local_extra, "holds more at"),
    "name that is cut": (with_nul, "whose name goes on behind its end"),
    "data before the zip": (with_prefix, "holds more at"),
    "data behind the files": (with_gap, "holds more than its files and their list"),
    "folder of its own": (with_member(f"{NAME}/docs/", ""), "which is a folder of its own"),
    "size of nothing": (published_wrong(size=0), "tells no version, sha256 and size"),
    "size of a truth": (published_wrong(size=True), "tells no version, sha256 and size"),
    "terminal escapes in the index": (index_of('{"a\\u001b[2J\\nerror: b": {}}'), "size of a\\x1b[2J\\nerror: b;"),
    "terminal escapes as version": (of_version("1\x1b\nx"), "to be version 1\\x1b\\nx;"),
    "terminal escapes as root": (with_root("\x1b[2J\nx"), "holds the bundle \\x1b[2J\\nx;"),
    "index with a path": (index_of('{"../vs_cochlea_seg_v1.0.0": {}}'), "tells no version, sha256"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_zoo_is_refused_for(zoo, installed, how):
    spoil, told = SPOILT[how]
    spoil(zoo)
    before = snapshot(installed)
    with pytest.raises(InputError) as caught:
        fetch_bundle(NAME, str(zoo), installed)
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert snapshot(installed) == before
    assert sorted(path.name for path in installed.iterdir()) == ["mine.txt", f"{NAME}_v0.9.0"]


def test_what_is_missing_here_is_told_with_the_command_that_installs_it():
    content = {"required_packages_version": {"no-such-package": "1.0"}}
    told = r"needs no-such-package 1.0 \(here is none\); pip install 'no-such-package>=1.0'"
    with pytest.raises(InputError, match=told):
        check_requirements("bundle", content)


def test_a_full_disk_is_no_fault_of_the_zoo(zoo, installed, monkeypatch):
    def fill(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = snapshot(installed)
    monkeypatch.setattr("tanq_monai.deploy.zoo.source._progress", fill)  # stands where bytes are written
    with pytest.raises(InputError, match=r"the disk: has no room for it \(No space left on device\); make room"):
        fetch_bundle(NAME, str(zoo), installed)
    assert snapshot(installed) == before


def test_names_that_differ_in_case_only_are_one_file_to_some_systems(zoo, installed):
    with_member(f"{NAME}/License")(zoo)
    with pytest.raises(InputError, match="holds a file twice"):
        fetch_bundle(NAME, str(zoo), installed)


@pytest.mark.parametrize(
    ("name", "version", "told"),
    [
        (NAME, "0.3.0", "has no version 0.3.0 of vs_cochlea_seg; choose one of 0.2.0, 0.9.0, 0.10.0"),
        ("spleen", None, "has no bundle spleen; choose one of vs_cochlea_seg"),
        ("../zoo", None, "has no bundle ../zoo; choose one of vs_cochlea_seg"),
    ],
)
def test_what_the_zoo_does_not_have_is_told(zoo, installed, name, version, told):
    before = snapshot(installed)
    with pytest.raises(InputError, match=told):
        fetch_bundle(name, str(zoo), installed, version=version)
    assert snapshot(installed) == before


def test_another_version_of_the_package_is_told_and_installed_when_it_is_trusted(zoo, installed):
    with_member(f"{NAME}/tanq_monai/__init__.py", '__version__ = "9.9.9"\n')(zoo)
    with pytest.raises(InputError, match=r"carries tanq_monai 9.9.9, which is not the installed .*--trust-code"):
        fetch_bundle(NAME, str(zoo), installed)
    assert fetch_bundle(NAME, str(zoo), installed, trust_code=True).name == f"{NAME}_v1.0.0"


def test_an_interrupted_fetch_leaves_all_as_it_was(zoo, installed, monkeypatch):
    before = snapshot(installed)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tanq_monai.deploy.zoo.fetch.unpack", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_bundle(NAME, str(zoo), installed)
    assert snapshot(installed) == before
    assert sorted(path.name for path in installed.iterdir()) == ["mine.txt", f"{NAME}_v0.9.0"]


def test_a_server_that_says_nothing_is_given_up(installed):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=r"model_info.json: cannot be read \(timed out\)"):
            fetch_bundle(NAME, address, installed, timeout=0.2)


@pytest.mark.parametrize("part", ["head", "list", "zip"])
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(zoo, installed, monkeypatch, part):
    class Dripping(QuietHandler):
        def send_response(self, *args):
            super().send_response(*args)
            if part == "head":
                self._drip(b"X-Slow: " + 60 * b"x")

        def copyfile(self, source, outputfile):
            slow = part == ("zip" if "zip" in self.path else "list")
            self._drip(source.read()) if slow else outputfile.write(source.read())

        def _drip(self, content):
            with contextlib.suppress(OSError):  # the client went away
                self.flush_headers()
                for byte in content[:60]:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.1)

    monkeypatch.setattr("made_up_zoo.QuietHandler", Dripping)
    monkeypatch.setattr(source, "SLOWEST", 1_000_000_000)
    before, start = snapshot(installed), time.monotonic()
    told = r"cannot be read \((timed out|comes with less than 1000000000 bytes a second)\)"
    with serving(zoo) as address, pytest.raises(InputError, match=told):
        try:
            fetch_bundle(NAME, address, installed, timeout=0.5)
        finally:
            took = time.monotonic() - start
    assert took < 4
    assert snapshot(installed) == before


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_server_leads_to_no_other_than_web_servers(zoo, installed, monkeypatch, place):
    class Leading(QuietHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", place)
            self.end_headers()

    monkeypatch.setattr("made_up_zoo.QuietHandler", Leading)
    with serving(zoo) as address, pytest.raises(InputError, match=rf"model_info.json: .*{place}"):
        fetch_bundle(NAME, address, installed)


def test_a_server_may_lead_to_another_web_server(zoo, tmp_path, monkeypatch):
    with serving(zoo) as other:

        class Leading(QuietHandler):
            def do_GET(self):
                self.send_response(302)
                self.send_header("Location", f"{other}{self.path}")
                self.end_headers()

        monkeypatch.setattr("made_up_zoo.QuietHandler", Leading)
        with serving(zoo) as address:
            assert fetch_bundle(NAME, address, tmp_path).name == f"{NAME}_v0.10.0"


def test_a_status_line_is_told_without_signs_that_a_terminal_acts_on(zoo, installed, monkeypatch):
    class Shouting(QuietHandler):
        def do_GET(self):
            self.wfile.write(b"HTTP/1.1 404 \x1b[2J\x07fine\r\nContent-Length: 0\r\n\r\n")

    monkeypatch.setattr("made_up_zoo.QuietHandler", Shouting)
    with serving(zoo) as address, pytest.raises(InputError) as caught:
        fetch_bundle(NAME, address, installed)
    assert "is not there (404 \\x1b[2J\\x07fine)" in str(caught.value)


def test_a_server_that_dies_halfway_is_told(zoo, installed, monkeypatch):
    class Dying(QuietHandler):
        def copyfile(self, source, outputfile):
            outputfile.write(source.read(1000) if "zip" in self.path else source.read())

    monkeypatch.setattr("made_up_zoo.QuietHandler", Dying)
    before = snapshot(installed)
    with (
        serving(zoo) as address,
        pytest.raises(InputError, match=r"cannot be read|1000 bytes of the"),
    ):
        fetch_bundle(NAME, address, installed, timeout=5)
    assert snapshot(installed) == before


def fetch_command(*arguments):
    return run_command("fetch", NAME, *arguments)


def test_the_command_tells_a_dead_server_in_one_line_with_exit_code_1(installed):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    before = snapshot(installed)
    result = fetch_command("--zoo", f"http://127.0.0.1:{port}", "--output-dir", installed)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"error: http://127.0.0.1:{port}/model_info.json: cannot be read (")
    assert snapshot(installed) == before


def test_the_command_tells_a_forbidden_call_in_one_line_and_shows_the_progress(zoo, installed):
    SPOILT["forbidden call"][0](zoo)
    before = snapshot(installed)
    with serving(zoo) as address:
        result = fetch_command("--zoo", address, "--output-dir", installed)
    *progress, message = result.stderr.replace("\r", "\n").strip().splitlines()
    assert result.returncode == 1
    assert message.startswith(
        "error: vs_cochlea_seg_v1.0.0: is a target that is not on the list (configs/inference.yaml x"
    )
    assert any("100%" in line for line in progress)
    assert snapshot(installed) == before


def test_the_command_prints_the_folder(zoo, tmp_path):
    done = fetch_command("--zoo", zoo, "--version", "0.2.0", "--output-dir", tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'vs_cochlea_seg_v0.2.0'}\n")


def test_a_version_is_taken_as_it_was_typed(tmp_path):
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    publish(zoo, *(bundle_zip(zoo, version) for version in ("0.1", "0.10")))

    words = ("--zoo", zoo, "--output-dir", tmp_path / "bundles")
    done = fetch_command(*words, "--version", "0.10")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'bundles' / 'vs_cochlea_seg_v0.10'}\n")


def test_no_list_of_bundles_is_endless(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_INDEX", 10)
    with pytest.raises(InputError, match="is too large for a list of bundles"):
        fetch_bundle(NAME, str(zoo), tmp_path)
