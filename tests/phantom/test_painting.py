"""The compiled painting against the tissue at every sample, one by one."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tanq_monai.phantom import LONDON_CISS, Kind, Patient, draw_patient, ideal_scan, make_grid, signal
from tanq_monai.phantom.anatomy.lattice import make_lattice, paint_lattice
from tanq_monai.phantom.painting import kernel
from tanq_monai.phantom.painting.kernel import plan_cell
from tanq_monai.phantom.painting.paint import tissue_at
from tanq_monai.phantom.painting.scene import make_plan, make_scene
from tanq_monai.phantom.painting.shapes import ELLIPSOID_SAFETY, Field
from tanq_monai.phantom.scanner.acquisition import Grid
from tanq_monai.phantom.scanner.off_resonance import OffResonance
from tanq_monai.phantom.tissues import COCHLEA_KINDS, VS_KINDS

NO_CAVITY: tuple[()] = ()


@pytest.fixture(scope="module")
def patient() -> Patient:
    return next(p for p in map(draw_patient, range(50)) if p.tumor and p.tumor.volume > 800)


def test_numbers_that_are_frozen_into_the_compiled_code_are_those_of_the_shapes() -> None:
    assert [getattr(kernel, f"_{field.name}") for field in Field] == [int(field) for field in Field]
    assert kernel._SAFETY == ELLIPSOID_SAFETY


@pytest.mark.slow
def test_compiled_code_works_where_nothing_can_be_written(tmp_path: Path) -> None:
    source = Path(kernel.__file__)
    (tmp_path / "kernel.py").write_text(source.read_text())
    tmp_path.chmod(0o555)
    line = "import kernel, numpy; assert kernel.fossa_floor(30.0, 20.0) == 2.0"
    environment = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "NUMBA_DISABLE_JIT": "0"}
    program = f"import numba.core.caching as c; c.CacheImpl._locator_classes = []; {line}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    tmp_path.chmod(0o755)
    assert done.returncode == 0, done.stderr


def samples(grid: Grid, factor: tuple[int, int, int]) -> np.ndarray:
    """Positions (X, Y, Z, samples, 3) of all samples of all voxels, mm."""
    inner = np.stack(np.meshgrid(*[(np.arange(f) + 0.5) / f - 0.5 for f in factor], indexing="ij"), axis=-1)
    index = np.moveaxis(np.indices(grid.shape), 0, -1)[..., None, :] + inner.reshape(-1, 3)
    return index @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def test_voxels_are_means_of_the_signals_of_their_samples(patient: Patient) -> None:
    patient = replace(patient, deform=lambda x, y, z: (x, y, z))
    factor = (2, 1, 3)
    grid = make_grid((24, 20, 9), (0.6, 0.7, 1.1), (3, -2, 4), patient.ears[0].cochlea, ear_factor=factor)
    image, label = ideal_scan(patient, LONDON_CISS, grid)
    places = samples(grid, factor)
    tissues = tissue_at(make_scene(patient.layers()), places.reshape(-1, 3)).reshape(places.shape[:-1])
    table = np.array([signal(patient.tissues[kind], LONDON_CISS) for kind in Kind])
    assert len(np.unique(tissues)) > 5
    np.testing.assert_allclose(image, table[tissues].mean(-1), rtol=1e-6)
    cochlea, vs = (np.isin(tissues, kinds).mean(-1) >= 0.5 for kinds in (COCHLEA_KINDS, VS_KINDS))
    np.testing.assert_array_equal(label, np.where(cochlea, 2, np.where(vs, 1, 0)))


def test_positions_between_the_corners_of_cells_are_deformed_to_a_tenth_of_a_millimeter(patient: Patient) -> None:
    corners = np.stack(np.meshgrid(*[np.arange(-60, 60, 4.0)] * 3, indexing="ij"), axis=-1)
    deformed = np.stack(patient.deform(*np.moveaxis(corners, -1, 0)), axis=-1)
    places = np.ndindex(2, 2, 2)
    middle = np.mean([deformed[i : i + 29, j : j + 29, k : k + 29] for i, j, k in places], axis=0)
    exact = np.stack(patient.deform(*np.moveaxis(corners[:-1, :-1, :-1] + 2.0, -1, 0)), axis=-1)
    assert np.abs(middle - exact).max() < 0.1


def test_layers_left_out_of_a_cell_change_nothing_in_it(patient: Patient) -> None:
    scene, rng = make_scene(patient.layers()), np.random.default_rng(0)
    for _ in range(40):
        low = rng.uniform((-75, -95, -40), (75, 95, 115))
        points = low + rng.uniform(0, 6, (30, 3))
        everywhere = np.vstack([points, [(-300, -300, -300), (300, 300, 300)]])  # so large a cell leaves nothing out
        np.testing.assert_array_equal(tissue_at(scene, points), tissue_at(scene, everywhere)[:-2])


@pytest.mark.parametrize("block", [4, 64])
def test_a_lattice_is_painted_as_its_points_are_and_only_where_it_is_wanted(patient: Patient, block: int) -> None:
    middle, half = np.asarray(patient.ears[0].cochlea), np.array([6.0, 4.0, 5.0])
    lattice, layers = make_lattice(middle - half, middle + half, 0.9), patient.layers()
    expected = tissue_at(make_scene(layers), lattice.reshape(-1, 3)).reshape(lattice.shape[:3])
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(paint_lattice(layers, lattice, block), expected)
    wanted = np.random.default_rng(0).random(expected.shape) < 0.3
    wanted[:5] = False  # whole blocks
    np.testing.assert_array_equal(paint_lattice(layers, lattice, block, wanted), np.where(wanted, expected, Kind.AIR))


def test_most_layers_are_left_out_of_a_small_cell(patient: Patient) -> None:
    scene = make_scene(patient.layers())
    plan = make_plan(scene)
    numbers = [
        plan_cell(scene, np.arange(len(scene.kind)), np.array(low, float), np.array(low, float) + 5, plan)[0]
        for low in ((20, 20, 60), (-40, -30, 80), (0, -10, 10), (90, 120, 0))
    ]
    assert max(numbers) < 0.1 * len(scene.kind)
    assert numbers[-1] == 0  # air


def test_fine_sampling_is_used_near_the_inner_ears_only(patient: Patient) -> None:
    def scan(center: tuple[float, float, float], **factors: tuple[int, int, int]) -> np.ndarray:
        return ideal_scan(patient, LONDON_CISS, make_grid((20, 20, 6), (1, 1, 2), center=center, **factors))[0]

    coarse, fine = {"factor": (1, 1, 1), "ear_factor": (1, 1, 1)}, {"factor": (1, 1, 1), "ear_factor": (3, 3, 3)}
    assert np.any(scan(patient.ears[0].cochlea, **coarse) != scan(patient.ears[0].cochlea, **fine))
    np.testing.assert_array_equal(scan((0, 20, 95), **coarse), scan((0, 20, 95), **fine))


def test_bands_follow_the_precession_of_the_field(patient: Patient) -> None:
    grid = make_grid((8, 8, 4), (1, 1, 1), center=(0, 20, 100))
    flat = dict(curvature=(0.0,) * 5, cavities=NO_CAVITY)
    plain, _ = ideal_scan(patient, LONDON_CISS, grid)
    for hertz in (0.0, 25.0, 50.0):
        field = OffResonance(offset=hertz, gradient=(0.0, 0.0, 0.0), **flat)
        banded, _ = ideal_scan(patient, LONDON_CISS, grid, field)
        angle = 2 * np.pi * hertz * LONDON_CISS.tr / 1000
        white = patient.tissues[Kind.WHITE_MATTER]
        ratio = signal(white, LONDON_CISS, angle) / signal(white, LONDON_CISS)
        assert np.median(banded / plain) == pytest.approx(ratio, abs=0.02)  # bins of a 64th turn; gray matter among it
