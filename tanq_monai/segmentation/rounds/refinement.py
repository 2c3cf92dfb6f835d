"""Pseudo-labels without what is uncertain or impossible: such voxels are ignored, such cases wait.

Volumes are (I, J, K), one voxel of the scan each.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.components import Component, Mask, apart, are_opposite, find_components
from tanq_monai.anatomy.measured import structure_masks
from tanq_monai.anatomy.plausibility import Interval, Plausible
from tanq_monai.scans.grid import Grid
from tanq_monai.segmentation.rounds.refinement_rules import RefinementRules
from tanq_monai.structures import Roles, Structures

_HALF_STEP = 0.5 / 255  # agreement and confidence are stored in 255 steps


class Prediction(NamedTuple):
    """What an ensemble says of one scan.

    Args:
        labels: (I, J, K), the label that won; may hold the ignore label, which stays.
        confidence: mean probability of the label that won, [0, 1].
        agreement: share of the members that voted for it, [0, 1].
        grid: where the voxels lie.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.floating]
    agreement: NDArray[np.floating]
    grid: Grid


class Refinement(NamedTuple):
    """A refined label map.

    Args:
        labels: (I, J, K); a voxel keeps its label or becomes the ignore label.
        removed: (I, J, K), numbers of the components that were removed, of each kind of structure; 0 elsewhere.
        reasons: why the case waits, ``rule: figures``; none: it is accepted.
    """

    labels: NDArray[np.uint8]
    removed: NDArray[np.int32]
    reasons: tuple[str, ...]


class _Kept(NamedTuple):
    """The components of one kind of structure."""

    ids: NDArray[np.int32]
    chosen: tuple[Component, ...]
    others: tuple[Component, ...]


def refine(prediction: Prediction, rules: RefinementRules, structures: Structures) -> Refinement:
    """Ignore uncertain voxels, then all components but those that can be the VS and the cochleae; judge what is left.

    Components are those of the certain voxels, so that a vessel that hangs on a tumor by uncertain ones is cut off. Of
    the other components nobody knows that they are background: they are ignored, too. Labels that were refined before
    stay as they are. Of structures that are neither, only uncertain voxels are ignored, and only how many is judged.
    """
    uncertain = (prediction.agreement < rules.min_agreement - _HALF_STEP) | (
        prediction.confidence < rules.min_confidence - _HALF_STEP
    )
    labels = np.where(uncertain, np.uint8(structures.ignore), prediction.labels)
    done, roles = Refinement(labels, np.zeros(labels.shape, np.int32), ()), structures.roles()
    if roles is not None:
        done = _by_anatomy(labels, prediction, rules, roles)
    ignored, reasons = done.labels == structures.ignore, [*done.reasons]
    for name, value in structures.others.items():
        reasons += _ignored_reasons(prediction.labels == value, ignored, name, rules)
    return done._replace(reasons=tuple(reasons))


def _by_anatomy(labels: NDArray[np.uint8], prediction: Prediction, rules: RefinementRules, roles: Roles) -> Refinement:
    """Of the labels without uncertain voxels, what is left by the rules about VS and cochlea."""
    predicted, certain = (structure_masks(array, roles) for array in (prediction.labels, labels))
    plausible, grid = rules.plausible, prediction.grid
    tumors = find_components(certain[0], prediction.confidence, grid.affine)
    ears = find_components(certain[1], prediction.confidence, grid.affine, plausible.join_mm)
    cochlea = _kept(*ears, plausible.cochleae(ears[1], tumors[1]))
    vs = _kept(*tumors, plausible.vs(tumors[1], cochlea.chosen))
    removed = np.where(_outside(cochlea), cochlea.ids, 0) + np.where(_outside(vs), vs.ids, 0)
    refined = np.where(removed > 0, np.uint8(roles.ignore), labels)
    reasons = [
        *_cochlea_reasons(cochlea, predicted[1], prediction, rules),
        *_vs_reasons(vs, predicted[0], prediction, rules),
    ]
    for name, kept, mask in (("VS", vs, predicted[0]), ("cochlea", cochlea, predicted[1])):
        if kept.chosen:  # where nothing is kept, other rules say so
            reasons += _ignored_reasons(mask, refined == roles.ignore, name, rules)
    return Refinement(refined, removed.astype(np.int32), tuple(reasons))


def _kept(ids: NDArray[np.int32], found: Sequence[Component], chosen: tuple[Component, ...]) -> _Kept:
    numbers = {one.number for one in chosen}
    return _Kept(ids, chosen, tuple(one for one in found if one.number not in numbers))


def _outside(kept: _Kept) -> Mask:
    """Voxels of the components that were not chosen."""
    return (kept.ids > 0) & ~np.isin(kept.ids, [one.number for one in kept.chosen])


def _cochlea_reasons(kept: _Kept, predicted: Mask, prediction: Prediction, rules: RefinementRules) -> Iterator[str]:
    plausible = rules.plausible
    if len(kept.chosen) < rules.min_cochleae:
        yield f"cochlea missing: {len(kept.chosen)} found, {rules.min_cochleae} wanted"
    yield from _apart_reasons(kept, plausible)
    yield from _volume_reasons(kept, predicted, prediction, ("cochlea", plausible.cochlea_mm3, plausible.join_mm))


def _apart_reasons(kept: _Kept, plausible: Plausible) -> Iterator[str]:
    """One cochlea, and on the other side what has the volume of one but is no ear of the same head."""
    ears = [other for other in kept.others if other.volume >= plausible.cochlea_mm3[0]]
    opposite = [other for other in ears if len(kept.chosen) == 1 and are_opposite(kept.chosen[0], other)]
    if opposite:
        other = max(opposite, key=lambda one: one.weight)
        distance = apart(kept.chosen[0].center, other.center)
        yield f"cochleae apart: {distance:.1f} mm, {_told(plausible.cochleae_apart_mm)}"


def _vs_reasons(kept: _Kept, predicted: Mask, prediction: Prediction, rules: RefinementRules) -> Iterator[str]:
    if rules.vs_required and not kept.chosen:
        yield "VS missing: removed by operation, or overlooked"
    yield from _volume_reasons(kept, predicted, prediction, ("VS", rules.plausible.vs_mm3, 0.0))


def _volume_reasons(
    kept: _Kept, predicted: Mask, prediction: Prediction, rule: tuple[str, Interval, float]
) -> Iterator[str]:
    """Too large without its uncertain voxels, or too small even with them."""
    name, interval, join_mm = rule
    ids, components = find_components(predicted, prediction.confidence, prediction.grid.affine, join_mm)
    volumes = {one.number: one.volume for one in components}
    for one in kept.chosen:
        whole = sum(volumes[n] for n in np.unique(ids[kept.ids == one.number]))
        if one.volume > interval[1] or whole < interval[0]:
            figure = one.volume if one.volume > interval[1] else whole
            yield f"{name} volume: {figure:.0f} mm3, {_told(interval)}"


def _ignored_reasons(predicted: Mask, ignored: Mask, name: str, rules: RefinementRules) -> Iterator[str]:
    """Too much of a structure ignored."""
    share = np.count_nonzero(predicted & ignored) / max(int(np.count_nonzero(predicted)), 1)
    if share > rules.max_ignored_share:
        yield f"{name} uncertain: {share:.1%} ignored, at most {rules.max_ignored_share:.1%} plausible"


def _told(interval: Interval) -> str:
    return f"{interval[0]:g} to {interval[1]:g} plausible"
