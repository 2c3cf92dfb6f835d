"""Bundles are fetched whole or not at all, and what is installed stays as it is."""

import json
import shutil
import socket
import stat
import subprocess
import sys
import zipfile

import pytest
from made_up_zoo import CONFIG, QuietHandler, make_bundle, publish, serving, snapshot, zip_of

from tanq_monai.cli import main
from tanq_monai.deploy.zoo import source
from tanq_monai.deploy.zoo.fetch import fetch_bundle
from tanq_monai.deploy.zoo.index import as_numbers
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
    "missing package": (
        of_version("1.0.0", required_packages_version={"no-such-package": "1.0"}),
        "needs no-such-package 1.0 (here is none); pip install 'no-such-package>=1.0'",
    ),
    "forbidden call": (of_version("1.0.0", config="x: {_target_: os.system}"), "is a target that is not on the list"),
    "other bundle": (other_bundle, "holds the bundle other"),
    "no index": (without, "model_info.json: cannot be read (No such file or directory)"),
    "index that is none": (index_of("{"), "is no JSON"),
    "index without checksums": (index_of('{"vs_cochlea_seg_v1.0.0": {"checksum": "a"}}'), "tells no version, sha256"),
    "index without end": (index_of('{"a": ' * 5000 + "1" + "}" * 5000), "cannot be judged (RecursionError"),
    "version of many digits": (index_of('{"vs_cochlea_seg_v' + "9" * 5000 + '": {}}'), "model_info.json: "),
    "requirements that are a list": (of_version("1.0.0", required_packages_version=["torch"]), "cannot be judged ("),
    "member of no name": (with_member("./"), "cannot be judged ("),
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
    command = [sys.executable, "-m", "tanq_monai", "fetch", NAME, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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


def test_the_command_prints_the_folder(zoo, tmp_path, monkeypatch, capsys):
    words = ["fetch", NAME, "--zoo", str(zoo), "--version", "0.2.0", "--output-dir", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["tanq_monai", *words])
    main()
    assert capsys.readouterr().out.strip() == str(tmp_path / "vs_cochlea_seg_v0.2.0")


def test_no_list_of_bundles_is_endless(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "MAX_INDEX", 10)
    with pytest.raises(InputError, match="is too large for a list of bundles"):
        fetch_bundle(NAME, str(zoo), tmp_path)
