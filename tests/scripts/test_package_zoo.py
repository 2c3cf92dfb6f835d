"""The zoo is made of the repository and of nothing else."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import package_zoo
import pytest
import torch
from bundle_workflow import BUNDLES
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from deploy.bundles import segmenter_bundle, translator_bundle
from monai.bundle.scripts import get_bundle_info, get_bundle_versions

from tanq_monai import __version__
from tanq_monai.deploy.zoo.audit import audit_bundle
from tanq_monai.deploy.zoo.fetch import fetch_bundle
from tanq_monai.deploy.zoo.release import foreign
from tanq_monai.deploy.zoo.requirements import read_metadata, required_packages
from tanq_monai.errors import InputError
from tanq_monai.steps import BUNDLE_NAMES

ROOT = BUNDLES.parent
VERSIONS = {
    name: json.loads((BUNDLES / name / "configs" / "metadata.json").read_text())["version"] for name in BUNDLE_NAMES
}
SKIPPED = shutil.ignore_patterns("__pycache__")


def copy_of_the_repository(folder):
    """With bundles of small networks."""
    for part in ("tanq_monai", "scripts"):
        shutil.copytree(ROOT / part, folder / part, ignore=SKIPPED)
    segmenter_bundle(folder / "bundles" / "vs_cochlea_seg")
    translator_bundle(folder / "bundles" / "tanq_translation")
    return folder


@pytest.fixture(scope="module")
def zoos(slow, tmp_path_factory):
    """What two copies of the repository in different folders make, each in a process of its own."""
    one, other = (copy_of_the_repository(tmp_path_factory.mktemp(name) / "repository") for name in ("one", "other"))
    running = {}
    for copy in (one, other):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(copy), str(copy / "scripts")])}
        command = [sys.executable, str(copy / "scripts" / "package_zoo.py"), "--output", str(copy / "zoo")]
        running[copy] = subprocess.Popen(command, cwd=copy, env=environment, stderr=subprocess.PIPE, text=True)
    for process in running.values():
        told = process.communicate()[1]
        assert process.returncode == 0, told
    return [one / "zoo", other / "zoo"]


def members(archive):
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_two_copies_of_the_repository_give_the_same_bytes(zoos):
    digests = [{p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in zoo.iterdir()} for zoo in zoos]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 5


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_a_zip_holds_all_that_a_bundle_needs_below_its_name(zoos, name):
    held = members(zoos[0] / f"{name}_v{VERSIONS[name]}.zip")
    assert {member.split("/")[0] for member in held} == {name}
    held = {member.removeprefix(f"{name}/") for member in held}
    wanted = {"configs/inference.json", "configs/train.json", "configs/inference.yaml", "configs/metadata.json"}
    wanted |= {"configs/logging.conf", "docs/README.md", "LICENSE", "tanq_monai/__init__.py"}
    wanted |= {"models/model.pt", "models/model.ts", "models/model.onnx"}
    assert wanted <= held
    assert ("models/plans.json" in held) == (name == "vs_cochlea_seg")
    assert ("models/model.json" in held) == (name == "tanq_translation")
    assert not [member for member in held if "__pycache__" in member or member.endswith(".pyc")]


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_beside_a_zip_lies_its_bill_of_materials(zoos, name):
    stem = f"{name}_v{VERSIONS[name]}"
    listed = json.loads((zoos[0] / "model_info.json").read_text())[stem]
    text = (zoos[0] / f"{stem}.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": listed["sha256"]}]
    files = {one["name"]: one["hashes"][0]["content"] for one in bill["components"] if one["type"] == "file"}
    assert files == listed["files"]
    packages = {one["name"]: one["version"] for one in bill["components"] if "purl" in one}
    assert {*packages} == {*required_packages(read_metadata(BUNDLES / name))}
    assert packages == {package: metadata.version(package) for package in packages}


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_a_zip_holds_nothing_but_the_release_and_data_and_torchscript(zoos, name):
    listed = json.loads((zoos[0] / "model_info.json").read_text())[f"{name}_v{VERSIONS[name]}"]
    assert foreign(listed["files"]) == ["models/model.ts"]
    (problem,) = audit_bundle(zoos[0] / f"{name}_v{VERSIONS[name]}.zip")[1]
    assert f"brings models/model.ts, which is not of the installed tanq_monai {__version__}; " in str(problem)
    assert str(problem).endswith(f"--trust {listed['sha256']}")


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_no_member_tells_where_it_was_made(zoos, name):
    """Inside TorchScript and ONNX as well; the former is a zip that is stored, so that its text can be searched."""
    places = {str(zoos[0].parent), str(ROOT), str(Path.home()), str(Path(sys.prefix)), "site-packages"} - {"/"}
    for member, content in members(zoos[0] / f"{name}_v{VERSIONS[name]}.zip").items():
        if "/tanq_monai/" not in member and "/docs/" not in member:  # as they are in the repository
            assert [place for place in places if place.encode() in content] == [], member


@pytest.mark.parametrize("name", BUNDLE_NAMES)
def test_weights_stay_what_they_are(zoos, name):
    copy = zoos[0].parent / "bundles" / name / "models" / "model.pt"
    assert members(zoos[0] / f"{name}_v{VERSIONS[name]}.zip")[f"{name}/models/model.pt"] == copy.read_bytes()


def test_model_info_is_what_monai_reads_and_tells_size_and_sha256_of_every_file(zoos, monkeypatch):
    text = (zoos[0] / "model_info.json").read_text()
    for stem, entry in json.loads(text).items():
        content = (zoos[0] / f"{stem}.zip").read_bytes()
        assert entry == {
            "checksum": hashlib.sha1(content).hexdigest(),
            "source": f"{stem}.zip",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "files": {
                member.partition("/")[2]: hashlib.sha256(held).hexdigest()
                for member, held in members(zoos[0] / f"{stem}.zip").items()
            },
        }

    class Response:
        def __init__(self, *_, **__):
            self.text = text

        def raise_for_status(self):
            pass

    monkeypatch.setattr("monai.bundle.scripts.requests.get", Response)  # MONAI asks GitHub only
    for name, version in VERSIONS.items():
        assert get_bundle_versions(name)["latest_version"] == version
        assert get_bundle_info(name, version)["browser_download_url"] == f"{name}_v{version}.zip"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder of bundles that the script packs, without exports, which take a while."""
    monkeypatch.setattr(package_zoo, "BUNDLES", tmp_path / "bundles")
    monkeypatch.setattr(package_zoo, "EXPORTERS", {})
    for name in BUNDLE_NAMES:
        shutil.copytree(BUNDLES / name, tmp_path / "bundles" / name)
    return tmp_path / "bundles"


def as_version(bundle, version):
    path = bundle / "configs" / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))


def test_a_new_version_is_listed_beside_the_old_one_as_long_as_that_lies_there(repository, tmp_path):
    for version in ("0.9.0", "0.10.0"):
        as_version(repository / "vs_cochlea_seg", version)
        package_zoo.package_zoo(str(tmp_path / "zoo"))
    listed = json.loads((tmp_path / "zoo" / "model_info.json").read_text())
    kept = f"tanq_translation_v{VERSIONS['tanq_translation']}"
    assert set(listed) == {kept, "vs_cochlea_seg_v0.9.0", "vs_cochlea_seg_v0.10.0"}
    for version in ("0.9.0", "0.10.0"):
        fetched = fetch_bundle("vs_cochlea_seg", str(tmp_path / "zoo"), tmp_path / "installed", version)
        assert json.loads((fetched / "configs" / "metadata.json").read_text())["version"] == version

    (tmp_path / "zoo" / "vs_cochlea_seg_v0.9.0.zip").unlink()
    package_zoo.package_zoo(str(tmp_path / "zoo"))
    assert set(json.loads((tmp_path / "zoo" / "model_info.json").read_text())) == {kept, "vs_cochlea_seg_v0.10.0"}


@pytest.mark.parametrize("step", range(1, 7))
def test_whenever_it_is_killed_the_list_fits_the_files(repository, tmp_path, monkeypatch, step):
    """Steps that change anything: both zips are written, left out of the list, moved, and listed again."""

    class Killed(BaseException):
        pass

    def killing(write):
        def counted(*arguments):
            begun.append(write)
            if len(begun) == step:
                raise Killed
            write(*arguments)

        return counted

    zoo, begun = tmp_path / "zoo", []
    package_zoo.package_zoo(str(zoo))
    for name in BUNDLE_NAMES:
        (repository / name / "docs" / "new.md").write_text("new")
    for name in ("write_zip", "write_json"):
        monkeypatch.setattr(package_zoo, name, killing(getattr(package_zoo, name)))
    monkeypatch.setattr(package_zoo, "os", SimpleNamespace(replace=killing(os.replace)))
    with pytest.raises(Killed):
        package_zoo.package_zoo(str(zoo))
    listed = json.loads((zoo / "model_info.json").read_text())
    for stem, entry in listed.items():
        assert hashlib.sha256((zoo / f"{stem}.zip").read_bytes()).hexdigest() == entry["sha256"]
    assert len(listed) == (2 if step <= 3 else 0)


def test_a_bundle_that_is_packed_again_as_it_was_stays_listed(repository, tmp_path, monkeypatch):
    def listed_while_zips_are_moved(source, place):
        listed.append(set(json.loads((tmp_path / "zoo" / "model_info.json").read_text())))
        os.replace(source, place)

    listed, both = [], {f"{name}_v{VERSIONS[name]}" for name in BUNDLE_NAMES}
    package_zoo.package_zoo(str(tmp_path / "zoo"))
    monkeypatch.setattr(package_zoo, "os", SimpleNamespace(replace=listed_while_zips_are_moved))
    package_zoo.package_zoo(str(tmp_path / "zoo"))
    (repository / "vs_cochlea_seg" / "docs" / "new.md").write_text("new")
    package_zoo.package_zoo(str(tmp_path / "zoo"))
    kept = {f"tanq_translation_v{VERSIONS['tanq_translation']}"}
    assert listed == [*[both] * 4, *[kept] * 4]  # each with its bill of materials


def test_it_is_told_what_others_have_to_trust(repository, tmp_path, capsys):
    package_zoo.package_zoo(str(tmp_path / "zoo"))
    translation, segmentation = (tmp_path / "zoo" / f"{name}_v{VERSIONS[name]}.zip" for name in BUNDLE_NAMES)
    assert capsys.readouterr().out == "".join(f"{zip}: fetch takes all of it\n" for zip in (translation, segmentation))
    config = repository / "vs_cochlea_seg" / "configs" / "inference.yaml"
    config.write_text(config.read_text().replace("overlap: 0.5", "overlap: 0.25"))
    package_zoo.package_zoo(str(tmp_path / "zoo"))
    sha256 = hashlib.sha256(segmentation.read_bytes()).hexdigest()
    told = f"only --trust {sha256} makes fetch take configs/inference.json, configs/inference.yaml"
    assert capsys.readouterr().out.splitlines() == [f"{translation}: fetch takes all of it", f"{segmentation}: {told}"]


def test_what_nobody_could_fetch_is_not_packed(repository, tmp_path):
    torch.save({"epoch": 1}, repository / "tanq_translation" / "models" / "model.pt")
    with pytest.raises(
        InputError, match=r"tanq_translation/models/model\.pt: is more than weights, or damaged; put in"
    ):
        package_zoo.package_zoo(str(tmp_path / "zoo"))
    shutil.copyfile(BUNDLES / "tanq_translation/models/model.pt", repository / "tanq_translation/models/model.pt")
    (repository / "tanq_translation" / "docs" / "a picture.png").touch()
    with pytest.raises(InputError, match=r"holds 'tanq_translation/docs/a picture\.png', which is no plain name"):
        package_zoo.package_zoo(str(tmp_path / "zoo"))
    assert list((tmp_path / "zoo").iterdir()) == []


def test_own_weights_are_fetched_by_others_without_further_ado(repository, tmp_path):
    models = repository / "vs_cochlea_seg" / "models"
    weights = torch.load(models / "model.pt", weights_only=True)
    torch.save({name: weight + 1 for name, weight in weights.items()}, models / "model.pt")
    plans = json.loads((models / "plans.json").read_text()) | {"trained_configuration": "3d_fullres"}
    (models / "plans.json").write_text(json.dumps(plans))
    as_version(repository / "vs_cochlea_seg", "0.2.0")
    package_zoo.package_zoo(str(tmp_path / "zoo"))
    fetched = fetch_bundle("vs_cochlea_seg", str(tmp_path / "zoo"), tmp_path / "installed")
    assert fetched.name == "vs_cochlea_seg_v0.2.0"
    assert (fetched / "models" / "model.pt").read_bytes() == (models / "model.pt").read_bytes()
    assert audit_bundle(fetched)[1] == []


def test_a_list_that_cannot_be_read_is_not_replaced(repository, tmp_path):
    (tmp_path / "model_info.json").write_text("{")
    with pytest.raises(InputError, match=r"model_info\.json: is no JSON"):
        package_zoo.package_zoo(str(tmp_path))
    assert (tmp_path / "model_info.json").read_text() == "{"


def test_a_bundle_without_weights_is_told(repository, tmp_path):
    (repository / "vs_cochlea_seg" / "models" / "model.pt").unlink()
    with pytest.raises(InputError, match=r"model.pt: is missing; train first, and put the weights there"):
        package_zoo.package_zoo(str(tmp_path / "zoo"))
    assert not (tmp_path / "zoo" / "model_info.json").exists()
