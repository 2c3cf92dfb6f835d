"""A row says the Dice of a label without adaptation, with it, and of that which is kept."""

import nibabel as nib
import numpy as np
from slice_segmenter import slice_segmenter
from source_statistics import source_statistics
from vptta_worth import compare


def test_what_is_kept_is_the_label_without_adaptation_where_something_speaks_against_that_with_it(tmp_path):
    model, scans = slice_segmenter(tmp_path / "model"), tmp_path / "scans"
    scans.mkdir()
    image = np.random.default_rng(0).integers(1, 200, (24, 26, 4)).astype(np.int16)
    label = np.zeros(image.shape, np.uint8)
    label[5:9, 5:9, 1:3], label[15:17, 5:7, 1:3] = 1, 2
    affine = np.diag([-0.5, -0.5, 1, 1])
    nib.save(nib.Nifti1Image(image, affine), scans / "a_hrT2.nii.gz")
    nib.save(nib.Nifti1Image(label, affine), tmp_path / "a_Label.nii.gz")
    source_statistics(str(tmp_path / "out"), str(model), str(scans))
    case = {"case": "a", "image": str(scans / "a_hrT2.nii.gz"), "truth": str(tmp_path / "a_Label.nii.gz")}
    row = compare("vptta", str(model), 0.5, "never", case)
    assert row["case"] == "a"
    assert 0 < row["s without"] < row["s with"]
    for name in ("VS", "cochlea"):
        assert row[f"{name} kept"] == row[f"{name} {'without' if row['against'] else 'all'}"]
