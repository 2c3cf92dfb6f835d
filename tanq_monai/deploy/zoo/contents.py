"""What of a bundle is data, and whether it is no more than that: metadata, plans, weights."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tanq_monai.deploy.zoo.requirements import METADATA, read_metadata
from tanq_monai.segmentation.plan.plans import check_plan, read_json
from tanq_monai.weights import read_state_dict

PLANS, WEIGHTS = "models/plans.json", "models/model.pt"
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


_CHECKS: dict[str, tuple[Callable[[Path], object], str]] = {
    METADATA: (_check_metadata, "is more than texts and numbers"),
    PLANS: (lambda folder: check_plan(read_json(folder / PLANS), folder / PLANS), "names more than networks"),
    **{name: (_check_weights(name), "is more than weights, or damaged") for name in (WEIGHTS, *COMPANIONS)},
}
