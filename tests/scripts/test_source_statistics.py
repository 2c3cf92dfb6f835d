"""The file beside a segmenter's weights is made of scans of its training."""

import nibabel as nib
import numpy as np
from slice_segmenter import slice_segmenter
from source_statistics import source_statistics
from train_segmenter import hospital_steps, patients_step

from tanq_monai.segmentation.inference.test_time.source_statistics import read_statistics


def test_the_patients_are_the_first_of_the_training_and_none_of_the_vendor_left_out(tmp_path):
    training, few = next(hospital_steps(tmp_path, 0, 240)), patients_step(tmp_path, 0, 12)
    assert set(training.arguments) ^ set(few.arguments) == {"--num-target=240", "--num-target=12"}
    assert {"--protocols=hospitals", "--seed=0"} <= set(few.arguments)


def test_the_statistics_of_given_scans_lie_beside_the_weights_and_are_of_eight_slices_of_each(tmp_path, capsys):
    model, scans = slice_segmenter(tmp_path / "model"), tmp_path / "scans"
    scans.mkdir()
    for number in range(2):
        image = np.random.default_rng(number).integers(1, 200, (24, 26, 10)).astype(np.int16)
        nib.save(nib.Nifti1Image(image, np.diag([-0.5, -0.5, 1, 1])), scans / f"{number}_hrT2.nii.gz")
    source_statistics(str(tmp_path / "out"), str(model), str(scans))
    assert read_statistics(model).windows == 16
    assert capsys.readouterr().out == f"{model / 'source_statistics.json'}: 2 scans, 16 windows\n"
