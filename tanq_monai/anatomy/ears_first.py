"""Of what a segmenter labels, only what can be the cochleae of one head and a schwannoma near them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tanq_monai.anatomy.components import Component, Mask, Vector, find_components
from tanq_monai.anatomy.measured import structure_masks
from tanq_monai.anatomy.plausibility import Plausible
from tanq_monai.structures import Structures

_EARS = {0: "no cochlea was found, so nothing is labelled", 1: "one cochlea was found, not two", 2: ""}


@dataclass(frozen=True)
class EarsFirst:
    """Finds the ears, then the schwannoma: one that is far from both inner ears is none.

    Both cochleae lie left and right of each other, as far apart as those of patients; the VS lies beside one of them as
    those of patients do, and a large one there tells of ears that are labelled in part. All else becomes background.
    Without any cochlea there is no place where a VS could be, and nothing is labelled.

    Args:
        structures: what the label values mean. Others than VS, its parts and cochlea cannot be judged: they stay, and
            so does all where there is no VS or no cochlea among them.
        plausible: the bounds.
    """

    structures: Structures
    plausible: Plausible = field(default_factory=Plausible)

    def __call__(self, labels: NDArray[np.uint8], affine: Vector) -> tuple[NDArray[np.uint8], str]:
        """The labels (I, J, K) that are kept, and in words what is missing: nothing where both ears were found.

        Args:
            labels: (I, J, K).
            affine: (4, 4), voxel index to RAS, mm.
        """
        roles = self.structures.roles()
        if roles is None:
            return labels, ""
        vs_mask, cochlea_mask = structure_masks(labels, roles)
        ids, found = self._components(cochlea_mask, affine)
        vs_ids, tumors = self._components(vs_mask, affine)
        ears = self.plausible.cochleae(found, tumors)
        kept = np.isin(ids, [ear.number for ear in ears]) & cochlea_mask
        kept |= np.isin(labels, [*self.structures.others.values()])
        if ears:
            kept |= np.isin(vs_ids, [one.number for one in self.plausible.vs(tumors, ears)]) & vs_mask
        return np.where(kept, labels, 0).astype(labels.dtype), _EARS[len(ears)]

    def _components(self, mask: Mask, affine: Vector) -> tuple[NDArray[np.int32], list[Component]]:
        alike = np.broadcast_to(np.float32(1), mask.shape)  # volumes are what weighs
        return find_components(mask, alike, affine, self.plausible.join_mm)
