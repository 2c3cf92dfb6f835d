"""What of a bundle is data, and whether it is no more than that: metadata, plans, weights, where large ones lie."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tanq_monai.choices.documents import parse_yaml
from tanq_monai.deploy.zoo.release import is_data
from tanq_monai.deploy.zoo.requirements import METADATA, read_metadata
from tanq_monai.segmentation.plan.plans import check_plan, read_json
from tanq_monai.weights import read_state_dict

PLANS, WEIGHTS, SAFETENSORS = "models/plans.json", "models/model.pt", "models/model.safetensors"
LARGE_FILES = ("large_files.yml", "large_files.yaml", "large_files.json")
"""In which MONAI's model zoo lists files above its limit, for `monai.bundle download_large_files`."""

COMPANIONS = ("models/discriminator.pt", "models/projector.pt")  # weights for who trains on, of a translator
_EVALUATED = re.compile(r'(?<!\\)"[$@%]|_target_')  # by MONAI, in JSON


def refusals(folder: Path) -> dict[str, str]:
    """Why files of the bundle in ``folder`` are not what their names say, by name."""
    found = {}
    for name, (check, reason) in _CHECKS.items():
        try:
            if (folder / name).exists():
                check(folder)
        except Exception:  # a broken file may lead to any
            found[name] = reason
    return found


def _check_weights(name: str) -> Callable[[Path], object]:
    return lambda folder: read_state_dict(folder / name)


def _check_metadata(folder: Path) -> None:
    if _EVALUATED.search(json.dumps(read_metadata(folder), ensure_ascii=False)):
        raise ValueError


def _check_safetensors(folder: Path) -> None:
    """A length of 8 bytes, a header in JSON, and the bytes that it tells of, without gaps: what the format is."""
    content = (folder / SAFETENSORS).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    ends = sorted(tuple(entry["data_offsets"]) for entry in header.values())
    if [start for start, _ in ends] != [0, *(end for _, end in ends[:-1])] or ends[-1][1] != len(content) - 8 - length:
        raise ValueError


def _check_large_files(name: str) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        content = parse_yaml((folder / name).read_text(encoding="utf-8"))
        if {*content} != {"large_files"}:
            raise ValueError
        for file in content["large_files"]:
            if not is_data(file["path"]) or not file["url"].startswith("https://"):
                raise ValueError

    return check


_CHECKS: dict[str, tuple[Callable[[Path], object], str]] = {
    METADATA: (_check_metadata, "is more than texts and numbers"),
    PLANS: (lambda folder: check_plan(read_json(folder / PLANS), folder / PLANS), "names more than networks"),
    SAFETENSORS: (_check_safetensors, "is more than weights, or damaged"),
    **{name: (_check_large_files(name), "names more than weights on https servers") for name in LARGE_FILES},
    **{name: (_check_weights(name), "is more than weights, or damaged") for name in (WEIGHTS, *COMPANIONS)},
}
