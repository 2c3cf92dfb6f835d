"""Bundles small enough to be made, spoilt and published within a test."""

import contextlib
import functools
import hashlib
import http.server
import json
import threading
import zipfile
from pathlib import Path

import torch

METADATA = {"version": "0.1.0", "required_packages_version": {"nibabel": "5.2.0"}, "monai_version": "1.6.1"}
CONFIG = """imports: [$import torch]
bundle_root: .
device: '$torch.device("cuda" if torch.cuda.is_available() else "cpu")'
"""


def make_bundle(folder: Path, config: str = CONFIG, version: str = "0.1.0", **metadata: object) -> Path:
    """A bundle of one config, one weight and no code."""
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    content = METADATA | {"version": version} | metadata
    (folder / "configs" / "metadata.json").write_text(json.dumps(content))
    (folder / "configs" / "inference.yaml").write_text(config)
    (folder / "LICENSE").write_text("Apache-2.0")
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
        told = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "source": archive.name}
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
