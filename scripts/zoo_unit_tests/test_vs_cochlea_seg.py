"""The configs of vs_cochlea_seg run, in a checkout of MONAI's model zoo, on scans that are made up.

python ci/unit_tests/runner.py --b vs_cochlea_seg
"""

import os
import sys
import tempfile
import unittest

import nibabel as nib
import numpy as np
from monai.bundle import ConfigWorkflow

BUNDLE = os.path.join("models", "vs_cochlea_seg")
sys.path.insert(0, BUNDLE)  # the bundle brings its code along
SHORT = {
    "max_epochs": 1,
    "iterations_per_epoch": 1,
    "batch_size": 2,
    "num_processes": 0,
    "configuration": "2d",
    "plans_override": {"patch_size": [64, 64], "features_per_stage": [4, 8, 8]},
    "initial_model": None,
    "device": "cpu",
}
SHAPE, VOXEL_MM = (96, 96, 12), (0.7, 0.7, 1.5)


def workflow(kind, config, folder, **choices):
    """The workflow of a config, initialized."""
    made = ConfigWorkflow(
        workflow_type=kind,
        config_file=os.path.join(BUNDLE, "configs", config),
        meta_file=os.path.join(BUNDLE, "configs", "metadata.json"),
        logging_file=os.path.join(BUNDLE, "configs", "logging.conf"),
        bundle_root=BUNDLE,
        dataset_dir=os.path.join(folder, "scans"),
        output_dir=os.path.join(folder, "out"),
        **choices,
    )
    made.initialize()
    return made


class TestVsCochleaSeg(unittest.TestCase):
    """Of noise with a bright block for every structure."""

    def setUp(self):
        """Write scans and labels."""
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        os.makedirs(os.path.join(self.folder, "scans"))
        affine = np.diag([-VOXEL_MM[0], -VOXEL_MM[1], VOXEL_MM[2], 1])
        for number in range(2):
            label = np.zeros(SHAPE, np.uint8)
            label[20:30, 40:50, 4:8], label[60:66, 40:46, 4:8] = 1, 2
            scan = np.random.default_rng(number).uniform(1, 100, SHAPE).astype(np.float32) + 100 * label
            for name, array in (("hrT2", scan), ("Label", label)):
                nib.save(nib.Nifti1Image(array, affine), os.path.join(self.folder, "scans", f"c{number}_{name}.nii.gz"))

    def test_inference(self):
        """It has all properties, and labels every scan on its grid."""
        inference = workflow("inference", "inference.yaml", self.folder)
        self.assertEqual(inference.check_properties(), [])
        inference.run()
        inference.finalize()
        for number in range(2):
            label = nib.load(os.path.join(self.folder, "out", f"c{number}_Label.nii.gz"))
            self.assertEqual(label.shape, SHAPE)
            self.assertLessEqual({*np.unique(label.dataobj).tolist()}, {0, 1, 2})

    def test_train(self):
        """It has all properties, and one step leaves a model."""
        training = workflow("train", "train.yaml", self.folder, **SHORT)
        self.assertEqual(training.check_properties(), [])
        training.run()
        training.finalize()
        self.assertTrue(os.path.isfile(os.path.join(self.folder, "out", "models", "2d_fold_all", "model.pt")))


if __name__ == "__main__":
    unittest.main()
