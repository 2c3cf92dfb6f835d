"""Labels of the phantom's scans by the rules of crossMoDA's years."""

import numpy as np
from numpy.typing import NDArray

from tanq_monai.phantom.anatomy.meatus import is_intrameatal
from tanq_monai.phantom.dataset.scans import CaseScans

TWO_CLASSES = "0 other, 1 VS, 2 cochlea"
THREE_CLASSES = "0 other, 1 VS intrameatal, 2 VS extrameatal, 3 cochlea"


def with_meatal_parts(scans: CaseScans) -> NDArray[np.uint8]:
    """The label as crossMoDA 2023 has it, (L, P, S): 1 VS in the internal auditory canal, 2 outside, 3 cochlea.

    A voxel of the VS belongs to the part in which its middle lies: both together are the VS of ``scans.label``.
    """
    label = np.where(scans.label == 2, np.uint8(3), scans.label)
    voxels, tumor, patient = np.argwhere(scans.label == 1), scans.patient.tumor, scans.patient
    if tumor is None or not len(voxels):
        return label
    places = voxels @ scans.grid.affine[:3, :3].T + scans.grid.affine[:3, 3]
    points = np.stack(patient.deform(*places.T), axis=-1)
    inside = is_intrameatal(points, patient.head, tumor.shape)
    label[tuple(voxels[~inside].T)] = 2
    return label
