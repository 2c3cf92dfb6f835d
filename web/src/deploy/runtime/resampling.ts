/** Arrays on other grids: twin of `tanq_monai/deploy/runtime/resampling.py`. Order z, y, x, the last axis fastest. */

import type { Interpolation } from "../../facts.ts";
import type { Triple } from "../../scans/grid.ts";
import type { Box } from "../../segmentation/plan/space.ts";
import { bandsOf, thickAxis } from "../../segmentation/plan/splines.ts";

/**
 * A box on a grid of `shape` over the same extent; of the same shape it is the box itself.
 *
 * @param spacing mm per voxel of the box.
 * @param newSpacing mm per voxel of the result.
 * @param how orders of the splines, whose overshoot is clipped.
 */
export function resample(box: Box, shape: Triple, spacing: Triple, newSpacing: Triple, how: Interpolation): Box {
  const thick = thickAxis(spacing, newSpacing, how.separate_z);
  let resized = box;
  for (const axis of [0, 1, 2]) if (axis !== thick) resized = resizeAxis(resized, axis, shape[axis]!, how.order);
  if (how.order > 1 && resized !== box) clip(resized, box, thick);
  return thick === null ? resized : resizeAxis(resized, thick, shape[thick]!, how.order_z);
}

function resizeAxis(box: Box, axis: number, newSize: number, order: number): Box {
  const shape = [...box.shape] as Triple;
  const size = shape[axis]!;
  if (size === newSize) return box;
  const bands = bandsOf(size, newSize, order);
  shape[axis] = newSize;
  const inner = box.shape.slice(axis + 1).reduce((one, other) => one * other, 1);
  const outer = box.shape.slice(0, axis).reduce((one, other) => one * other, 1);
  const values = new Float32Array(outer * newSize * inner);
  for (let block = 0; block < outer; block++) {
    for (let n = 0; n < newSize; n++) {
      const to = (block * newSize + n) * inner;
      const from = (block * size + bands.first[n]!) * inner;
      combine(values, to, box.values, from, inner, bands.weights[n]!);
    }
  }
  return { values, shape };
}

/** Adds to a row the rows of another array from `start` on, each by its weight. */
function combine(into: Float32Array, to: number, rows: Float32Array, start: number, length: number, weights: Float32Array): void {
  if (length === 1) {
    let sum = 0;
    for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * rows[start + tap]!;
    into[to] = sum;
    return;
  }
  for (let tap = 0, from = start; tap < weights.length; tap++, from += length) {
    const weight = weights[tap]!;
    for (let x = 0; x < length; x++) into[to + x]! += weight * rows[from + x]!;
  }
}

/** Keeps values within those of the original, slice by slice along a thick axis. */
function clip(resized: Box, original: Box, thick: number | null): void {
  const slices = thick === null ? 1 : original.shape[thick]!;
  const sliceOf = (shape: Triple, n: number) => {
    if (thick === null) return 0;
    const inner = shape.slice(thick + 1).reduce((one, other) => one * other, 1);
    return Math.floor(n / inner) % slices;
  };
  const low = new Float32Array(slices).fill(Infinity);
  const high = new Float32Array(slices).fill(-Infinity);
  original.values.forEach((value, n) => {
    const slice = sliceOf(original.shape, n);
    if (value < low[slice]!) low[slice] = value;
    if (value > high[slice]!) high[slice] = value;
  });
  resized.values.forEach((value, n) => {
    const slice = sliceOf(resized.shape, n);
    resized.values[n] = Math.min(Math.max(value, low[slice]!), high[slice]!);
  });
}
