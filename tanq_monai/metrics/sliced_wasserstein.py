"""How far apart two sets of images are, whatever each single one shows."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.floating]
_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16
_NEIGHBORHOOD = 7  # pixels, both ways, of a patch


def sliced_wasserstein(points: Array, others: Array, projections: int = 256, seed: int = 0) -> float:
    r"""Mean over random directions of the 1D Wasserstein distance between the projections of two point clouds.

    .. math:: \frac{1}{P} \sum_p \frac{1}{N} \sum_n | sort(X u_p)_n - sort(Y u_p)_n |

    Args:
        points: (N, D).
        others: (N, D), as many.
        projections: P directions, uniform on the sphere.
        seed: of the directions.

    Raises:
        ValueError: when the clouds differ in shape.
    """
    if points.shape != others.shape:
        raise ValueError(f"both clouds must have one shape, got {points.shape} and {others.shape}")
    directions = np.random.default_rng(seed).standard_normal((points.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    sorted_points, sorted_others = (np.sort(cloud @ directions, axis=0) for cloud in (points, others))
    return float(np.abs(sorted_points - sorted_others).mean())


def patch_distance(
    images: Array, reference: Array, levels: int = 3, patches: int = 128, projections: int = 256, seed: int = 0
) -> float:
    """Sliced Wasserstein distance of the patches of two sets of images, mean over the levels of a Laplacian pyramid.

    The finest level compares noise and edges, the coarsest brightness and anatomy. Needs no trained network. Patches
    are 7 x 7 pixels, at the same random places in both sets; the unit is the standard deviation of the reference's
    pixels on that level. 0 for equal sets; two sets of the same kind have a small distance, too, which shrinks with
    their size: compare values of the same slices only.

    Args:
        images: (N, H, W).
        reference: (N, H, W), as many.
        levels: of the pyramid, each of half the pixels of the one before.
        patches: of each image on each level.
        projections: directions, see :func:`sliced_wasserstein`.
        seed: of places and directions.

    Raises:
        ValueError: when the sets differ in shape, or a level is smaller than a patch.

    References:
        Karras et al., "Progressive Growing of GANs", ICLR 2018. They scale each set by its own mean and deviation, so
        that brightness and contrast do not count; we scale both by the reference's.
    """
    if images.shape != reference.shape:
        raise ValueError(f"both sets must have one shape, got {images.shape} and {reference.shape}")
    if min(images.shape[1:]) / 2 ** (levels - 1) < _NEIGHBORHOOD:
        raise ValueError(f"{levels} levels are too many for images of {images.shape[1:]} pixels")
    distances = []
    for level, (bands, others) in enumerate(
        zip(laplacian_pyramid(images, levels), laplacian_pyramid(reference, levels), strict=True)
    ):
        points, targets = (_patches(band, patches, seed + level) for band in (bands, others))
        scale = max(float(others.std()), 1e-6)  # a blank reference has none
        distances.append(sliced_wasserstein(points, targets, projections, seed + level) / scale)
    return float(np.mean(distances))


def laplacian_pyramid(images: Array, levels: int) -> list[Array]:
    """Bands of (N, H, W) from fine to coarse, each of half the pixels; the last one is what remains."""
    bands: list[Array] = []
    current: Array = np.asarray(images, dtype=np.float64)
    for _ in range(levels - 1):
        smaller = _blurred(current, _BINOMIAL)[:, ::2, ::2]
        bands.append(current - _enlarged(smaller, current.shape))
        current = smaller
    return [*bands, current]


def _enlarged(images: Array, shape: tuple[int, ...]) -> Array:
    spread = np.zeros(shape)
    spread[:, ::2, ::2] = images
    return _blurred(spread, 2 * _BINOMIAL)


def _blurred(images: Array, kernel: Array) -> Array:
    for axis in (1, 2):
        images = ndimage.convolve1d(images, kernel, axis=axis, mode="mirror")
    return images


def _patches(images: Array, count: int, seed: int) -> Array:
    """(N * count, 49), ``count`` from random places of each image."""
    rng = np.random.default_rng(seed)
    windows = np.lib.stride_tricks.sliding_window_view(images, (_NEIGHBORHOOD,) * 2, axis=(1, 2))
    rows, columns = (rng.integers(0, size, (len(images), count)) for size in windows.shape[1:3])
    chosen = windows[np.arange(len(images))[:, None], rows, columns]
    return chosen.reshape(-1, _NEIGHBORHOOD**2)
