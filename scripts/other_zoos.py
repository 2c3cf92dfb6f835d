"""Lay both bundles out as other places want them: MONAI's model zoo, and the Hugging Face hub. Research use only.

    python scripts/other_zoos.py model_zoo --output MODEL_ZOO     # a checkout of Project-MONAI/model-zoo
    python scripts/other_zoos.py hugging_face --output MODELS     # a new folder for each bundle

Both hold the files of `package_zoo.py` but what is exported: configs, weights, card, licence, a copy of the package.
What else each place asks for is written beside them. Nothing is sent anywhere.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fire
import torch
import yaml
from package_zoo import bundle_members, package_members
from safetensors.torch import save

from tanq_monai.deploy.zoo.contents import LARGE_FILES, SAFETENSORS, WEIGHTS
from tanq_monai.deploy.zoo.release import digest
from tanq_monai.errors import InputError, print_mistakes_in_one_line
from tanq_monai.files import filling
from tanq_monai.steps import BUNDLE_NAMES, BUNDLES

UNIT_TESTS = Path(__file__).parent / "zoo_unit_tests"
LIMIT = 25 * 2**20  # bytes of a file in MONAI's model zoo
TASKS = {"vs_cochlea_seg": "image-segmentation", "tanq_translation": "image-to-image"}
ATTRIBUTES = "".join(
    f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n" for ending in ("onnx", "pt", "safetensors", "ts")
)


def model_zoo(output: str, url: str | None = None) -> None:
    """Write ``models/NAME`` of both bundles, and ``ci/unit_tests/test_NAME.py``, into a checkout of the zoo.

    Args:
        output: the checkout. What lies in its ``models/NAME`` has to be taken away before.
        url: https address of the folder that holds what is larger than 25 MB; the zoo takes a link to it.
    """
    for name in BUNDLE_NAMES:
        members = _members(name)
        large = {member: content for member, content in members.items() if len(content) > LIMIT}
        if large and url is None:
            remedy = "put it on a server, and give its folder as --url: large_files.yml will name it"
            raise InputError(BUNDLES / name / min(large), "is larger than the 25 MB that the zoo takes", remedy)
        if large:
            members[LARGE_FILES[0]] = yaml.safe_dump(
                {"large_files": [_link(one, large[one], url) for one in large]}
            ).encode()
        _write({member: content for member, content in members.items() if member not in large}, output, "models", name)
        test = Path(output, "ci", "unit_tests", f"test_{name}.py")
        test.parent.mkdir(parents=True, exist_ok=True)
        test.write_bytes((UNIT_TESTS / test.name).read_bytes())


def hugging_face(output: str) -> None:
    """Write ``NAME`` of both bundles: the card in the front, and the weights as safetensors, too.

    Args:
        output: gets a folder of each bundle, for a repository of its own.
    """
    for name in BUNDLE_NAMES:
        members = _members(name)
        metadata = json.loads(members["configs/metadata.json"])
        front = yaml.safe_dump(_front_matter(name, metadata), sort_keys=False)
        members["README.md"] = f"---\n{front}---\n{members['docs/README.md'].decode()}".encode()
        members[".gitattributes"] = ATTRIBUTES.encode()
        members[SAFETENSORS] = _safetensors(members[WEIGHTS])
        _write(members, output, name)


def _members(name: str) -> dict[str, bytes]:
    return dict(bundle_members(BUNDLES / name)) | dict(package_members())


def _safetensors(weights: bytes) -> bytes:
    """The same tensors, each once: nnU-Net's networks have several names for one, and the format has none for that.

    As safetensors' own writer does, the other names stand in the metadata. A network that shares its tensors gets all.
    """
    kept: dict[int, str] = {}
    tensors, other_names = {}, {}
    for name, tensor in torch.load(io.BytesIO(weights), weights_only=True).items():
        first = kept.setdefault(tensor.data_ptr(), name)
        if first == name:
            tensors[name] = tensor.contiguous()
        else:
            other_names[name] = first
    return save(tensors, metadata={"format": "pt", **other_names})


def _front_matter(name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What the hub reads of a card."""
    tags = ["monai", "medical", "mri", "vestibular-schwannoma", "cochlea", "research-only"]
    return {
        "license": "apache-2.0",
        "library_name": "monai",
        "pipeline_tag": TASKS[name],
        "tags": tags,
        "model_name": metadata["name"],
    }


def _link(member: str, content: bytes, url: str | None) -> dict[str, str]:
    address = f"{url}/{Path(member).name}"
    return {"path": member, "url": address, "hash_val": digest(content), "hash_type": "sha256"}


def _write(members: Mapping[str, bytes], *folder: str) -> None:
    with filling(Path(*folder)) as temporary:
        for member, content in members.items():
            path = temporary / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    print(Path(*folder))


if __name__ == "__main__":
    print_mistakes_in_one_line()
    fire.Fire({"model_zoo": model_zoo, "hugging_face": hugging_face})
