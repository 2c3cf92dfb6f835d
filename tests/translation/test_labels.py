"""Labels of any classes as the translator's regions."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from tanq_monai.errors import InputError
from tanq_monai.structures import STRUCTURES, Structures
from tanq_monai.translation.regions import to_regions
from tanq_monai.translation.slice_transform import ToSlicesd

THREE = Structures({"VS intrameatal": 1, "VS extrameatal": 2, "cochlea": 3})


def test_a_structure_without_a_norm_is_told_before_a_scan_is_read():
    with pytest.raises(InputError, match="'meningioma' has no norm, by which the translator goes"):
        ToSlicesd(structures=Structures({"VS": 1, "meningioma": 2}))


def test_every_value_becomes_that_of_its_region_and_all_else_0():
    labels = np.array([[0.0, 1.0, 2.0], [3.0, 0.9995, 4.0]])
    assert to_regions(labels, THREE.regions().of_values).tolist() == [[0, 1, 1], [2, 1, 0]]
    assert to_regions(labels).tolist() == [[0, 1, 2], [0, 1, 0]]
    assert labels[1, 0] == 3  # left as it is


def test_three_classes_and_the_two_they_merge_to_give_the_same_stack():
    rng, affine = np.random.default_rng(0), np.diag([-0.7, -0.7, 1.5, 1.0])  # not on the pixels of the slices
    image, three = rng.uniform(20, 100, (16, 18, 10)).astype(np.float32), np.zeros((16, 18, 10))
    three[5:9, 6:10, 2:5], three[7:9, 6:10, 2:5], three[10:12, 6:10, 3:4] = 1, 2, 3
    two = np.choose(three.astype(int), [0, 1, 1, 2]).astype(float)
    stacks = []
    for label, structures in ((three, THREE), (two, STRUCTURES)):
        data = {key: MetaTensor(a[None], affine=affine) for key, a in (("image", image), ("label", label))}
        stacks.append(ToSlicesd(pixels=24, pixel_mm=0.5, slab_mm=6.0, structures=structures)(data)["image"])
    assert torch.equal(*stacks)
    assert set(stacks[0][1].unique().tolist()) == {0, 1, 2}
