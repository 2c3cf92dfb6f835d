"""Pack the bundles for a model zoo: one zip file each, and model_info.json, which names them.

    python scripts/package_zoo.py --output zoo/

A zip holds the configs (YAML, and what MONAI wants as JSON rendered from it), the weights as state dict, TorchScript
and ONNX, the card, the licence, and a copy of the package, so that it runs with only its required_packages_version
installed. The same repository, weights and packages give the same bytes. Research use only.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import fire
from zoo_sbom import ENDING, bill_of_materials

import tanq_monai
from tanq_monai.deploy.archives import write_zip
from tanq_monai.deploy.bundle_network import WEIGHTS
from tanq_monai.deploy.export import export_onnx
from tanq_monai.deploy.rendering import rendered_json
from tanq_monai.deploy.torchscript import export_torchscript
from tanq_monai.deploy.zoo.contents import COMPANIONS, refusals
from tanq_monai.deploy.zoo.release import digest, foreign
from tanq_monai.deploy.zoo.requirements import read_metadata, required_packages
from tanq_monai.deploy.zoo.source import INDEX
from tanq_monai.deploy.zoo.unpack import unpack
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import aside, check_output_dir, write_json
from tanq_monai.steps import BUNDLE_NAMES, BUNDLES

RENDERED = ("inference", "train")  # what monai.bundle.load finds, and only as JSON
PLANS = tuple(  # what an inference reads beside the weights
    f"models/{name}.json" for name in ("plans", "dataset", "model", "source_statistics")
)
PACKAGE = Path(tanq_monai.__file__).parent
EXPORTERS: Mapping[str, Callable[[Path, Path], object]] = {
    "models/model.ts": export_torchscript,
    "models/model.onnx": export_onnx,
}


def package_zoo(output: str) -> None:
    """Write ``{name}_v{version}.zip`` of both bundles of the repository, and list them in ``model_info.json``.

    Beside each lies its bill of materials, ``{name}_v{version}.cdx.json``.

    Args:
        output: folder of the zoo; made where it is missing. Other versions that lie and are listed there stay.
    """
    folder = check_output_dir(output)
    listed = _listed(folder)
    with aside(folder / "packaged") as made:
        info = {}
        for name in BUNDLE_NAMES:
            bundle = BUNDLES / name
            version = json.loads((bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))["version"]
            archive = made / f"{name}_v{version}.zip"
            members = dict(bundle_members(bundle)) | dict(exported_members(bundle)) | dict(package_members())
            write_zip(archive, {f"{name}/{member}": content for member, content in members.items()})
            _check(archive, bundle)
            info[archive.stem] = _entry(archive, members)
            packages = required_packages(read_metadata(bundle))
            sbom = bill_of_materials(name, version, info[archive.stem], packages)
            (made / f"{archive.stem}{ENDING}").write_text(sbom, encoding="utf-8")
        _publish(made, info, listed, folder)
    for stem, entry in info.items():
        strange = ", ".join(foreign(entry["files"]))
        told = f"only --trust {entry['sha256']} makes fetch take {strange}" if strange else "fetch takes all of it"
        print(f"{folder / stem}.zip: {told}")


def _publish(made: Path, info: Mapping[str, Any], listed: Mapping[str, Any], folder: Path) -> None:
    """Move the zips of ``info`` from ``made`` to ``folder``, and list them there beside what is ``listed`` already.

    Whenever it is killed, the list tells of no file that is not there or is another one: what is about to be replaced
    leaves it first.
    """
    kept = {stem: entry for stem, entry in listed.items() if info.get(stem, entry) == entry}
    if kept != listed:
        write_json(kept, folder / INDEX)
    for stem in info:
        for ending in (ENDING, ".zip"):
            os.replace(made / f"{stem}{ending}", folder / f"{stem}{ending}")
    write_json(dict(sorted((kept | info).items())), folder / INDEX)


def _check(archive: Path, bundle: Path) -> None:
    """Raise where nobody could fetch it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, reason in refusals(unpack(archive, Path(folder))).items():
            raise InputError(bundle / name, reason, "put in what a training has written")


def _listed(folder: Path) -> dict[str, Any]:
    """What the zoo has so far, but for files that are gone."""
    if not (folder / INDEX).exists():
        return {}
    try:
        info = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(folder / INDEX, f"is no JSON ({error})", "mend or remove it") from error
    return {stem: entry for stem, entry in info.items() if (folder / f"{stem}.zip").is_file()}


def bundle_members(bundle: Path) -> Iterator[tuple[str, bytes]]:
    """What the bundle's folder holds, and its configs as JSON."""
    if not (bundle / WEIGHTS).is_file():
        raise InputError(bundle / WEIGHTS, "is missing", "train first, and put the weights there")
    files = [path for part in ("configs", "docs") for path in (bundle / part).rglob("*") if path.is_file()]
    files += [bundle / name for name in ("LICENSE", WEIGHTS, *COMPANIONS, *PLANS) if (bundle / name).is_file()]
    for path in files:
        yield path.relative_to(bundle).as_posix(), path.read_bytes()
    for name in RENDERED:
        yield f"configs/{name}.json", rendered_json(bundle / "configs" / f"{name}.yaml").encode()


def exported_members(bundle: Path) -> Iterator[tuple[str, bytes]]:
    """What the exporters make of the bundle."""
    with tempfile.TemporaryDirectory() as folder:
        for name, export in EXPORTERS.items():
            path = Path(folder) / Path(name).name
            export(bundle, path)
            yield name, path.read_bytes()


def package_members() -> Iterator[tuple[str, bytes]]:
    """The package, without what Python compiles of it."""
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}", path.read_bytes()


def _entry(archive: Path, members: Mapping[str, bytes]) -> dict[str, Any]:
    """``checksum`` (SHA-1) and ``source`` are MONAI's; `python -m tanq_monai fetch` goes by the others."""
    content = archive.read_bytes()
    return {
        "checksum": hashlib.sha1(content).hexdigest(),
        "source": archive.name,
        "sha256": digest(content),
        "size": len(content),
        "files": {name: digest(members[name]) for name in sorted(members)},
    }


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire(package_zoo)
