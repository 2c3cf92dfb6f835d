/** Size and place of the labelled structures, and which ear is which: twin of `tanq_monai/anatomy/measured.py`. */

import { facts } from "../facts.ts";
import { type Grid, type Triple, edgesOf, orientationOf } from "../scans/grid.ts";
import { indexOf, placeOf } from "./components.ts";

const TWO_SIDED = 30; // mm: cochlea voxels that reach farther than this belong to two ears
const APART = 69.5; // mm: between a patient's cochleae

/** Volume, mm3; extent left-right, front-back and up-down, mm; mean position. */
export interface Structure {
  volume: number;
  extent: Triple;
  center: Triple;
}

/** The structures of a label, null where one is not labelled, and the side of the VS. */
export interface Anatomy {
  vs: Structure | null;
  right: Structure | null;
  left: Structure | null;
  side: "right" | "left" | null;
}

/** Voxels (i fastest) of the VS, all its parts, and of the cochleae. */
export function structureMasks(labels: Uint8Array): { vs: number[]; cochlea: number[] } {
  const { classes } = facts.segmenter;
  const parts = new Set(Object.keys(classes).filter((name) => /^VS(?![A-Za-z])/.test(name)).map((name) => classes[name]!));
  const masks = { vs: [] as number[], cochlea: [] as number[] };
  labels.forEach((value, voxel) => {
    if (parts.has(value)) masks.vs.push(voxel);
    else if (value === classes["cochlea"]) masks.cochlea.push(voxel);
  });
  return masks;
}

/** Measures what is labelled; a single cochlea is on the side away from which the VS lies, else on that of its half. */
export function findAnatomy(vs: number[], cochlea: number[], grid: Grid): Anatomy {
  const tumor = measure(vs, grid);
  const across = (voxel: number) => placeOf(indexOf(voxel, grid), grid)[0];
  const [low, high] = cochlea.reduce(([l, h], one) => [Math.min(l, across(one)), Math.max(h, across(one))], [Infinity, -Infinity]);
  let [right, left]: [Structure | null, Structure | null] = [null, null];
  if (high - low > TWO_SIDED) {
    const middle = (low + high) / 2;
    right = measure(cochlea.filter((one) => across(one) > middle), grid);
    left = measure(cochlea.filter((one) => across(one) <= middle), grid);
  } else if (cochlea.length) {
    const ear = measure(cochlea, grid)!;
    const middle = placeOf(grid.shape.map((n) => (n - 1) / 2) as Triple, grid)[0];
    if (ear.center[0] > (tumor?.center[0] ?? middle)) right = ear;
    else left = ear;
  }
  return { vs: tumor, right, left, side: sideOf(tumor, right, left) };
}

/** Of the tumor: that of the nearer cochlea. */
function sideOf(vs: Structure | null, right: Structure | null, left: Structure | null): "right" | "left" | null {
  const ears = earsOf(right, left);
  if (!vs || !ears) return null;
  const [toRight, toLeft] = ears.map((ear) => Math.abs(vs.center[0] - ear[0])) as [number, number];
  return toRight < toLeft ? "right" : "left";
}

/** Places of the right and left cochlea; one that has no label lies opposite the other. Null without any. */
export function earsOf(right: Structure | null, left: Structure | null): [Triple, Triple] | null {
  const aside = ([x, y, z]: Triple, mm: number): Triple => [x + mm, y, z];
  if (right) return [right.center, left?.center ?? aside(right.center, -APART)];
  return left && [aside(left.center, APART), left.center];
}

function measure(voxels: number[], grid: Grid): Structure | null {
  if (!voxels.length) return null;
  const low: Triple = [Infinity, Infinity, Infinity];
  const high: Triple = [-Infinity, -Infinity, -Infinity];
  const mean: Triple = [0, 0, 0];
  for (const voxel of voxels) {
    indexOf(voxel, grid).forEach((value, axis) => {
      low[axis] = Math.min(low[axis]!, value);
      high[axis] = Math.max(high[axis]!, value);
      mean[axis]! += value / voxels.length;
    });
  }
  const edges = edgesOf(grid.affine);
  const extent: Triple = [0, 0, 0];
  orientationOf(grid.affine).axis.forEach((axis, n) => {
    extent[axis] = (high[n]! - low[n]! + (axis === 2 ? 0 : 1)) * edges[n]!; // across slices from middle to middle
  });
  return { volume: voxels.length * edges[0] * edges[1] * edges[2], extent, center: placeOf(mean, grid) };
}
