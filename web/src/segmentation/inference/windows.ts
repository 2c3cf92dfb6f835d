/** Where nnU-Net's sliding windows lie, and how they are weighted: twin of `tanq_monai/segmentation/inference/windows.py`. */

import { roundEven } from "../../numerals.ts";

export const OVERLAP = 0.5; // of neighbouring windows

/** Where windows start along an axis, evenly spread. */
export function windowStarts(size: number, width: number): number[] {
  const count = Math.ceil((size - width) / (width * (1 - OVERLAP))) + 1;
  return Array.from({ length: count }, (_, n) => roundEven(n * ((size - width) / Math.max(count - 1, 1))));
}

/** A Gaussian (y, x) of standard deviation window / 8 round pixel window // 2, maximum 10, nowhere 0. */
export function gaussianWeight([rows, columns]: [number, number]): Float32Array {
  const [down, across] = [profile(rows), profile(columns)];
  const peak = Math.max(...down) * Math.max(...across);
  const weight = new Float32Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      weight[y * columns + x] = half(Math.fround((down[y]! * across[x]!) / (peak / 10)));
    }
  }
  const least = weight.reduce((low, value) => (value > 0 && value < low ? value : low), Infinity);
  return weight.map((value) => value || least);
}

/** Pixels that are missing to a window before a row of a size, and how long it is with those after it, too. */
export function paddingTo(size: number, width: number): { before: number; whole: number } {
  return { before: Math.floor(Math.max(0, width - size) / 2), whole: Math.max(size, width) };
}

/** A Gaussian round the middle of an axis, cut off at four standard deviations. */
function profile(size: number): Float64Array {
  const deviation = size / 8;
  const reach = Math.floor(4 * deviation + 0.5);
  const at = (distance: number) => Math.exp((-0.5 * distance * distance) / (deviation * deviation));
  let total = 0;
  for (let n = -reach; n <= reach; n++) total += at(n);
  return Float64Array.from({ length: size }, (_, n) => {
    const distance = n - Math.floor(size / 2);
    return Math.abs(distance) <= reach ? at(distance) / total : 0;
  });
}

/** The nearest number of 16 bits, in which nnU-Net has its weights. */
function half(value: number): number {
  const step = 2 ** (Math.max(Math.floor(Math.log2(value || 1)), -14) - 10);
  return roundEven(value / step) * step;
}
