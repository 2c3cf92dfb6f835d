/** The segmenter on a scan: twin of `tanq_monai/deploy/runtime/segmentation.py`. Plan space is z, y, x. */

import { facts } from "../../facts.ts";
import type { Triple } from "../../scans/grid.ts";
import type { Volume } from "../../scans/volume.ts";
import { gaussianWeight, paddingTo, windowStarts } from "../../segmentation/inference/windows.ts";
import { type Box, cropAndNormalize, newShape, storedLabel, targetSpacing } from "../../segmentation/plan/space.ts";
import type { Engine } from "../engines/on_onnxruntime.ts";
import { resample } from "./resampling.ts";

/** A slice in the plan's pixels, and what its label is to be. */
export interface Task {
  /** (1, y, x). */
  slice: Box;
  /** Of the label, (1, y, x). */
  shape: Triple;
  /** Of the scan, mm. */
  spacing: Triple;
}

/** Labels a slice, somewhere. */
export type Labeller = (task: Task) => Promise<Uint8Array>;

/**
 * Labels (i fastest) of a scan.
 *
 * @param labellers that work side by side, each on one slice after the other.
 * @param told is called after every slice: how many of how many are done.
 */
export async function segment(
  scan: Volume,
  labellers: Labeller[],
  told: (done: number, all: number) => void,
): Promise<Uint8Array> {
  const { shape: stored, affine } = scan.grid;
  const { crop, placement } = cropAndNormalize(scan.voxels, stored, affine);
  const { spacing } = placement;
  const size = newShape(crop.shape, spacing);
  const image = resample(crop, size, spacing, targetSpacing(spacing), facts.segmenter.interpolation.image);
  const label: Box<Uint8Array> = { values: new Uint8Array(crop.values.length), shape: crop.shape };
  const [planes, rows, columns] = image.shape;
  const shape: Triple = [1, crop.shape[1], crop.shape[2]];
  const of = (box: Triple) => box[1] * box[2];
  let [next, done] = [0, 0];
  const work = async (labeller: Labeller) => {
    while (next < planes) {
      const z = next++;
      const values = image.values.slice(z * of(image.shape), (z + 1) * of(image.shape));
      label.values.set(await labeller({ slice: { values, shape: [1, rows, columns] }, shape, spacing }), z * of(shape));
      told(++done, planes);
    }
  };
  await Promise.all(labellers.map(work));
  return storedLabel(label, placement, stored);
}

/** What labels slices with an engine. */
export function labellerOf(engine: Engine): Labeller {
  const weight = gaussianWeight(facts.segmenter.patch_size);
  return async ({ slice, shape, spacing }) => labelMap(await slidingWindow(engine, weight, slice), shape, spacing);
}

/** Gaussian-weighted mean of the logits of overlapping windows, each as it is and mirrored: (1, y, x) of each class. */
async function slidingWindow(engine: Engine, weight: Float32Array, slice: Box): Promise<Box[]> {
  const [height, width] = facts.segmenter.patch_size;
  const [, rows, columns] = slice.shape;
  const [down, across] = [paddingTo(rows, height), paddingTo(columns, width)];
  const classes = Object.keys(facts.segmenter.classes).length;
  const total = Array.from({ length: classes }, () => new Float32Array(rows * columns));
  const weights = new Float32Array(rows * columns);
  for (const top of windowStarts(down.whole, height)) {
    for (const left of windowStarts(across.whole, width)) {
      const window = new Float32Array(height * width);
      eachPixel(slice.shape, [height, width], top - down.before, left - across.before, (pixel, n) => {
        window[n] = slice.values[pixel]!;
      });
      const logits = await mirroredLogits(engine, window);
      eachPixel(slice.shape, [height, width], top - down.before, left - across.before, (pixel, n) => {
        weights[pixel]! += weight[n]!;
        for (let one = 0; one < classes; one++) total[one]![pixel]! += weight[n]! * logits[one * window.length + n]!;
      });
    }
  }
  return total.map((values) => ({ values: values.map((sum, pixel) => sum / weights[pixel]!), shape: slice.shape }));
}

/** Logits (K, y, x) of a window (y, x): the mean of those of the window as it is and mirrored, where it is to be. */
async function mirroredLogits(engine: Engine, window: Float32Array): Promise<Float32Array> {
  const logits = await engine(window);
  if (!facts.segmenter.mirror_axes.length) return logits;
  const other = mirrored(await engine(mirrored(window)));
  return logits.map((value, n) => (value + other[n]!) / 2);
}

/** Maps (y, x), one after the other, mirrored. */
function mirrored(maps: Float32Array): Float32Array {
  const [height, width] = facts.segmenter.patch_size;
  const [vertical, horizontal] = [0, 1].map((axis) => facts.segmenter.mirror_axes.includes(axis));
  return maps.map((_, n) => {
    const [x, y] = [n % width, Math.floor(n / width) % height];
    const row = vertical ? height - 1 - y : y;
    return maps[n - y * width - x + row * width + (horizontal ? width - 1 - x : x)]!;
  });
}

/** The class with the highest logit on a grid of a shape and spacing (z, y, x). */
function labelMap(logits: Box[], shape: Triple, spacing: Triple): Uint8Array {
  const best = new Float32Array(shape[1] * shape[2]).fill(-Infinity);
  const label = new Uint8Array(best.length);
  logits.forEach((channel, number) => {
    const { values } = resample(channel, shape, targetSpacing(spacing), spacing, facts.segmenter.interpolation.logits);
    values.forEach((value, n) => {
      if (value <= best[n]!) return;
      best[n] = value;
      label[n] = number;
    });
  });
  return label;
}

/** Calls back with every pixel of a slice that lies in a window, and its place there. */
function eachPixel(
  [, rows, columns]: Triple,
  [height, width]: [number, number],
  top: number,
  left: number,
  visit: (pixel: number, inWindow: number) => void,
): void {
  for (let y = Math.max(0, -top); y < Math.min(height, rows - top); y++) {
    for (let x = Math.max(0, -left); x < Math.min(width, columns - left); x++) {
      visit((top + y) * columns + left + x, y * width + x);
    }
  }
}
