"""A volume written as DICOM, read by readers of others."""

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from tanq_monai.deploy.app.mr_series import write_mr_series
from tanq_monai.deploy.app.synthetic import source_tags, synthetic_tags
from tanq_monai.deploy.app.virtual_study import PROTOCOLS, virtual_tags
from tanq_monai.scans.volume import read_volume

TAGS = virtual_tags("patient", PROTOCOLS["CISS"])


def rotation():
    x, y = np.deg2rad([7.0, -4.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    return about_x @ about_y


def oblique(spacing=(0.5, 0.7, 1.5)):
    """LPS axes, turned, with pixels that are no squares."""
    affine = np.eye(4)
    affine[:3, :3] = rotation() @ np.diag([-1, -1, 1]) * spacing
    affine[:3, 3] = 31.25, -12.5, 7.0
    return affine


def volume(seed=0, low=-3.0, high=5.0):
    return np.random.default_rng(seed).uniform(low, high, (7, 6, 5)).astype(np.float32)


def read_by_itk(folder):
    """Voxels (i, j, k) and the affine to RAS, by GDCM through SimpleITK."""
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(files, sitk.sitkFloat64)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine


def read_by_us(folder):
    found = read_volume(folder)
    return found.voxels, found.affine


@pytest.mark.parametrize("reader", [read_by_us, read_by_itk])
def test_geometry_and_values_are_those_of_the_volume(tmp_path, reader):
    affine, written = oblique(), volume()
    write_mr_series(tmp_path / "series", written, affine, TAGS)
    read_volume(tmp_path / "series")
    read, read_affine = reader(tmp_path / "series")
    np.testing.assert_allclose(read_affine, affine, atol=1e-6)
    step = float(np.ptp(written)) / 65535
    assert np.abs(read - written).max() <= step / 2 * 1.01  # MONAI's reader computes in float32


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1e-5, 1e-5), (1e5, 1e5 + 1), (0, 4095)])
def test_no_value_is_off_by_more_than_half_a_step(tmp_path, low, high):
    written = volume(1, low, high).astype(np.float64)
    files = write_mr_series(tmp_path, written, oblique(), TAGS)
    slices = [pydicom.dcmread(file) for file in files]
    assert len({(image.RescaleSlope, image.RescaleIntercept) for image in slices}) == 1
    slope, intercept = float(slices[0].RescaleSlope), float(slices[0].RescaleIntercept)
    read = np.stack([image.pixel_array.T * slope + intercept for image in slices], axis=-1)
    assert slope == pytest.approx(np.ptp(written) / 65535, rel=1e-6)
    assert np.abs(read - written).max() <= slope / 2 * (1 + 1e-4)


def test_an_even_volume_keeps_its_value(tmp_path):
    write_mr_series(tmp_path, np.full((4, 4, 3), 0.25), oblique(), TAGS)
    np.testing.assert_array_equal(read_by_itk(tmp_path)[0], np.full((4, 4, 3), 0.25))


def test_what_cannot_be_written_is_told(tmp_path):
    sheared = oblique()
    sheared[:3, 0] += 0.1 * sheared[:3, 1]
    with pytest.raises(ValueError, match="not at right angles"):
        write_mr_series(tmp_path / "series", volume(), sheared, TAGS)
    holed = volume()
    holed[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 voxels are NaN"):
        write_mr_series(tmp_path / "series", holed, oblique(), TAGS)
    assert not (tmp_path / "series").exists()


def test_a_synthetic_series_belongs_to_its_source_and_says_what_it_is(tmp_path):
    sources = [pydicom.dcmread(file) for file in write_mr_series(tmp_path / "ceT1", volume(), oblique(), TAGS)]
    tags = synthetic_tags(sources[0], "tanq_translation 9.9")
    made = [
        pydicom.dcmread(f) for f in write_mr_series(tmp_path / "hrT2", volume(2), oblique(), tags, source_tags(sources))
    ]
    for image, source in zip(made, sources, strict=True):
        for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient"):
            assert image[keyword].value == source[keyword].value
        assert image.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert list(image.ImageType[:2]) == ["DERIVED", "SECONDARY"]
        assert "Synthetic" in image.DerivationDescription and "Research use only" in image.DerivationDescription
        assert "tanq_translation 9.9" in image.DerivationDescription
        assert "research use only" in image.SeriesDescription
        assert not image.EchoTime and not image.RepetitionTime
    uids = {image.SOPInstanceUID for image in [*made, *sources]}
    assert len(uids) == len(made) + len(sources)
    assert {image.SeriesInstanceUID for image in made}.isdisjoint({TAGS.SeriesInstanceUID})
    assert len({image.SeriesInstanceUID for image in made}) == 1
