"""A written-out head for tests of refinement: voxels of 1 x 1 x 1.5 mm, two cochleae 70 mm apart, a VS at the right."""

import numpy as np

from tanq_monai.anatomy.plausibility import Plausible
from tanq_monai.scans.grid import in_scanner
from tanq_monai.segmentation.rounds.refinement import Prediction, refine
from tanq_monai.segmentation.rounds.refinement_rules import RefinementRules
from tanq_monai.structures import STRUCTURES

AFFINE = np.array([[-1.0, 0, 0, 50], [0, -1, 0, 30], [0, 0, 1.5, -20], [0, 0, 0, 1]])
VOXEL_MM3 = 1.5
IGNORE = 3
RIGHT, LEFT = np.s_[10:15, 30:34, 4:6], np.s_[80:85, 30:34, 4:6]  # 60 mm3 each
VS = np.s_[22:32, 34:44, 3:9]  # 900 mm3, 16 mm from the right cochlea
FAR = np.s_[45:56, 34:44, 3:9]  # 990 mm3, 33 mm from either cochlea
NEAR = np.s_[34:36, 34:40, 3:9]  # 108 mm3, 24 mm from the right cochlea


def head():
    labels = np.zeros((100, 60, 20), np.uint8)
    labels[VS] = 1
    labels[RIGHT] = labels[LEFT] = 2
    return labels


def refined(labels, confidence=None, agreement=None, affine=AFFINE, structures=STRUCTURES, **rules):
    sure = np.ones(labels.shape, np.float32)
    confidence = sure if confidence is None else confidence
    agreement = sure if agreement is None else agreement
    bounds = {name: rules.pop(name) for name in rules.keys() & Plausible.__annotations__.keys()}
    prediction = Prediction(labels, confidence, agreement, in_scanner(labels.shape, affine))
    return refine(prediction, RefinementRules(**rules, plausible=Plausible(**bounds)), structures)


def noisy_head(seed):
    """The head with blocks of either structure and of uncertainty thrown at it."""
    rng = np.random.default_rng(seed)
    labels, confidence = head(), np.ones((100, 60, 20), np.float32)
    agreement = confidence.copy()
    for volume, values in ((labels, (0, 1, 2)), (confidence, (0.4, 0.9)), (agreement, (0.5, 0.8))):
        for _ in range(12):
            low, size = rng.integers(0, (94, 52, 14)), rng.integers(1, (7, 8, 5))
            volume[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))] = rng.choice(values)
    return labels, confidence, agreement
