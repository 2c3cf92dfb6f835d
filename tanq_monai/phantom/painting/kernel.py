"""The compiled loops of the phantom: distance fields, which layers matter in a cell, painting of samples, their mean.

All of it stands in one file and imports nothing of ours because numba's cache on disk notices a change only in the file
of the function that is called. Arithmetic is written out in float64 without library functions whose last bit depends on
the machine, so that a seed gives the same voxels everywhere. numba knows no classes of ours: scenes and plans are the
named tuples of :mod:`~tanq_monai.phantom.painting.scene`, other bundles of arrays are plain tuples.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Frozen into the compiled code, therefore written out: tests/phantom/test_painting.py compares them with shapes.py.
_ZERO, _ELLIPSOID, _ROD, _PLANE, _SLAB, _FOSSA_FLOOR, _TENTORIUM, _SHELLS = range(8)
_SAFETY = 1.25
_NONE, _SOME, _ALL = 0, 1, 2  # of a cell's points


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled without the interpreter's lock; kept on disk where there is a folder for it."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # neither the package nor the user has a folder that can be written to
        return njit(nogil=True)(function)


@_compiled
def field_value(field: int, p: Array, x: float, y: float, z: float) -> float:  # noqa: PLR0911
    """Value of a field with parameters ``p`` (8,) at a point, mm."""
    if field == _ELLIPSOID:
        return ellipsoid_distance(p, x, y, z)
    if field == _ROD:
        return rod_distance(p, x, y, z)
    if field == _PLANE:
        return p[0] * x + p[1] * y + p[2] * z - p[3]
    if field == _SLAB:
        return abs(p[0] * x + p[1] * y + p[2] * z - p[3]) - p[4]
    if field == _FOSSA_FLOOR:
        return z - fossa_floor(x, y)
    if field == _TENTORIUM:
        return tentorium(p, x, y, z)
    if field == _SHELLS:
        return shell_distance(p, x, y, z)
    return 0.0


@_compiled
def field_slope(field: int, p: Array) -> float:
    """How much a field changes per mm at most; not for the ellipsoid and the floor."""
    if field == _ROD:
        length = np.sqrt((p[3] - p[0]) ** 2 + (p[4] - p[1]) ** 2 + (p[5] - p[2]) ** 2)
        return 1.0 + abs(p[7] - p[6]) / max(length, 1e-6)
    if field in (_PLANE, _SLAB):
        return np.sqrt(p[0] * p[0] + p[1] * p[1] + p[2] * p[2])
    if field == _TENTORIUM:
        return 2.0
    if field == _SHELLS:
        return 1.0
    return 0.0


@_compiled
def ellipsoid_distance(p: Array, x: float, y: float, z: float) -> float:
    """Signed distance to the ellipsoid with center p[0:3] and radii p[3:6], to first order (exact for a sphere)."""
    u, v, w = (x - p[0]) / p[3], (y - p[1]) / p[4], (z - p[2]) / p[5]
    level = np.sqrt(u * u + v * v + w * w)
    u, v, w = u / p[3], v / p[4], w / p[5]
    return level * (level - 1.0) / max(np.sqrt(u * u + v * v + w * w), 1e-6)


@_compiled
def rod_distance(p: Array, x: float, y: float, z: float) -> float:
    """Signed distance to the rod from p[0:3] to p[3:6] with radius p[6] at its start and p[7] at its end."""
    dx, dy, dz = p[3] - p[0], p[4] - p[1], p[5] - p[2]
    x, y, z = x - p[0], y - p[1], z - p[2]
    along = (x * dx + y * dy + z * dz) / max(dx * dx + dy * dy + dz * dz, 1e-9)
    along = min(max(along, 0.0), 1.0)
    x, y, z = x - along * dx, y - along * dy, z - along * dz
    return np.sqrt(x * x + y * y + z * z) - (p[6] + along * (p[7] - p[6]))


@_compiled
def fossa_floor(x: float, y: float) -> float:
    """Height of the cranial fossa's floor, mm: middle fossa, raised at the sella and in front of the sphenoid wings."""
    lateral = _step(abs(x), 16.0 + 0.1 * (y - 10.0), 4.0)
    front = _step(y, 46.0 - 0.025 * (abs(x) - 32.0) ** 2, 7.0)
    middle = 2.0 + 24.0 * (1.0 - lateral) * _step(y, 8.0, 5.0)
    return middle + front * (34.0 * lateral + 6.0 * (1.0 - lateral))


@_compiled
def tentorium(p: Array, x: float, y: float, z: float) -> float:
    """Negative behind the petrous ridge (shifted by p[0]) and below the tent that hangs from the midline, mm."""
    ridge = y - (12.0 + p[0] - 0.62 * (abs(x) - 12.0))
    lid = z - max(7.0, 40.0 - 0.75 * abs(x) + 1.3 * min(y + 38.0, 0.0) - 0.6 * max(y + 20.0, 0.0))
    return max(ridge, lid)


@_compiled
def shell_distance(p: Array, x: float, y: float, z: float) -> float:
    """Distance to the nearest of the concentric shells p[4] mm apart round p[0:3], flattened along x by p[3] <= 1."""
    u, v, w = (x - p[0]) * p[3], y - p[1], z - p[2]
    radius = np.sqrt(u * u + v * v + w * w) / p[4]
    return p[4] * abs(radius - np.floor(radius + 0.5))


@_compiled
def waves_value(vectors: Array, phases: Array, first: int, last: int, x: float, y: float, z: float) -> float:
    """Sum of the plane waves ``first`` to ``last`` of vectors (N, 3), cycles / mm, and phases (N,), cycles."""
    total = 0.0
    for i in range(first, last):
        total += _sine(vectors[i, 0] * x + vectors[i, 1] * y + vectors[i, 2] * z + phases[i])
    return total


@_compiled
def _sine(turns: float) -> float:
    """Sine of an angle in full turns, to 4e-6: folded to a quarter turn, Taylor series to the ninth power."""
    turns -= np.floor(turns + 0.5)
    fold = abs(turns)
    fold = 0.5 - fold if fold > 0.25 else fold  # no branch: they are taken at random
    a = np.copysign(fold, turns) * (2 * np.pi)
    s = a * a
    return a * (1.0 + s * (-1 / 6 + s * (1 / 120 + s * (-1 / 5040 + s / 362880))))


@_compiled
def _step(value: float, center: float, half: float) -> float:
    """Smooth step from 0 to 1 within ``half`` of ``center``."""
    t = min(max((value - center) / (2.0 * half) + 0.5, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@_compiled
def plan_cell(scene: Any, among: Any, low: Array, high: Array, plan: Any) -> tuple[int, int]:
    """Find the layers and conditions that matter in a cell.

    Args:
        scene: all layers.
        among: which of them may matter, in painting order.
        low: lower corner of a box round the cell (3,), mm.
        high: upper corner.
        plan: is filled.

    Returns:
        how many layers have to be painted, and the tissue that they are painted on.
    """
    middle, half = 0.5 * (low + high), 0.5 * np.sqrt(((high - low) ** 2).sum())
    number, tests, kind = 0, 0, 0
    for layer in among:
        if number == 0 and not (scene.over[layer] >> kind) & 1:
            continue
        if not _boxes_meet(scene.boxes, layer, low, high):
            continue
        end, possible = tests, True
        for c in range(scene.first[layer], scene.first[layer + 1]):
            share = _share(scene, c, middle, half)
            if share == _NONE:
                possible = False
                break
            if share == _SOME:
                plan.conditions[end] = c
                end += 1
        if not possible:
            continue
        if end == tests and (number == 0 or scene.over[layer] == -1):  # covers the whole cell
            number, tests, kind = 0, 0, int(scene.kind[layer])
            continue
        plan.layers[number], plan.first[number], plan.first[number + 1] = layer, tests, end
        number, tests = number + 1, end
    return number, kind


@_compiled
def layers_near(scene: Any, low: Array, high: Array, near: Any) -> int:
    """Layers whose boxes meet a box, (3,) each, mm, into ``near`` (layers,); returns how many."""
    count = 0
    for layer in range(len(scene.kind)):
        if _boxes_meet(scene.boxes, layer, low, high):
            near[count] = layer
            count += 1
    return count


@_compiled
def _boxes_meet(boxes: Array, layer: int, low: Array, high: Array) -> bool:
    for axis in range(3):  # noqa: SIM110, numba knows no generators
        if boxes[layer, 0, axis] > high[axis] or boxes[layer, 1, axis] < low[axis]:
            return False
    return True


@_compiled
def _share(scene: Any, c: int, middle: Array, half: float) -> int:
    """Whether none, some or all of the points within ``half`` of ``middle`` meet condition ``c``; some when unsure."""
    below, above, slack = scene.limits[c, 0], scene.limits[c, 1], scene.limits[c, 2]
    p = scene.parameters[c]
    if scene.field[c] == _ELLIPSOID:
        if _deeper(p, min(above - slack, 0.0), middle, half) or _farther(p, max(below + slack, 0.0), middle, half):
            return _NONE
        under = below == np.inf or _deeper(p, min(below - slack, 0.0), middle, half)
        over = above == -np.inf or _farther(p, max(above + slack, 0.0), middle, half)
        return _ALL if under and over else _SOME
    if scene.field[c] == _FOSSA_FLOOR:
        least, most = _floor_bounds(middle, half)
        least, most = middle[2] - half - most - slack, middle[2] + half - least + slack
    else:
        value = field_value(scene.field[c], p, middle[0], middle[1], middle[2])
        change = half * field_slope(scene.field[c], p) + slack
        least, most = value - change, value + change
    if least >= below or most <= above:
        return _NONE
    return _ALL if most < below and least > above else _SOME


@_compiled
def _floor_bounds(middle: Array, half: float) -> tuple[float, float]:
    """Bounds of :func:`fossa_floor` within ``half`` of ``middle``: each of its steps rises with what it is given."""
    near, far = max(abs(middle[0]) - half, 0.0), abs(middle[0]) + half
    front, back = middle[1] + half, middle[1] - half
    most_bent = max((near - 32.0) ** 2, (far - 32.0) ** 2)
    least_bent = 0.0 if near < 32.0 < far else min((near - 32.0) ** 2, (far - 32.0) ** 2)
    l0 = _step(near, 16.0 + 0.1 * (front - 10.0), 4.0)
    l1 = _step(far, 16.0 + 0.1 * (back - 10.0), 4.0)
    f0 = _step(back, 46.0 - 0.025 * least_bent, 7.0)
    f1 = _step(front, 46.0 - 0.025 * most_bent, 7.0)
    low = 2.0 + 24.0 * (1.0 - l1) * _step(back, 8.0, 5.0) + f0 * (6.0 + 28.0 * l0)
    high = 2.0 + 24.0 * (1.0 - l0) * _step(front, 8.0, 5.0) + f1 * (6.0 + 28.0 * l1)
    return low, high


@_compiled
def _farther(p: Array, limit: float, middle: Array, half: float) -> bool:
    """Whether all points within ``half`` of ``middle`` are surely farther than ``limit`` >= 0 from the ellipsoid."""
    grown = _SAFETY * limit
    return grown < np.inf and _level(p, grown, middle) - half / (min(p[3], p[4], p[5]) + grown) > 1.0


@_compiled
def _deeper(p: Array, limit: float, middle: Array, half: float) -> bool:
    """Whether all those points are surely deeper than ``limit`` <= 0 inside."""
    grown = _SAFETY * limit
    least = min(p[3], p[4], p[5]) + grown
    return least > 0.0 and _level(p, grown, middle) + half / least < 1.0


@_compiled
def _level(p: Array, grown: float, middle: Array) -> float:
    """1 on the surface of the ellipsoid p whose radii are grown."""
    u = (middle[0] - p[0]) / (p[3] + grown)
    v = (middle[1] - p[1]) / (p[4] + grown)
    w = (middle[2] - p[2]) / (p[5] + grown)
    return float(np.sqrt(u * u + v * v + w * w))


@_compiled
def paint_cells(scene, cells, factors, fine, table, room, image, label):
    """Fill image and label (X, Y, Z); the arguments are those of :func:`~tanq_monai.phantom.painting.paint`.

    Args:
        scene: all layers.
        cells: voxels of a cell along each axis (3,), its corners (I, J, K, 3) in mm, phase there (I, J, K) in bins.
        factors: samples per voxel and axis, (2, 3): elsewhere, near the fine centers.
        fine: these centers (N, 3) and how far they reach (3,), mm.
        table: signal of every tissue in every bin, (tissues, bins).
        room: for the samples of a cell: positions (3, n), tissues (n,), indices (n,), and a plan.
        image: float32.
        label: uint8.
    """
    edge, corners, phase = cells
    points, tissues, alive, plan = room
    low, high, start, end = np.empty(3), np.empty(3), np.empty(3, np.int64), np.empty(3, np.int64)
    near = np.empty(len(scene.kind), np.int64)
    for bi in range(corners.shape[0] - 1):
        for bj in range(corners.shape[1] - 1):
            for axis in range(3):
                column = corners[bi : bi + 2, bj : bj + 2, :, axis]
                low[axis], high[axis] = column.min(), column.max()
            among = near[: layers_near(scene, low, high, near)]
            for bk in range(corners.shape[2] - 1):
                cube = corners[bi : bi + 2, bj : bj + 2, bk : bk + 2]
                turns = phase[bi : bi + 2, bj : bj + 2, bk : bk + 2]
                for axis, b in enumerate((bi, bj, bk)):
                    low[axis], high[axis] = cube[..., axis].min(), cube[..., axis].max()
                    start[axis], end[axis] = b * edge[axis], min((b + 1) * edge[axis], image.shape[axis])
                number, kind = plan_cell(scene, among, low, high, plan)
                factor = factors[_is_fine(low, high, fine[0], fine[1])]
                if number == 0 and table.shape[1] == 1:
                    part = (slice(start[0], end[0]), slice(start[1], end[1]), slice(start[2], end[2]))
                    image[part] = table[kind, 0]
                    label[part] = scene.structure[kind]
                    continue
                count = _place_samples(cube, edge, start, end, factor, points)
                tissues[:count] = kind
                paint_samples(scene, plan, number, count, points, tissues, alive)
                _average(scene, tissues, turns, edge, start, end, factor, table, image, label)


@_compiled
def _place_samples(cube, edge, start, end, factor, points):
    """Positions of the samples of a cell into ``points``, voxel by voxel; returns how many."""
    n = 0
    for i in range(start[0] * factor[0], end[0] * factor[0]):
        u = ((i + 0.5) / factor[0] - start[0]) / edge[0]
        for j in range(start[1] * factor[1], end[1] * factor[1]):
            v = ((j + 0.5) / factor[1] - start[1]) / edge[1]
            for axis in range(3):
                c = cube[..., axis]
                near = (1 - u) * ((1 - v) * c[0, 0, 0] + v * c[0, 1, 0]) + u * ((1 - v) * c[1, 0, 0] + v * c[1, 1, 0])
                far = (1 - u) * ((1 - v) * c[0, 0, 1] + v * c[0, 1, 1]) + u * ((1 - v) * c[1, 0, 1] + v * c[1, 1, 1])
                m = n
                for k in range(start[2] * factor[2], end[2] * factor[2]):
                    w = ((k + 0.5) / factor[2] - start[2]) / edge[2]
                    points[axis, m] = near + w * (far - near)
                    m += 1
            n = m
    return n


@_compiled
def paint_blocks(scene, lattice, wanted, block, room, tissues):
    """Fill tissues (I, J, K) at those points of a lattice (I, J, K, 3), mm, that are wanted (I, J, K).

    Args:
        scene: all layers.
        lattice: regular or bent.
        wanted: the other points are left as they are.
        block: points along each axis that are painted at once.
        room: for the points of a block, as in :func:`paint_cells`.
        tissues: uint8.
    """
    points, kinds, alive, plan = room
    among, low, high = np.arange(len(scene.kind)), np.empty(3), np.empty(3)
    for bi in range(0, tissues.shape[0], block):
        for bj in range(0, tissues.shape[1], block):
            for bk in range(0, tissues.shape[2], block):
                part = (slice(bi, bi + block), slice(bj, bj + block), slice(bk, bk + block))
                where, places, painted = wanted[part], lattice[part], tissues[part]
                count = _gather(where, places, points, low, high)
                if count == 0:
                    continue
                number, kind = plan_cell(scene, among, low, high, plan)
                kinds[:count] = kind
                paint_samples(scene, plan, number, count, points, kinds, alive)
                _scatter(where, kinds, painted)


@_compiled
def _gather(where, places, points, low, high):
    """Positions of the points where they are wanted into ``points``, their box into ``low``, ``high``; how many."""
    count = 0
    low[:], high[:] = np.inf, -np.inf
    for i in range(where.shape[0]):
        for j in range(where.shape[1]):
            for k in range(where.shape[2]):
                if where[i, j, k]:
                    for axis in range(3):
                        place = places[i, j, k, axis]
                        points[axis, count] = place
                        low[axis], high[axis] = min(low[axis], place), max(high[axis], place)
                    count += 1
    return count


@_compiled
def _scatter(where, kinds, painted):
    """Tissues of the points, in the order of :func:`_gather`, to where they belong."""
    count = 0
    for i in range(where.shape[0]):
        for j in range(where.shape[1]):
            for k in range(where.shape[2]):
                if where[i, j, k]:
                    painted[i, j, k] = kinds[count]
                    count += 1


@_compiled
def paint_samples(scene, plan, number, count, points, tissues, alive):
    """Paint the planned layers in place; only samples that may still change are looked at."""
    for n in range(number):
        layer = plan.layers[n]
        over, left = scene.over[layer], 0
        for s in range(count):
            if (over >> tissues[s]) & 1:
                alive[left] = s
                left += 1
        for test in range(plan.first[n], plan.first[n + 1]):
            left = _still_alive(scene, plan.conditions[test], points, alive, left)
        for a in range(left):
            tissues[alive[a]] = scene.kind[layer]


@_compiled
def _still_alive(scene, c, points, alive, left):
    """Keep those of the first ``left`` samples in ``alive`` that meet condition ``c``; returns how many."""
    field, p, below, above = scene.field[c], scene.parameters[c], scene.limits[c, 0], scene.limits[c, 1]
    if field == _ELLIPSOID and above == -np.inf and below == 0.0 and scene.waves[c] < 0:
        return _still_in_ellipsoid(p, points, alive, left)
    slack, wave, height, first, last, kept = scene.limits[c, 2], scene.waves[c], 0.0, 0, 0, 0
    if wave >= 0:
        height, first, last = scene.height[c] * scene.scale[wave], scene.first_wave[wave], scene.first_wave[wave + 1]
    for a in range(left):
        s = alive[a]
        x, y, z = points[0, s], points[1, s], points[2, s]
        value = field_value(field, p, x, y, z)
        if wave >= 0 and (above - slack < value < above + slack or below - slack < value < below + slack):
            value += height * waves_value(scene.vectors, scene.phases, first, last, x, y, z)  # near the surface only
        if above < value < below:
            alive[kept] = s
            kept += 1
    return kept


@_compiled
def _still_in_ellipsoid(p, points, alive, left):
    """The same for the most frequent condition, inside of a smooth ellipsoid, without its distance."""
    x, y, z, a, b, c, kept = p[0], p[1], p[2], p[3], p[4], p[5], 0
    for n in range(left):
        s = alive[n]
        u, v, w = (points[0, s] - x) / a, (points[1, s] - y) / b, (points[2, s] - z) / c
        if u * u + v * v + w * w < 1.0:
            alive[kept] = s
            kept += 1
    return kept


@_compiled
def _average(scene, tissues, turns, edge, start, end, factor, table, image, label):
    """Mean signal and label of the voxels of a cell from their samples' tissues."""
    weight = 1.0 / (factor[0] * factor[1] * factor[2])
    rows, columns = (end[1] - start[1]) * factor[1], (end[2] - start[2]) * factor[2]
    bins = table.shape[1]
    for i in range(start[0], end[0]):
        for j in range(start[1], end[1]):
            for k in range(start[2], end[2]):
                bin_ = 0
                if bins > 1:
                    u, v, w = (i + 0.5) / edge[0], (j + 0.5) / edge[1], (k + 0.5) / edge[2]
                    phase = interpolate(turns, u - np.floor(u), v - np.floor(v), w - np.floor(w))
                    bin_ = int(np.floor(phase + 0.5)) % bins
                total, vs, cochlea = 0.0, 0.0, 0.0
                for a in range((i - start[0]) * factor[0], (i - start[0] + 1) * factor[0]):
                    for b in range((j - start[1]) * factor[1], (j - start[1] + 1) * factor[1]):
                        for c in range((k - start[2]) * factor[2], (k - start[2] + 1) * factor[2]):
                            tissue = tissues[(a * rows + b) * columns + c]
                            total += table[tissue, bin_]
                            structure = scene.structure[tissue]
                            vs += structure == 1
                            cochlea += structure == 2
                image[i, j, k] = total * weight
                label[i, j, k] = 2 if cochlea * weight >= 0.5 else (1 if vs * weight >= 0.5 else 0)


@_compiled
def interpolate(cube: Array, u: float, v: float, w: float) -> float:
    """Value inside a cell from those at its corners (2, 2, 2), by three linear interpolations; u, v, w in [0, 1]."""
    a = cube[0, 0, 0] + w * (cube[0, 0, 1] - cube[0, 0, 0])
    b = cube[0, 1, 0] + w * (cube[0, 1, 1] - cube[0, 1, 0])
    c = cube[1, 0, 0] + w * (cube[1, 0, 1] - cube[1, 0, 0])
    d = cube[1, 1, 0] + w * (cube[1, 1, 1] - cube[1, 1, 0])
    a += v * (b - a)
    c += v * (d - c)
    return a + u * (c - a)


@_compiled
def _is_fine(low: Array, high: Array, centers: Array, reach: Array) -> int:
    """1 for a cell that comes within ``reach`` of a center, else 0."""
    for n in range(len(centers)):
        near = True
        for axis in range(3):
            near = near and low[axis] - centers[n, axis] < reach[axis] and centers[n, axis] - high[axis] < reach[axis]
        if near:
            return 1
    return 0


@_compiled
def expose_slice(k, image, shading, edge, noise, sigma, scale, stored):
    """Slice ``k``: shaded signal, magnitude with Gaussian noise (2, X, Y) in both channels (Rician), rounded."""
    bk = k // edge[2]
    w = (k + 0.5) / edge[2] - bk
    for i in range(image.shape[0]):
        bi = i // edge[0]
        u = (i + 0.5) / edge[0] - bi
        for j in range(image.shape[1]):
            bj = j // edge[1]
            v = (j + 0.5) / edge[1] - bj
            shade = interpolate(shading[bi : bi + 2, bj : bj + 2, bk : bk + 2], u, v, w)
            real = image[i, j, k] * shade + sigma * noise[0, i, j]
            imaginary = sigma * noise[1, i, j]
            stored[i, j, k] = min(np.rint(scale * np.sqrt(real * real + imaginary * imaginary)), 32767.0)
