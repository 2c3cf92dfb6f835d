"""A vestibular schwannoma: a root in the internal auditory canal and a body in the cerebellopontine angle."""

from dataclasses import dataclass

from tanq_monai.phantom.painting.shapes import (
    Condition,
    Field,
    Layer,
    Point,
    Waves,
    ellipsoid,
    half_space,
    rod,
    waves_between,
)
from tanq_monai.phantom.tissues import VS_KINDS, Kind

BONES = (Kind.BONE, Kind.MARROW)
SOFT = (Kind.NERVE, Kind.CSF, Kind.WHITE_MATTER, Kind.GRAY_MATTER, Kind.BLOOD, Kind.ENHANCING)
"""What a tumor pushes aside, wherever it is."""
_BRAIN = (Kind.WHITE_MATTER, Kind.GRAY_MATTER)
_ROOM = 1.3  # mm of CSF between the tumor and the brain that it pushes aside


@dataclass(frozen=True)
class Shape:
    """Outline of a tumor, an ice cream cone: root, widened porus, lobes outside.

    Args:
        tip: lateral end of the root, mm.
        porus: where the root leaves the canal, mm.
        root_radii: of the root at tip and porus, mm.
        widening: radius to which the tumor has widened the porus, mm: only inside of it does the body replace bone.
        lobes: center and radii of the body's ellipsoids, the main one first, mm.
        bumps: roughens their surfaces.
        roughness: height of the bumps, mm.
        ridge: shift of the petrous ridge, see :class:`~tanq_monai.phantom.anatomy.head.Head`, mm.
    """

    tip: Point
    porus: Point
    root_radii: tuple[float, float]
    widening: float
    lobes: tuple[tuple[Point, Point], ...]
    bumps: Waves
    roughness: float
    ridge: float

    def root(self, margin: float = 0.0) -> Condition:
        """The part in the canal, grown by a margin, mm."""
        return rod(self.tip, self.porus, self.root_radii, below=margin)

    def body(self, margin: float = 0.0) -> list[tuple[Condition, ...]]:
        """The lobes outside, grown by a margin, mm: below the tentorium and medial of the root's tip."""
        side = 1.0 if self.porus[0] > 0 else -1.0
        bounds = (
            Condition(Field.TENTORIUM, (self.ridge,), below=margin),
            half_space((side, 0.0, 0.0), side * self.tip[0] + margin),
        )
        return [
            (ellipsoid(center, radii, below=margin, waves=self.bumps, height=self.roughness), *bounds)
            for center, radii in self.lobes
        ]

    def widened(self, margin: float = 0.0) -> Condition:
        """The canal as the tumor has widened it towards the porus, grown by a margin, mm."""
        return rod(self.tip, self.porus, (self.root_radii[0], self.widening), below=margin)


@dataclass(frozen=True)
class Schwannoma:
    """One tumor.

    Args:
        volume: mm^3.
        koos: grade after Koos et al. (J Neurosurg 1998;88:506-512): 1 inside the canal, 2 in the cistern, 3 touching
            brainstem or cerebellum, 4 displacing them.
        shape: its outline.
        texture: where the tissue is loose.
        looseness: threshold of ``texture``: about -2 (all loose) to 2 (none).
        contact: where the surface touches the brain, without CSF between them.
        adhesion: threshold of ``contact``: about -2 (adherent everywhere) to 2 (nowhere).
        cysts: center and radii of every cyst, mm.
    """

    volume: float
    koos: int
    shape: Shape
    texture: Waves
    looseness: float
    contact: Waves
    adhesion: float
    cysts: tuple[tuple[Point, Point], ...]


def schwannoma_layers(tumor: Schwannoma) -> list[Layer]:
    """The tumor, with a thin cleft of CSF against the brain where it does not adhere."""
    free = waves_between(tumor.contact, -float("inf"), tumor.adhesion)
    loose = waves_between(tumor.texture, tumor.looseness, float("inf"))
    return [
        *(
            Layer(Kind.CSF, (*part, free), over=_BRAIN)
            for part in [*tumor.shape.body(_ROOM), (tumor.shape.root(_ROOM),)]
        ),
        *outline_layers(tumor.shape),
        *(Layer(Kind.VS_PALE, (*part, loose), over=(Kind.VS,)) for part in tumor.shape.body()),
        *(Layer(Kind.VS_CYST, (ellipsoid(*cyst),), over=VS_KINDS) for cyst in tumor.cysts),
    ]


def outline_layers(shape: Shape) -> list[Layer]:
    """The whole tumor as solid tissue: it replaces bone in the canal and the widened porus only."""
    hard = (*BONES, *SOFT)
    body = shape.body()
    return [
        Layer(Kind.VS, (shape.root(),), over=hard),
        *(Layer(Kind.VS, (*part, shape.widened()), over=hard) for part in body),
        *(Layer(Kind.VS, part, over=SOFT) for part in body),
    ]
