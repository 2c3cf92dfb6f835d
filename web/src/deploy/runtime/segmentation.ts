/** The segmenter on a scan: twin of `tanq_monai/deploy/runtime/segmentation.py`. Plan space is z, y, x. */

import { facts } from "../../facts.ts";
import type { Triple } from "../../scans/grid.ts";
import type { Volume } from "../../scans/volume.ts";
import { gaussianWeight, paddingTo, windowStarts } from "../../segmentation/inference/windows.ts";
import { type Box, cropAndNormalize, neighbours, newShape, storedLabel, targetSpacing } from "../../segmentation/plan/space.ts";
import type { Engine } from "../engines/on_onnxruntime.ts";
import { resample } from "./resampling.ts";

/** The network's output for a slice (1, y, x) in the plan's pixels, computed somewhere: values of each class. */
export type Labeller = (slice: Box) => Promise<Float32Array[]>;

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
  const pixels = rows * columns;
  const logits: (Float32Array[] | undefined)[] = [];
  let [next, done, finished] = [0, 0, 0];
  const finish = () => {
    for (; finished < planes; finished++) {
      const counted = facts.segmenter.smooth_slices ? neighbours(finished, planes) : [[finished, 1] as [number, number]];
      if (!counted.every(([n]) => logits[n])) return;
      const mean = average(counted.map(([n, weight]) => [logits[n]!, weight]));
      const channels = mean.map((values) => ({ values, shape: [1, rows, columns] as Triple }));
      label.values.set(labelMap(channels, shape, spacing), finished * shape[1] * shape[2]);
      const first = counted[0]![0];
      if (first) logits[first - 1] = undefined; // no later slice counts it
    }
  };
  const work = async (labeller: Labeller) => {
    while (next < planes) {
      const z = next++;
      logits[z] = await labeller({ values: image.values.slice(z * pixels, (z + 1) * pixels), shape: [1, rows, columns] });
      finish();
      told(++done, planes);
    }
  };
  await Promise.all(labellers.map(work));
  return storedLabel(label, placement, stored);
}

/** What computes with an engine. */
export function labellerOf(engine: Engine): Labeller {
  const weight = gaussianWeight(facts.segmenter.patch_size);
  return (slice) => slidingWindow(engine, weight, slice);
}

/** The weighted mean of slices' outputs, class by class. */
function average(slices: [Float32Array[], number][]): Float32Array[] {
  return slices[0]![0].map((first, one) => {
    const mean = new Float32Array(first.length);
    for (const [classes, weight] of slices) {
      const values = classes[one]!;
      for (let pixel = 0; pixel < mean.length; pixel++) mean[pixel]! += weight * values[pixel]!;
    }
    return mean;
  });
}

/** Gaussian-weighted mean of the logits of overlapping windows, each as it is and mirrored: (y, x) of each class. */
async function slidingWindow(engine: Engine, weight: Float32Array, slice: Box): Promise<Float32Array[]> {
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
  return total.map((values) => values.map((sum, pixel) => sum / weights[pixel]!));
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
