/** What nnU-Net's resampling is made of: twin of `tanq_monai/segmentation/plan/splines.py`. Order z, y, x. */

import type { Triple } from "../../scans/grid.ts";

const ANISOTROPY_THRESHOLD = 3;
const POLE = Math.sqrt(3) - 2; // of the filter that makes coefficients of cubic splines
const PADDING = 12; // copies of the outermost voxels on either side, as SciPy has

/** The one axis that is resampled on its own, or null; the old spacing decides first, then the new. */
export function thickAxis(spacing: Triple, newSpacing: Triple, separateZ: boolean | null): number | null {
  if (separateZ === false) return null;
  const anisotropic = (one: Triple) => Math.max(...one) / Math.min(...one) > ANISOTROPY_THRESHOLD;
  const candidates = separateZ ? [spacing] : [spacing, newSpacing].filter(anisotropic);
  const first = candidates[0];
  if (!first) return null;
  const coarsest = [0, 1, 2].filter((axis) => first[axis] === Math.max(...first));
  return coarsest.length === 1 ? coarsest[0]! : null;
}

/** What the old voxels of an axis contribute to each new one: to `n` those from `first[n]` on, by `weights[n]`. */
export interface Bands {
  first: Int32Array;
  weights: Float32Array[];
}

/** Of splines of order 3, 1 or 0. */
export function bandsOf(size: number, newSize: number, order: number): Bands {
  return order === 3 ? splineWeights(size, newSize) : order === 1 ? twoTaps(size, newSize) : oneTap(size, newSize);
}

/** Of cubic splines: the rows of SciPy's `zoom(..., order=3, mode="nearest", grid_mode=True)`. */
function splineWeights(size: number, newSize: number): Bands {
  const columns = Array.from({ length: size }, (_, voxel) => interpolated(coefficients(size, voxel), size, newSize));
  const first = new Int32Array(newSize);
  const weights = Array.from(first, (_, n) => {
    const row = columns.map((column) => (Math.abs(column[n]!) < 1e-12 ? 0 : column[n]!));
    const from = row.findIndex(Boolean);
    first[n] = from;
    return Float32Array.from(row.slice(from, row.findLastIndex(Boolean) + 1));
  });
  return { first, weights };
}

/** Of straight lines: the voxel below, and the one above with its weight. */
function twoTaps(size: number, newSize: number): Bands {
  const first = new Int32Array(newSize);
  const weights = Array.from(first, (_, n) => {
    const place = Math.min(Math.max(((n + 0.5) * size) / newSize - 0.5, 0), size - 1);
    first[n] = Math.min(Math.floor(place), Math.max(size - 2, 0));
    const above = place - first[n]!;
    return size > 1 ? Float32Array.of(1 - above, above) : Float32Array.of(1);
  });
  return { first, weights };
}

/** The nearest voxel. */
function oneTap(size: number, newSize: number): Bands {
  return {
    first: Int32Array.from({ length: newSize }, (_, n) => Math.min(Math.floor(((n + 0.5) * size) / newSize), size - 1)),
    weights: Array.from({ length: newSize }, () => Float32Array.of(1)),
  };
}

/** Coefficients of the cubic spline through an axis that is 1 at one voxel and 0 at the others. */
function coefficients(size: number, voxel: number): Float64Array {
  const length = size + 2 * PADDING;
  const c = new Float64Array(length);
  for (let n = 0; n < length; n++) if (Math.min(Math.max(n - PADDING, 0), size - 1) === voxel) c[n] = 6;
  const far = POLE ** length;
  const edge = c[0]!;
  c[0] = edge + far * c[length - 1]!;
  for (let n = 1, power = POLE; n < length; n++, power *= POLE) c[0]! += power * (c[n]! + far * c[length - 1 - n]!);
  c[0] = c[0]! * (POLE / (1 - far * far)) + edge;
  for (let n = 1; n < length; n++) c[n]! += POLE * c[n - 1]!;
  c[length - 1]! *= POLE / (POLE - 1);
  for (let n = length - 2; n >= 0; n--) c[n] = POLE * (c[n + 1]! - c[n]!);
  return c;
}

function interpolated(c: Float64Array, size: number, newSize: number): Float64Array {
  return Float64Array.from({ length: newSize }, (_, n) => {
    const place = ((n + 0.5) * size) / newSize - 0.5 + PADDING;
    const start = Math.floor(place);
    const x = place - start;
    const y = 1 - x;
    const outer = [y * y * y, x * x * x].map((cube) => cube / 6);
    const inner = [x, y].map((t) => (t * t * (t - 2) * 3 + 4) / 6);
    return outer[0]! * c[start - 1]! + inner[0]! * c[start]! + inner[1]! * c[start + 1]! + outer[1]! * c[start + 2]!;
  });
}
