"""An ensemble of nnU-Net models on disk: which models, how they are grouped, what is done to their labels.

Beside its model folders, an ensemble folder holds ``ensemble.json``::

    {"groups": [["2d_fold_0", "2d_fold_1"], ["3d_fullres_fold_0"]], "postprocessing": [[1, 2], [1]]}

A group is made of models of one plan, e.g. folds of one configuration. ``postprocessing`` are the steps of
:class:`tanq_monai.segmentation.inference.keep_largest.KeepLargestd`. A lone model folder is an ensemble of one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tanq_monai.choices.config import did_you_mean
from tanq_monai.errors import InputError
from tanq_monai.segmentation.plan.plans import (
    check_model_folder,
    network_from_plans,
    patch_size_from_plans,
    read_json,
    read_structures,
    space_from_plans,
)
from tanq_monai.structures import Structures

if TYPE_CHECKING:
    from torch import nn

DESCRIPTION = "ensemble.json"
_KEYS = frozenset({"groups", "postprocessing", "dice"})  # the last is what `find_best.yaml` found


@dataclass(frozen=True)
class Ensemble:
    """What an ensemble folder says.

    Attributes:
        groups: the model folders of every group.
        postprocessing: label values of every step.
        classes: K, background included.
    """

    groups: tuple[tuple[Path, ...], ...]
    postprocessing: tuple[tuple[int, ...], ...]
    classes: int

    @property
    def members(self) -> tuple[Path, ...]:
        """All model folders."""
        return tuple(folder for group in self.groups for folder in group)

    @property
    def structures(self) -> Structures:
        """What the members label."""
        return read_structures(self.members[0] / "dataset.json")


def read_ensemble(folder: str | Path) -> Ensemble:
    """The ensemble, or the lone model, in ``folder``, with every plan and label list of it checked.

    Raises:
        InputError: when ``ensemble.json`` is none, a model is missing, or the models do not belong together.
    """
    folder = Path(folder)
    if not (folder / DESCRIPTION).exists() and (folder / "plans.json").exists():
        groups: tuple[tuple[Path, ...], ...] = ((folder,),)
        steps: tuple[tuple[int, ...], ...] = ()
    else:
        groups, steps = _described(folder)
    for group in groups:
        _check_group(group, folder / DESCRIPTION)
    first, *others = (member / "dataset.json" for group in groups for member in group)
    structures = read_structures(first)
    for other in others:
        if read_structures(other) != structures:
            problem = f"has other labels than {first.parent.name}: {read_structures(other)}, not {structures}"
            raise InputError(other, problem, "give models of one set of labels")
    unknown = {value for step in steps for value in step} - {0, *structures.values()}
    if unknown:
        problem = f"postprocessing names labels that no model has: {sorted(unknown)}"
        raise InputError(folder / DESCRIPTION, problem, f"choose of {structures}")
    return Ensemble(groups, steps, 1 + len(structures))


def networks_of(ensemble: Ensemble) -> "nn.ModuleList":
    """One ``ModuleList`` of networks per group, freshly initialized."""
    from torch import nn

    return nn.ModuleList(
        nn.ModuleList(network_from_plans(member / "plans.json", member / "dataset.json") for member in group)
        for group in ensemble.groups
    )


def load_members(networks: "nn.ModuleList", ensemble: Ensemble) -> "nn.ModuleList":
    """``networks`` of :func:`networks_of` with the weights of the ensemble's models.

    Raises:
        InputError: when a ``model.pt`` does not fit.
    """
    from tanq_monai.weights import load_weights

    flat = [network for group in networks for network in cast("nn.ModuleList", group)]
    for network, folder in zip(flat, ensemble.members, strict=True):
        load_weights(network, folder / "model.pt")
    return networks


def _described(folder: Path) -> tuple[tuple[tuple[Path, ...], ...], tuple[tuple[int, ...], ...]]:
    path = folder / DESCRIPTION
    if not path.exists():
        raise InputError(path, "is missing", f"give the folder of an ensemble, with {DESCRIPTION}, or of one model")
    content = read_json(path)
    for key in content.keys() - _KEYS:
        raise InputError(path, f"has {key}, which no ensemble has", did_you_mean(key, _KEYS))
    names, steps = content.get("groups"), content.get("postprocessing", [])
    if not _is_table(names, str) or not names or not all(names) or not _is_table(steps, int):
        problem = "is no description of an ensemble"
        raise InputError(path, problem, 'write {"groups": [["model", ...], ...], "postprocessing": [[1], ...]}')
    return tuple(tuple(folder / name for name in group) for group in names), tuple(tuple(step) for step in steps)


def _is_table(rows: Any, kind: type) -> bool:
    return isinstance(rows, list) and all(isinstance(r, list) and all(isinstance(v, kind) for v in r) for r in rows)


def _check_group(group: tuple[Path, ...], description: Path) -> None:
    """All models are there, and of one plan."""
    for member in group:
        if not member.is_dir():
            problem = f"is missing, a model that {description.name} names"
            raise InputError(member, problem, f"train it, or take it out of {description.name}")
        check_model_folder(member)
    first = group[0] / "plans.json"
    for plans in (member / "plans.json" for member in group[1:]):
        if any(read(plans) != read(first) for read in (space_from_plans, patch_size_from_plans)):
            problem = f"is another plan than that of {group[0].name}, in the same group"
            raise InputError(plans, problem, "put models of one configuration into a group")
