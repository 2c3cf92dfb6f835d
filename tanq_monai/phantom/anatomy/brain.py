"""Cerebrum, cerebellum and brainstem with their ventricles and cisterns."""

from tanq_monai.phantom.anatomy.head import BRAIN, Head, above_floor, below_floor, posterior_fossa, vault
from tanq_monai.phantom.painting.shapes import (
    Condition,
    Field,
    Layer,
    Point,
    ellipsoid,
    near_shells,
    outside,
    rod,
    slab,
    solid,
    tube,
    waves_between,
)
from tanq_monai.phantom.tissues import Kind

_SKULL = 7.6  # mm from the outer surface of the skull to the brain
_CORTEX = 3.0  # mm thick


def cerebrum_layers(head: Head) -> list[Layer]:
    """White matter, cortex and sulci above the tentorium and in the middle fossa; deep nuclei and ventricles."""
    inside = vault(head, _SKULL)
    cisterns = ellipsoid((0, 6, 19), (18, 21, 21), waves=head.folia, height=1.2)
    brain = (inside, above_floor(head, 1.0), outside(_tentorium(head)), outside(cisterns), outside(_falx(1.0)))
    whole = (inside, above_floor(head, 1.0))
    white, grey = (Kind.WHITE_MATTER,), (Kind.GRAY_MATTER,)
    layers = [Layer(Kind.WHITE_MATTER, brain, over=(Kind.CSF,))]
    surfaces = (
        outside(vault(head, _SKULL + _CORTEX)),
        below_floor(head, -1.0 - _CORTEX),
        _falx(1.0 + _CORTEX),
        Condition(Field.TENTORIUM, (head.ridge,), below=_CORTEX),
    )
    layers += [Layer(Kind.GRAY_MATTER, (*whole, surface), over=white) for surface in surfaces]
    bound = outside(vault(head, _SKULL + 22))  # how deep the sulci go
    ribbons = ((head.folds, 0.34), (head.fine_folds, 0.30))
    layers += [
        Layer(Kind.GRAY_MATTER, (*whole, bound, waves_between(folds, -half, half)), over=white)
        for folds, half in ribbons
    ]
    layers += [
        Layer(Kind.CSF, (*whole, outside(vault(head, _SKULL + 17)), waves_between(folds, -0.11, 0.11)), over=grey)
        for folds, _ in ribbons
    ]
    for side in (-1, 1):  # sulci of insula and Sylvian fissure
        fissure: list[Point] = [(side * 34, 26, 30), (side * 44, 8, 34), (side * 48, -18, 44)]
        layers += tube(Kind.GRAY_MATTER, fissure, 6.0, over=white)
        layers += tube(Kind.CSF, fissure, 2.4, over=grey)
    return [*layers, *_deep(head)]


def hindbrain_layers(head: Head) -> list[Layer]:
    """Cerebellum, brainstem and fourth ventricle, in the CSF below the tentorium."""
    below = _tentorium(head)
    bowl = posterior_fossa(head, _SKULL)
    hemispheres = [ellipsoid((side * 25, -38, -4), (27, 28, 25)) for side in (-1, 1)]
    lobes = [*hemispheres, ellipsoid((0, -34, 14), (26, 26, 24)), ellipsoid((0, -46, -9), (15, 17, 17))]
    cerebellum = [Layer(Kind.GRAY_MATTER, (lobe, below, bowl), over=(Kind.CSF,)) for lobe in lobes]
    branches = [
        Layer(Kind.WHITE_MATTER, (core, _between_folia(head, 0.5, 0.35)), over=(Kind.GRAY_MATTER,))
        for core in _cores(head, 8.0)
    ]
    deep = [outside(core) for core in _cores(head, 3.0)]
    leaves = [
        Layer(Kind.CSF, (lobe, *deep, _between_folia(head, 1.0, 0.2)), over=(Kind.GRAY_MATTER,)) for lobe in lobes
    ]
    white = [Layer(Kind.WHITE_MATTER, (core, below), over=(*BRAIN, Kind.CSF)) for core in _cores(head, 0.0)]
    return [*cerebellum, *branches, *leaves, *white, *_brainstem(), *_fourth_ventricle(head)]


def _deep(head: Head) -> list[Layer]:
    """Thalamus, basal ganglia, corpus callosum, lateral and third ventricles, hippocampus."""
    width = head.ventricles
    layers = [solid(Kind.WHITE_MATTER, (0, 0, 58), (10, 38, 7), over=(Kind.GRAY_MATTER, Kind.CSF))]
    for side in (-1, 1):
        layers += [
            solid(Kind.GRAY_MATTER, (side * 10, -4, 43), (9, 15, 8), over=(Kind.WHITE_MATTER,)),
            solid(Kind.GRAY_MATTER, (side * 25, 10, 44), (6, 17, 10), over=(Kind.WHITE_MATTER,)),
            solid(Kind.GRAY_MATTER, (side * 24, 4, 21), (5, 11, 5), over=(Kind.WHITE_MATTER,)),
        ]
        horn: list[Point] = [(side * 20, -28, 50), (side * 30, -30, 36), (side * 33, -10, 24), (side * 31, 6, 20)]
        layers += tube(Kind.CSF, horn, [r * width for r in (6.0, 4.5, 2.2, 1.4)])
        layers += tube(Kind.CSF, [(side * 16, -28, 52), (side * 20, -52, 50)], [5.5 * width, 2.0])
        layers.append(solid(Kind.CSF, (side * 10, 6, 53), (5.5 * width, 27, 6.5 * width)))
        plexus: list[Point] = [(side * 14, -18, 49), (side * 22, -27, 47)]
        layers += tube(Kind.ENHANCING, plexus, 1.6, over=(Kind.CSF,))
    return [*layers, solid(Kind.CSF, (0, 4, 41), (2.0 * width, 14, 8))]


def _brainstem() -> list[Layer]:
    white = Kind.WHITE_MATTER
    layers = [
        solid(white, (0, -7, 14), (16, 12, 14)),
        *tube(white, [(0, -9, 26), (0, -7, 40)], [12.5, 15]),
        *tube(white, [(0, -10, -12), (0, -12, -30), (0, -19, -90)], [7.5, 6.0, 5.5]),
        solid(Kind.CSF, (0, 6, 34), (5, 6, 6)),  # interpeduncular cistern
        solid(Kind.CSF, (0, -24, 30), (9, 5, 6), over=BRAIN),  # quadrigeminal cistern
        *tube(Kind.CSF, [(0, -26, -20), (0, -42, -28)], [4.0, 7.0], over=BRAIN),  # cisterna magna
        *tube(Kind.CSF, [(0, -17, 24), (0, -15, 38)], 0.9),  # aqueduct
    ]
    for side in (-1, 1):
        layers += tube(white, [(side * 3, -9, 4), (side * 3.5, -10, -12), (side * 1, -12, -24)], [8.0, 6.5, 5.5])
        layers += tube(white, [(side * 10, -10, 12), (side * 23, -24, 4)], [9.5, 8.0])  # middle peduncle
        layers += tube(white, [(side * 4, -13, -5), (side * 13, -25, -2)], [5.0, 5.5])  # inferior peduncle
        layers.append(solid(Kind.GRAY_MATTER, (side * 19, -17, 1), (4, 4, 4.5), over=(white, Kind.CSF)))  # flocculus
        layers += tube(Kind.WHITE_MATTER, [(side * 6, -4, 27), (side * 13, 2, 40)], [6.0, 7.0])
    return layers


def _fourth_ventricle(head: Head) -> list[Layer]:
    width = head.ventricles
    roof: list[Point] = [(0, -18, 20), (0, -24, 10), (0, -27, 4), (0, -29, -6)]
    layers = tube(Kind.CSF, roof, [1.5, 3.2 * width, 3.2 * width, 1.4])
    for side in (-1, 1):
        layers += tube(Kind.CSF, [(side * 2, -23, 9), (side * 6.5, -24, 5)], [3.0 * width, 2.0 * width])
        layers += tube(Kind.ENHANCING, [(side * 6, -24.5, 3), (side * 15, -21, -2)], [0.9, 1.3])  # choroid plexus
        layers += tube(Kind.GRAY_MATTER, [(side * 6, -33, -3), (side * 6, -30, -22)], [5.0, 5.5], over=(Kind.CSF,))
    return layers


def _cores(head: Head, margin: float) -> list[Condition]:
    """White matter of the three lobes of the cerebellum, and its surroundings up to a margin, mm."""
    ends: list[tuple[Point, Point, float]] = [
        ((13, -22, 4), (27, -40, -4), 8.5), ((-13, -22, 4), (-27, -40, -4), 8.5), ((0, -30, 10), (0, -40, 12), 4.0),
    ]  # fmt: skip
    return [rod(a, b, (r, r), below=margin, waves=head.folia, height=2.0) for a, b, r in ends]


def _between_folia(head: Head, closeness: float, half: float) -> Condition:
    """Near the fissures, which run round the fourth ventricle 3.8 mm apart; ``closeness`` 0.5 is between them."""
    center: Point = (0, -20 + 3.8 * closeness, 8)
    return near_shells(center, flattening=0.6, distance=3.8, half=half, waves=head.folia, height=0.12)


def _tentorium(head: Head) -> Condition:
    """Behind the petrous ridge and below the tentorium, less the room that its CSF takes."""
    return Condition(Field.TENTORIUM, (head.ridge,), below=-0.4)


def _falx(half: float) -> Condition:
    return slab((1, 0, 0), 0.0, half)
