"""Bundles are fetched whole or not at all, and what is installed stays as it is."""

import contextlib
import errno
import json
import re
import shutil
import socket
import stat
import time
import zipfile
from types import SimpleNamespace

import nibabel
import pytest
import torch
from made_up_zoo import QuietHandler, make_bundle, publish, serving, snapshot, zip_of
from typed import mistakes, run_command

from tanq_monai.deploy.zoo import source
from tanq_monai.deploy.zoo.fetch import fetch_bundle
from tanq_monai.deploy.zoo.index import as_numbers
from tanq_monai.deploy.zoo.release import INSTALLED, digest
from tanq_monai.errors import InputError

NAME = "vs_cochlea_seg"
OWN = {"configs/own.yaml": "middle: {_target_: statistics.median, data: [1, 2]}\n"}


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


def bundle_zip(zoo, version="1.0.0", files=None, name=NAME, **metadata):
    bundle = make_bundle(zoo.parent / f"made_{version}" / name, version, files, **metadata)
    path = zip_of(bundle, zoo / f"{NAME}_v{version}.zip")
    shutil.rmtree(bundle.parent)
    return path


def sha256_of(zoo, version="1.0.0"):
    return json.loads((zoo / "model_info.json").read_text())[f"{NAME}_v{version}"]["sha256"]


def test_a_bundle_lies_in_a_folder_of_its_version_with_what_its_zip_holds(zoo, tmp_path):
    folder = fetch_bundle(NAME, str(zoo), tmp_path / "bundles", version="0.9.0")
    assert folder == tmp_path / "bundles" / "vs_cochlea_seg_v0.9.0"
    with zipfile.ZipFile(zoo / "vs_cochlea_seg_v0.9.0.zip") as archive:
        held = {name.removeprefix(f"{NAME}/"): archive.read(name) for name in archive.namelist()}
    found = snapshot(folder)
    record = json.loads(found.pop("installed.json"))
    assert found == held
    assert record["sha256"] == sha256_of(zoo, "0.9.0")
    assert record["files"] == json.loads((zoo / "model_info.json").read_text())["vs_cochlea_seg_v0.9.0"]["files"]


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
    config = installed / f"{NAME}_v0.9.0" / "configs" / "logging.conf"
    config.write_text("other") if change == "edit" else config.unlink()
    with pytest.raises(InputError, match=r"logging.conf: is not as it was installed; move .* away"):
        fetch_bundle(NAME, str(zoo), installed, version="0.9.0")


def test_a_version_that_was_published_again_is_told(zoo, installed):
    publish(zoo, bundle_zip(zoo, "0.9.0", {"LICENSE": "another"}))
    with pytest.raises(InputError, match="is not what the zoo now has under this version"):
        fetch_bundle(NAME, str(zoo), installed, version="0.9.0")


def test_a_folder_that_fetch_did_not_make_is_left_alone(zoo, tmp_path):
    (tmp_path / f"{NAME}_v0.9.0").mkdir()
    with pytest.raises(InputError, match=r"was not installed by fetch: it has no installed.json"):
        fetch_bundle(NAME, str(zoo), tmp_path, version="0.9.0")


def test_a_plain_http_server_will_do(zoo, tmp_path):
    with serving(zoo) as address:
        folder = fetch_bundle(NAME, f"{address}/", tmp_path / "by_http")
    assert snapshot(folder) == snapshot(fetch_bundle(NAME, str(zoo), tmp_path / "by_folder"))


# --- bundles that are not the release's ------------------------------------------------------------------------------
def test_own_weights_and_metadata_come_without_being_trusted(zoo, tmp_path):
    bundle = make_bundle(
        tmp_path / "own" / NAME, "1.0.0", {"models/model.json": "{}", "docs/README.md": "ours"}, task="ours"
    )
    torch.save({"weight": torch.ones(3)}, bundle / "models" / "model.pt")
    publish(zoo, zip_of(bundle, zoo / f"{NAME}_v1.0.0.zip"))
    folder = fetch_bundle(NAME, str(zoo), tmp_path)
    assert torch.load(folder / "models" / "model.pt", weights_only=True)["weight"].tolist() == [1, 1, 1]


def test_the_installed_package_comes_without_being_trusted(zoo, tmp_path):
    code = {f"tanq_monai/{name}": (INSTALLED / name).read_text() for name in ("__init__.py", "errors.py")}
    publish(zoo, bundle_zip(zoo, files=code))
    assert (fetch_bundle(NAME, str(zoo), tmp_path) / "tanq_monai" / "errors.py").is_file()


@pytest.mark.parametrize("name", ["configs/own.yaml", "configs/logging.conf", "tanq_monai/errors.py", "own.py"])
def test_what_is_not_of_the_release_comes_when_that_very_zip_is_trusted(zoo, installed, name):
    publish(zoo, bundle_zip(zoo, files={name: "own: 1\n"}))
    before = snapshot(installed)
    told = (
        rf"_v1.0.0: brings {name}, which is not of the installed tanq_monai .*; .* prints of .*zip and give the --trust"
    )
    with pytest.raises(InputError, match=told):
        fetch_bundle(NAME, str(zoo), installed)
    with pytest.raises(InputError, match="--trust 0000: is not the sha256 of"):
        fetch_bundle(NAME, str(zoo), installed, trust="0000")
    assert snapshot(installed) == before
    assert (fetch_bundle(NAME, str(zoo), installed, trust=sha256_of(zoo)) / name).read_text() == "own: 1\n"


def test_what_is_not_trusted_is_not_even_copied(zoo, installed):
    publish(zoo, bundle_zip(zoo, files=OWN))
    (zoo / f"{NAME}_v1.0.0.zip").unlink()
    with pytest.raises(InputError, match=r"brings configs/own\.yaml"):
        fetch_bundle(NAME, str(zoo), installed)


def test_trust_does_not_make_weights_of_a_pickle(zoo, tmp_path):
    bundle = make_bundle(tmp_path / "own" / NAME, "1.0.0")
    torch.save({"epoch": 1}, bundle / "models" / "model.pt")
    publish(zoo, zip_of(bundle, zoo / f"{NAME}_v1.0.0.zip"))
    for trust in (None, sha256_of(zoo)):
        with pytest.raises(InputError, match=r"_v1.0.0: models/model.pt is more than weights, or damaged"):
            fetch_bundle(NAME, str(zoo), tmp_path / "bundles", trust=trust)


def test_torchscript_is_left_out_unless_it_is_trusted(zoo, tmp_path, capsys):
    publish(zoo, bundle_zip(zoo, files={"models/model.ts": "TorchScript"}))
    folder = fetch_bundle(NAME, str(zoo), tmp_path)
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["model.pt"]
    assert "_v1.0.0: models/model.ts, a program of its own, is left out; --trust brings it" in capsys.readouterr().err
    assert fetch_bundle(NAME, str(zoo), tmp_path) == folder
    with pytest.raises(InputError, match=r"was installed without models/model.ts; move .* away and fetch again"):
        fetch_bundle(NAME, str(zoo), tmp_path, trust=sha256_of(zoo))
    shutil.rmtree(folder)
    assert (fetch_bundle(NAME, str(zoo), tmp_path, trust=sha256_of(zoo)) / "models" / "model.ts").is_file()
    assert fetch_bundle(NAME, str(zoo), tmp_path) == folder


# --- what is refused: how the zoo is spoilt, and what the user is told -----------------------------------------------
def published(*, wrong=None, **made):
    return lambda zoo: publish(zoo, bundle_zip(zoo, **made), **(wrong or {}))


def replaced(zoo):
    """As if somebody had changed a file on the server, and not its list."""
    publish(zoo, bundle_zip(zoo))
    bundle_zip(zoo, files={"LICENSE": "Apache-9.0"})


def cut_off(zoo):
    archive = bundle_zip(zoo)
    publish(zoo, archive)
    archive.write_bytes(archive.read_bytes()[:-100])


def damaged_inside(zoo):
    archive = bundle_zip(zoo)
    files = json.loads((publish(zoo, archive) / "model_info.json").read_text())[archive.stem]["files"]
    archive.write_bytes(archive.read_bytes().replace(b"Apache-2.0", b"Apache-9.0"))
    told = {"sha256": digest(archive.read_bytes()), "size": archive.stat().st_size, "files": files}
    (zoo / "model_info.json").write_text(json.dumps({archive.stem: told}))


def with_members(*names, content="x", compression=zipfile.ZIP_STORED):
    def spoil(zoo):
        archive = bundle_zip(zoo)
        with zipfile.ZipFile(archive, "a") as opened:
            for name in names:
                opened.writestr(name, content, compression)
        publish(zoo, archive)

    return spoil


def of_other_version(zoo):
    publish(zoo, bundle_zip(zoo, "0.8.0").rename(zoo / f"{NAME}_v1.0.0.zip"))


def index_of(text):
    return lambda zoo: (zoo / "model_info.json").write_text(text)


def without(zoo):
    (zoo / "model_info.json").unlink()


def with_a_file_more(zoo):
    listed = publish(zoo, bundle_zip(zoo)) / "model_info.json"
    files = json.loads(listed.read_text())[f"{NAME}_v1.0.0"]["files"]
    publish(zoo, bundle_zip(zoo, files={"own.py": "own = 1"}), files=files)


OTHER_FILE = "which the zoo's list does not tell"
SPOILT = {
    "wrong sha256": (published(wrong={"sha256": "0" * 64}), "is not the file of"),
    "larger than told": (published(wrong={"size": 100}), "is not the file of 100 bytes"),
    "replaced on the server": (replaced, "is not the file of"),
    "truncated on the way": (cut_off, "is not the file of"),
    "damaged inside": (damaged_inside, "Bad CRC-32"),
    "no zip": (lambda zoo: publish(zoo, bundle_zip(zoo)).joinpath(f"{NAME}_v1.0.0.zip").unlink(), "cannot be read"),
    "file that is not listed": (with_a_file_more, f"holds own.py, {OTHER_FILE}"),
    "other files than listed": (published(wrong={"files": {"LICENSE": "0" * 64}}), f"holds LICENSE, {OTHER_FILE}"),
    "second folder": (with_members("other/LICENSE"), "does not lie in one folder but in 2"),
    "file twice in other letters": (
        with_members(f"{NAME}/docs/a.md", f"{NAME}/docs/A.md"),
        "holds a file twice",
    ),
    "growing": (
        with_members(f"{NAME}/docs/a.md", content=100_000 * "0", compression=zipfile.ZIP_DEFLATED),
        "grows to",
    ),
    "version of itself": (of_other_version, "says of itself to be version 0.8.0"),
    "other bundle": (published(name="other"), f"holds the bundle other, {OTHER_FILE}"),
    "newer package": (
        published(required_packages_version={"nibabel": "99.0"}),
        f"needs nibabel 99.0 (here is {nibabel.__version__}); pip install 'nibabel>=99.0'",
    ),
    "newer MONAI": (published(monai_version="99.1"), "needs monai 99.1 (here is"),
    "package that is not here": (
        published(required_packages_version={"no-such-package": "1.0"}),
        "asks for no-such-package 1.0, which no bundle of the installed tanq_monai does; ask who published it",
    ),
    "version that is none": (published(required_packages_version={"nibabel": "new"}), "asks for nibabel new, which no"),
    "no index": (without, "model_info.json: cannot be read (No such file or directory)"),
    "index that is none": (index_of("{"), "is no JSON"),
    "index that is a list": (index_of("[]"), "is no list of bundles"),
    "index without checksums": (index_of('{"vs_cochlea_seg_v1.0.0": {"checksum": "a"}}'), "tells no version, size"),
    "index without files": (published(wrong={"files": []}), "tells no version, size, sha256 and files of"),
    "size of nothing": (published(wrong={"size": 0}), "tells no version, size"),
    "size of a truth": (published(wrong={"size": True}), "tells no version, size"),
    "index with a path": (index_of('{"../vs_cochlea_seg_v1.0.0": {}}'), "tells no version, size"),
    "terminal escapes in the index": (index_of('{"a\\u001b[2J\\nerror: b": {}}'), "files of a\\x1b[2J\\nerror: b;"),
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


@pytest.mark.parametrize(
    "name",
    [
        *(f"{NAME}/docs/../../a.md", "/tmp/a.md", f"{NAME}/docs\\a.md", "C:/a.md", f"{NAME}/docs/.a.md", "a.md"),
        *(f"{NAME}/docs/", f"{NAME}/docs//a.md", f"{NAME}/docs/a b.md", "~/a.md"),
    ],
)
def test_a_name_that_leads_elsewhere_or_is_hidden_is_refused_even_of_a_trusted_zip(zoo, installed, name):
    with_members(name)(zoo)
    before = snapshot(zoo.parent)
    with pytest.raises(InputError, match=r"holds .*, which is no plain name of a file in a folder"):
        fetch_bundle(NAME, str(zoo), installed, trust=sha256_of(zoo))
    assert snapshot(zoo.parent) == before


def test_a_link_in_a_zip_becomes_a_plain_file(zoo, tmp_path):
    link = zipfile.ZipInfo(f"{NAME}/docs/a.md")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with_members(link, content="../LICENSE")(zoo)
    path = fetch_bundle(NAME, str(zoo), tmp_path) / "docs" / "a.md"
    assert (path.is_symlink(), path.read_text()) == (False, "../LICENSE")


def test_a_full_disk_is_no_fault_of_the_zoo(zoo, installed, monkeypatch):
    def fill(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = snapshot(installed)
    monkeypatch.setattr("tanq_monai.deploy.zoo.source.tqdm", fill)  # stands where bytes are written
    with pytest.raises(InputError, match=r"the disk: has no room for it \(No space left on device\); make room"):
        fetch_bundle(NAME, str(zoo), installed)
    assert snapshot(installed) == before


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


def test_an_interrupted_fetch_leaves_all_as_it_was(zoo, installed, monkeypatch):
    before = snapshot(installed)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tanq_monai.deploy.zoo.fetch.unpack", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_bundle(NAME, str(zoo), installed)
    assert snapshot(installed) == before
    assert sorted(path.name for path in installed.iterdir()) == ["mine.txt", f"{NAME}_v0.9.0"]


# --- servers ---------------------------------------------------------------------------------------------------------
def test_a_server_that_says_nothing_is_given_up(installed):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(InputError, match=r"model_info.json: cannot be read \(timed out\)"):
            fetch_bundle(NAME, address, installed, timeout=0.2)


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(zoo, installed, monkeypatch):
    class Dripping(QuietHandler):
        def copyfile(self, source, outputfile):
            for byte in source.read()[:30]:
                outputfile.write(bytes([byte]))
                time.sleep(0.1)

    monkeypatch.setattr("made_up_zoo.QuietHandler", Dripping)
    monkeypatch.setattr(source, "SLOWEST", 1_000_000_000)
    start = time.monotonic()
    told = r"cannot be read \(comes with less than 1000000000 bytes a second\)"
    with serving(zoo) as address, pytest.raises(InputError, match=told):
        try:
            fetch_bundle(NAME, address, installed, timeout=0.5)
        finally:
            assert time.monotonic() - start < 2


def test_a_server_may_lead_to_another_web_server_and_to_nothing_else(zoo, tmp_path, monkeypatch):
    class Leading(QuietHandler):
        to = zoo.as_uri()

        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", f"{self.to}{self.path}")
            self.end_headers()

    with serving(zoo) as other:
        monkeypatch.setattr("made_up_zoo.QuietHandler", Leading)
        with serving(zoo) as address:
            with pytest.raises(InputError, match=r"model_info.json: cannot be read \(302 .*file:"):
                fetch_bundle(NAME, address, tmp_path)
            Leading.to = other
            assert fetch_bundle(NAME, address, tmp_path).name == f"{NAME}_v0.10.0"


def test_a_server_that_dies_halfway_is_told(zoo, installed, monkeypatch):
    class Dying(QuietHandler):
        def copyfile(self, source, outputfile):
            outputfile.write(source.read(1000) if "zip" in self.path else source.read())

    monkeypatch.setattr("made_up_zoo.QuietHandler", Dying)
    before = snapshot(installed)
    with serving(zoo) as address, pytest.raises(InputError, match=r"cannot be read|is not the file of"):
        fetch_bundle(NAME, address, installed, timeout=5)
    assert snapshot(installed) == before


def test_no_list_of_bundles_is_endless(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_INDEX", 10)
    with pytest.raises(InputError, match="is too large for a list of bundles"):
        fetch_bundle(NAME, str(zoo), tmp_path)


def test_from_https_a_server_leads_to_https_alone(tmp_path, monkeypatch):
    leading = SimpleNamespace(url="http://127.0.0.1/model_info.json", read1=lambda _: b"")
    monkeypatch.setattr(source.urllib.request, "urlopen", lambda *_, **__: contextlib.nullcontext(leading))
    with pytest.raises(InputError, match=r"cannot be read \(leads to http://127.0.0.1/model_info.json\)"):
        fetch_bundle(NAME, "https://127.0.0.1", tmp_path)
    with pytest.raises(InputError, match="is no JSON"):
        fetch_bundle(NAME, "http://127.0.0.1", tmp_path)


# --- the command -----------------------------------------------------------------------------------------------------
def fetch_command(*arguments):
    return run_command("fetch", NAME, *arguments)


def test_the_command_tells_a_dead_server_in_one_line_with_exit_code_1(installed):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    before = snapshot(installed)
    result = fetch_command("--zoo", f"http://127.0.0.1:{port}", "--output-dir", installed)
    assert result.stdout == ""
    (told,) = mistakes(result)
    assert told.startswith(f"error: http://127.0.0.1:{port}/model_info.json: cannot be read (Connection refused)")
    assert snapshot(installed) == before


def test_the_command_prints_the_folder_and_shows_the_progress(zoo, tmp_path):
    with serving(zoo) as address:
        done = fetch_command("--zoo", address, "--version", "0.2.0", "--output-dir", tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'vs_cochlea_seg_v0.2.0'}\n")
    assert "100%" in done.stderr


def test_what_audit_ends_with_is_what_fetch_wants(zoo, tmp_path):
    publish(zoo, bundle_zip(zoo, files=OWN))
    words = ("--zoo", zoo, "--output-dir", tmp_path / "bundles")
    (refused,) = mistakes(fetch_command(*words))
    archive = re.search(r"audit` prints of (\S+)", refused)[1]
    (read,) = mistakes(run_command("audit", archive))
    assert fetch_command(*words, *read.split()[-2:]).stdout == f"{tmp_path / 'bundles' / NAME}_v1.0.0\n"


def test_a_version_is_taken_as_it_was_typed(tmp_path):
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    publish(zoo, *(bundle_zip(zoo, version) for version in ("0.1", "0.10")))
    words = ("--zoo", zoo, "--output-dir", tmp_path / "bundles")
    done = fetch_command(*words, "--version", "0.10")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'bundles' / 'vs_cochlea_seg_v0.10'}\n")
