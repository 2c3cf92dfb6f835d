"""A reader of RT Structure Sets that knows nothing of how ours are written: pydicom, and points in polygons."""

from pathlib import Path

import numpy as np
import pydicom
from skimage.measure import grid_points_in_poly


def read_contours(path: Path, series: Path) -> tuple[pydicom.Dataset, dict[str, np.ndarray]]:
    """The structure set, and the mask (columns, rows, slices from foot to head of the stack) of every ROI by its name.

    A pixel belongs to an ROI where its middle lies in a contour on its slice. Every contour has to lie in the plane of
    the slice that it names.
    """
    images = _images(series)
    found = pydicom.dcmread(path)
    names = {roi.ROINumber: roi.ROIName for roi in found.StructureSetROISequence}
    masks = {}
    for number, contours in pixels_of_contours(path, series).items():
        mask = np.zeros((images[0].Columns, images[0].Rows, len(images)), bool)
        for columns, rows, k in contours:
            mask[:, :, k] |= grid_points_in_poly(mask.shape[:2], np.stack([columns, rows], axis=-1))
        masks[names[number]] = mask
    return found, masks


def pixels_of_contours(path: Path, series: Path) -> dict[int, list[tuple[np.ndarray, np.ndarray, int]]]:
    """Columns, rows and slice of the points of every contour, by the number of its ROI."""
    images = _images(series)
    places = {image.SOPInstanceUID: k for k, image in enumerate(images)}
    found: dict[int, list[tuple[np.ndarray, np.ndarray, int]]] = {}
    for roi in pydicom.dcmread(path).ROIContourSequence:
        own = found.setdefault(roi.ReferencedROINumber, [])
        for contour in roi.ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert len(points) == contour.NumberOfContourPoints
            k = places[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            own.append((*_pixels(points, images[k]), k))
    return found


def _images(series: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(file, stop_before_pixels=True) for file in sorted(series.glob("*.dcm"))]


def _pixels(points: np.ndarray, image: pydicom.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows at which points in space lie in an image."""
    along_row, along_column = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    apart = points - np.array(image.ImagePositionPatient, float)
    assert np.abs(apart @ np.cross(along_row, along_column)).max() < 1e-3  # mm off the plane
    between_rows, between_columns = map(float, image.PixelSpacing)
    return apart @ along_row / between_columns, apart @ along_column / between_rows


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))
