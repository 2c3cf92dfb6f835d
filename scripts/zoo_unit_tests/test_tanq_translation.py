"""The configs of tanq_translation run, in a checkout of MONAI's model zoo, on scans that are made up.

python ci/unit_tests/runner.py --b tanq_translation
"""

import os
import sys
import tempfile
import unittest

import nibabel as nib
import numpy as np
from monai.bundle import ConfigWorkflow

BUNDLE = os.path.join("models", "tanq_translation")
sys.path.insert(0, BUNDLE)  # the bundle brings its code along
SHORT = {
    "max_epochs": 1,
    "batch_size": 4,
    "pixels": 48,
    "pixel_mm": 1.8,
    "width": 4,
    "blocks": 2,
    "crop": 32,
    "slab_mm": 12.0,
    "start_from": None,
    "device": "$torch.device('cpu')",
}
SHAPE, VOXEL_MM = (96, 96, 12), (0.8, 0.8, 1.5)


def workflow(kind, config, folder, scans, **choices):
    """The workflow of a config, initialized."""
    made = ConfigWorkflow(
        workflow_type=kind,
        config_file=os.path.join(BUNDLE, "configs", config),
        meta_file=os.path.join(BUNDLE, "configs", "metadata.json"),
        logging_file=os.path.join(BUNDLE, "configs", "logging.conf"),
        bundle_root=BUNDLE,
        dataset_dir=os.path.join(folder, scans),
        output_dir=os.path.join(folder, "out"),
        **choices,
    )
    made.initialize()
    return made


class TestTanqTranslation(unittest.TestCase):
    """Of noise with a bright block for every structure, in two folders as crossMoDA has them."""

    def setUp(self):
        """Write scans of both contrasts, and labels of one."""
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        affine = np.diag([-VOXEL_MM[0], -VOXEL_MM[1], VOXEL_MM[2], 1])
        label = np.zeros(SHAPE, np.uint8)
        label[20:30, 40:50, 4:8], label[60:66, 40:46, 4:8] = 1, 2
        for number in range(4):
            scan = np.random.default_rng(number).uniform(1, 100, SHAPE).astype(np.float32) + 100 * label
            files = {"training_source/a{}_ceT1": scan, "training_source/a{}_Label": label}
            files = files if number < 2 else {"training_target/b{}_hrT2": scan}
            for name, array in files.items():
                path = os.path.join(self.folder, f"{name.format(number)}.nii.gz")
                os.makedirs(os.path.dirname(path), exist_ok=True)
                nib.save(nib.Nifti1Image(array, affine), path)

    def test_inference(self):
        """It has all properties, and translates every scan on its grid."""
        inference = workflow("inference", "inference.yaml", self.folder, "training_source", style="ldn")
        self.assertEqual(inference.check_properties(), [])
        inference.run()
        inference.finalize()
        for number in range(2):
            translation = nib.load(os.path.join(self.folder, "out", f"a{number}_hrT2.nii.gz"))
            self.assertEqual(translation.shape, SHAPE)
            values = np.asarray(translation.dataobj)
            self.assertTrue(0 <= values.min() < values.max() <= 1)

    def test_train(self):
        """It has all properties, and one epoch leaves a model."""
        training = workflow("train", "train.yaml", self.folder, "", **SHORT)
        self.assertEqual(training.check_properties(), [])
        training.run()
        training.finalize()
        self.assertTrue(os.path.isfile(os.path.join(self.folder, "out", "models", "model.pt")))


if __name__ == "__main__":
    unittest.main()
