/** The connected pieces of a mask: twin of `tanq_monai/anatomy/components.py`. Positions are in scanner axes, mm. */

import { type Grid, type Triple, determinant, edgesOf } from "../scans/grid.ts";

const LARGEST_TILT = 20; // degrees: a head in its coil
const ROUNDING = 1e-3; // mm: spacings of oblique affines are off by less

/** A connected piece: its voxels (indices, i fastest), mm3, and centroid, mm. */
export interface Component {
  voxels: number[];
  volume: number;
  center: Triple;
}

/**
 * Pieces in the order in which their first voxels lie, (i, j, k) with k fastest, as NumPy has them.
 *
 * @param mask voxels, indices with i fastest.
 * @param joinMm pieces whose voxels' middles are this near, in mm, are one.
 */
export function findComponents(mask: number[], grid: Grid, joinMm = 0): Component[] {
  const all = new Set(mask);
  const near = joinMm > 0 ? neighbours(mask, grid, joinMm / 2) : all;
  const [rows, planes] = [grid.shape[0], grid.shape[0] * grid.shape[1]];
  const seen = new Set<number>();
  const pieces: Component[] = [];
  for (const first of [...mask].sort((one, other) => order(one, grid) - order(other, grid))) {
    if (seen.has(first)) continue;
    const piece: number[] = [];
    const open = [first];
    seen.add(first);
    while (open.length) {
      const voxel = open.pop()!;
      if (all.has(voxel)) piece.push(voxel);
      const i = voxel % rows;
      for (const dk of [-planes, 0, planes]) {
        for (const dj of [-rows, 0, rows]) {
          for (let di = i > 0 ? -1 : 0; di <= (i < rows - 1 ? 1 : 0); di++) {
            const other = voxel + dk + dj + di;
            if (seen.has(other) || !near.has(other) || !beside(voxel, other, grid)) continue;
            seen.add(other);
            open.push(other);
          }
        }
      }
    }
    pieces.push(described(piece, grid));
  }
  return pieces;
}

/** Distance of two points, mm. */
export function apart(one: Triple, other: Triple): number {
  return Math.hypot(...one.map((value, axis) => value - other[axis]!));
}

/** Angle of the line through two components to the scanner's left-right axis, degrees. */
export function tilt(one: Component, other: Component): number {
  const distance = apart(one.center, other.center);
  if (!distance) return 0;
  return (Math.acos(Math.min(Math.abs(one.center[0] - other.center[0]) / distance, 1)) * 180) / Math.PI;
}

/** Whether two components lie beside each other, left and right, as ears do. */
export function areOpposite(one: Component, other: Component): boolean {
  return tilt(one, other) <= LARGEST_TILT;
}

/** Place of a voxel, mm. */
export function placeOf([i, j, k]: Triple, grid: Grid): Triple {
  return [0, 1, 2].map((row) => {
    const [x, y, z, t] = grid.affine[row] as [number, number, number, number];
    return x * i + y * j + z * k + t;
  }) as Triple;
}

/** Index (i, j, k) of a voxel. */
export function indexOf(voxel: number, grid: Grid): Triple {
  const [rows, columns] = grid.shape;
  return [voxel % rows, Math.floor(voxel / rows) % columns, Math.floor(voxel / (rows * columns))];
}

function described(voxels: number[], grid: Grid): Component {
  const mean: Triple = [0, 0, 0];
  for (const voxel of voxels) indexOf(voxel, grid).forEach((value, axis) => (mean[axis]! += value / voxels.length));
  return { voxels, volume: voxels.length * Math.abs(determinant(grid.affine)), center: placeOf(mean, grid) };
}

/** Voxels at most `reach` mm from the mask, within its box. */
function neighbours(mask: number[], grid: Grid, reach: number): Set<number> {
  const edges = edgesOf(grid.affine);
  const low: Triple = [Infinity, Infinity, Infinity];
  const high: Triple = [-Infinity, -Infinity, -Infinity];
  const places = mask.map((voxel) => indexOf(voxel, grid));
  for (const place of places) {
    place.forEach((value, axis) => {
      low[axis] = Math.min(low[axis]!, value);
      high[axis] = Math.max(high[axis]!, value);
    });
  }
  const steps: Triple[] = [];
  const [a, b, c] = edges.map((edge) => Math.floor((reach + ROUNDING) / edge)) as Triple;
  for (let i = -a; i <= a; i++) {
    for (let j = -b; j <= b; j++) {
      for (let k = -c; k <= c; k++) {
        if (Math.hypot(i * edges[0], j * edges[1], k * edges[2]) <= reach + ROUNDING) steps.push([i, j, k]);
      }
    }
  }
  const near = new Set<number>();
  for (const place of places) {
    for (const step of steps) {
      const moved = place.map((value, axis) => value + step[axis]!) as Triple;
      if (moved.every((value, axis) => value >= low[axis]! && value <= high[axis]!)) {
        near.add(moved[0] + grid.shape[0] * (moved[1] + grid.shape[1] * moved[2]));
      }
    }
  }
  return near;
}

/** Whether two voxels are neighbours and none lies at the other end of a row. */
function beside(one: number, other: number, grid: Grid): boolean {
  const [from, to] = [indexOf(one, grid), indexOf(other, grid)];
  return from.every((value, axis) => Math.abs(value - to[axis]!) <= 1);
}

function order(voxel: number, grid: Grid): number {
  const [i, j, k] = indexOf(voxel, grid);
  return (i * grid.shape[1] + j) * grid.shape[2] + k;
}
