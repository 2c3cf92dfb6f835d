/** The way of a scan into the plan's space: twin of `tanq_monai/segmentation/plan/space.py`. Plan order is z, y, x. */

import { facts } from "../../facts.ts";
import { roundEven } from "../../numerals.ts";
import { type Affine, type Triple, type Turn, eachTurned, edgesOf, reorientation, turnedShape } from "../../scans/grid.ts";
import type { Voxels } from "../../scans/nifti.ts";

/** An array, the last axis fastest. */
export interface Box<T extends Float32Array | Uint8Array = Float32Array> {
  values: T;
  shape: Triple;
}

/** Where in a scan what was cut out of it lies: bounds, shape of the scan and spacing (mm) in plan order. */
export interface Placement {
  turn: Turn;
  low: Triple;
  fullShape: Triple;
  spacing: Triple;
}

/** The plan's spacing for a scan of a spacing, both mm: the slice distance is kept. */
export function targetSpacing(spacing: Triple): Triple {
  return [spacing[0], ...facts.segmenter.spacing];
}

/** Of the box in the plan's spacing. */
export function newShape(shape: Triple, spacing: Triple): Triple {
  const target = targetSpacing(spacing);
  return shape.map((n, axis) => Math.max(1, roundEven((spacing[axis]! / target[axis]!) * n))) as Triple;
}

/** (i, j, k) as stored -> its non-zero box (z, y, x), z-scored, still in the scan's own spacing. */
export function cropAndNormalize(voxels: Voxels, stored: Triple, affine: Affine): { crop: Box; placement: Placement } {
  const turn = reorientation(affine, facts.segmenter.orientation);
  const order = facts.segmenter.transpose.map((axis) => 2 - axis); // of x, y, z in the plan
  turn.axis = turn.axis.map((axis) => order.indexOf(axis)) as Triple;
  const fullShape = turnedShape(stored, turn);
  const full = new Float32Array(voxels.length);
  eachTurned(stored, turn, (from, to) => (full[to] = voxels[from]!));
  const edges = edgesOf(affine);
  const spacing: Triple = [0, 0, 0];
  turn.axis.forEach((axis, n) => (spacing[axis] = edges[n]!));
  const { low, high } = nonzeroBox(full, fullShape);
  const crop = cut(full, fullShape, low, high);
  zScore(crop.values);
  return { crop, placement: { turn, low, fullShape, spacing } };
}

/** A label of the box, 0 around it, with the axes that the scan is stored with. */
export function storedLabel(box: Box<Uint8Array>, placement: Placement, stored: Triple): Uint8Array {
  const { fullShape, low, turn } = placement;
  const full = new Uint8Array(fullShape[0] * fullShape[1] * fullShape[2]);
  const [, rows, columns] = box.shape;
  for (let z = 0, from = 0; z < box.shape[0]; z++) {
    for (let y = 0; y < rows; y++, from += columns) {
      const to = ((z + low[0]) * fullShape[1] + y + low[1]) * fullShape[2] + low[2];
      full.set(box.values.subarray(from, from + columns), to);
    }
  }
  const label = new Uint8Array(full.length);
  eachTurned(stored, turn, (to, from) => (label[to] = full[from]!));
  return label;
}

function zScore(values: Float32Array): void {
  const mean = Math.fround(sum(values, (value) => value) / values.length);
  for (let n = 0; n < values.length; n++) values[n]! -= mean;
  const rest = sum(values, (value) => value) / values.length;
  const deviation = Math.max(Math.sqrt(sum(values, (value) => (value - rest) ** 2) / values.length), 1e-8);
  for (let n = 0; n < values.length; n++) values[n]! /= deviation;
}

function sum(values: Float32Array, of: (value: number) => number): number {
  let total = 0;
  for (const value of values) total += of(value);
  return total;
}

/** Half-open bounds of what is not 0. */
function nonzeroBox(values: Float32Array, [planes, rows, columns]: Triple): { low: Triple; high: Triple } {
  const low: Triple = [planes, rows, columns];
  const high: Triple = [0, 0, 0];
  for (let z = 0, n = 0; z < planes; z++) {
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++, n++) {
        if (values[n] === 0) continue;
        if (z < low[0]) low[0] = z;
        if (y < low[1]) low[1] = y;
        if (x < low[2]) low[2] = x;
        if (z >= high[0]) high[0] = z + 1;
        if (y >= high[1]) high[1] = y + 1;
        if (x >= high[2]) high[2] = x + 1;
      }
    }
  }
  return { low, high };
}

function cut(values: Float32Array, shape: Triple, low: Triple, high: Triple): Box {
  const size = high.map((end, axis) => end - low[axis]!) as Triple;
  const part = new Float32Array(size[0] * size[1] * size[2]);
  for (let z = 0, to = 0; z < size[0]; z++) {
    for (let y = 0; y < size[1]; y++, to += size[2]) {
      const from = ((z + low[0]) * shape[1] + y + low[1]) * shape[2] + low[2];
      part.set(values.subarray(from, from + size[2]), to);
    }
  }
  return { values: part, shape: size };
}
