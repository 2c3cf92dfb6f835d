"""Layers as arrays for the compiled loops."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.painting.shapes import Array, Layer, Waves
from tanq_monai.phantom.tissues import COCHLEA_KINDS, VS_KINDS, Kind

_EVERYTHING = -1  # all bits


class Scene(NamedTuple):
    """All layers in painting order; their conditions, and these conditions' waves, in a row."""

    structure: NDArray[np.uint8]  # of every tissue: 0, 1 VS, 2 cochlea
    kind: NDArray[np.uint8]
    over: NDArray[np.int64]  # bit k: may cover tissue k
    boxes: Array  # (layers, 2, 3), mm
    first: NDArray[np.int64]  # conditions of layer i: first[i] : first[i + 1]
    field: NDArray[np.int64]
    parameters: Array  # (conditions, 8)
    limits: Array  # (conditions, 3): below, above, and how much the waves may add or take
    waves: NDArray[np.int64]  # -1: none
    height: Array
    vectors: Array  # (all plane waves, 3)
    phases: Array
    first_wave: NDArray[np.int64]
    scale: Array


class Plan(NamedTuple):
    """What has to be painted in one cell; room for it is made once and used again for every cell."""

    layers: NDArray[np.int64]
    first: NDArray[np.int64]  # conditions to test for the i-th of these layers: first[i] : first[i + 1]
    conditions: NDArray[np.int64]


def make_scene(layers: Sequence[Layer]) -> Scene:
    """Layers in painting order as arrays."""
    conditions = [condition for layer in layers for condition in layer.conditions]
    waves: dict[int, tuple[int, Waves]] = {}
    for condition in conditions:
        if condition.waves is not None:
            waves.setdefault(id(condition.waves), (len(waves), condition.waves))
    fields = [wave for _, wave in waves.values()]
    parameters = np.zeros((len(conditions), 8))
    for row, condition in zip(parameters, conditions, strict=True):
        row[: len(condition.parameters)] = condition.parameters
    return Scene(
        structure=np.array([2 if k in COCHLEA_KINDS else 1 if k in VS_KINDS else 0 for k in Kind], np.uint8),
        kind=np.array([layer.kind for layer in layers], np.uint8),
        over=np.array([sum(1 << k for k in layer.over) or _EVERYTHING for layer in layers]),
        boxes=np.array([layer.box() for layer in layers]),
        first=np.cumsum([0, *(len(layer.conditions) for layer in layers)]),
        field=np.array([int(c.field) for c in conditions]),
        parameters=parameters,
        limits=np.array([(c.below, c.above, c.slack) for c in conditions]),
        waves=np.array([-1 if c.waves is None else waves[id(c.waves)][0] for c in conditions]),
        height=np.array([c.height for c in conditions]),
        vectors=np.concatenate([w.vectors for w in fields] or [np.zeros((0, 3))]),
        phases=np.concatenate([w.phases for w in fields] or [np.zeros(0)]),
        first_wave=np.cumsum([0, *(len(w.phases) for w in fields)]),
        scale=np.array([w.scale for w in fields]),
    )


def make_plan(scene: Scene) -> Plan:
    """Room for the plan of any cell."""
    layers, conditions = len(scene.kind), len(scene.field)
    return Plan(np.zeros(layers, np.int64), np.zeros(layers + 1, np.int64), np.zeros(conditions, np.int64))
