"""Contours of a mask in mm, and the colours of structures."""

from collections.abc import Iterable
from itertools import cycle, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from contourpy import FillType, contour_generator

# Amber, cyan, pink, green, violet, white: apart from each other for colour-blind eyes, and from grey.
PALETTE = ("#ffb000", "#22d3ee", "#ff6fb5", "#8fe36b", "#a78bfa", "#ffffff")


def colours_of(structures: Iterable[str]) -> dict[str, str]:
    """A colour for every structure, in their order; from the seventh on they repeat."""
    return dict(zip(structures, cycle(PALETTE), strict=False))


def contours(mask: npt.NDArray[np.bool_], spacing: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Closed outlines of a mask, those round its holes included: the rings of all its :func:`polygons`."""
    return [ring for polygon in polygons(mask, spacing) for ring in polygon]


def polygons(
    mask: npt.NDArray[np.bool_], spacing: npt.NDArray[np.float64], level: float = 0.5
) -> list[list[npt.NDArray[np.float64]]]:
    """Closed outlines of every part of a mask, half a voxel outside its outermost centres: on the edges, corners cut.

    Args:
        mask: (X, Y); outlines are closed at its border, too.
        spacing: mm, of which the first two are used.
        level: how far from the middles outside to those inside the outlines run, as a part of that way.

    Returns:
        For every part its outer ring, then those of its holes. A ring is (N, 2): x, y in mm from the corner of the
        mask, the first point repeated at the end, only the points where the line turns.
    """
    if not mask.any():
        return []
    padded = np.pad(mask, 1).astype(np.float64)
    found: Any = contour_generator(z=padded.T, fill_type=FillType.OuterOffset).filled(level, np.inf)
    points, offsets = found
    return [
        [(_corners(line[first:end]) - 0.5) * spacing[:2] for first, end in pairwise(ends)]
        for line, ends in zip(points, offsets, strict=True)
    ]


def _corners(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A closed line without the points on its straight parts."""
    points = line[:-1]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns = points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
    return np.concatenate([turns, turns[:1]])
