"""A small LPS head with a right-sided VS and both cochleae, for pictures of it."""

import nibabel as nib
import numpy as np

SHAPE, SPACING = (60, 50, 8), (2.0, 2.5, 4.0)


def patient(with_structures=True):
    """Scan with noise, and label."""
    labels = np.zeros(SHAPE, dtype=np.uint8)
    if with_structures:
        labels[18:25, 20:27, 2:6] = 1
        labels[18:22, 20:24, 1] = 1
        labels[11:14, 18:20, 6] = 2
        labels[46:49, 18:20, 5] = 2
    scan = np.random.default_rng(0).normal(100, 5, SHAPE) + 60 * (labels == 1) + 200 * (labels == 2)
    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    affine[:3, 3] = (60, 62, -16)
    return nib.Nifti1Image(scan, affine), nib.Nifti1Image(labels, affine)


def stored_as(image, codes):
    target = nib.orientations.axcodes2ornt(codes)
    return image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))
