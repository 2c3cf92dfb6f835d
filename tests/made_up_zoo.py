"""Bundles small enough to be made, changed and published within a test."""

import contextlib
import functools
import http.server
import json
import threading
import zipfile
from pathlib import Path

import torch

from tanq_monai.deploy.zoo.release import digest
from tanq_monai.steps import BUNDLES

METADATA = {"version": "0.1.0", "required_packages_version": {"nibabel": "5.2.0"}, "monai_version": "1.6.1"}
LOGGING = (BUNDLES / "vs_cochlea_seg" / "configs" / "logging.conf").read_text()


def make_bundle(folder: Path, version: str = "0.1.0", files: dict[str, str] | None = None, **metadata: object) -> Path:
    """A bundle of one of the release's configs, one weight and no code; ``files`` are further ones, or other texts."""
    texts = {
        "LICENSE": "Apache-2.0",
        "configs/metadata.json": json.dumps(METADATA | {"version": version} | metadata),
        "configs/logging.conf": LOGGING,
    }
    for name, text in (texts | (files or {})).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "models").mkdir(exist_ok=True)
    torch.save({"weight": torch.zeros(2)}, folder / "models" / "model.pt")
    return folder


def zip_of(bundle: Path, path: Path) -> Path:
    """The bundle's folder as a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(path for path in bundle.rglob("*") if path.is_file()):
            archive.write(file, f"{bundle.name}/{file.relative_to(bundle)}")
    return path


def publish(zoo: Path, *archives: Path, **wrong: object) -> Path:
    """``model_info.json`` of zip files in ``zoo``; ``wrong`` replaces what it would tell."""
    info = {}
    for archive in archives:
        content = archive.read_bytes()
        with zipfile.ZipFile(archive) as opened:
            files = {name.partition("/")[2]: digest(opened.read(name)) for name in opened.namelist()}
        told = {"sha256": digest(content), "size": len(content), "source": archive.name, "files": files}
        info[archive.stem] = told | wrong
    (zoo / "model_info.json").write_text(json.dumps(info))
    return zoo


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file in ``folder`` by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder):
    """The address of a plain http server of a folder."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
