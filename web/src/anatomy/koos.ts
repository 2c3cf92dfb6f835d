/** The Koos grade of a VS, estimated from its label and the scan: twin of `tanq_monai/anatomy/koos.py`. Research only. */

import { roundEven } from "../numerals.ts";
import { type Grid, type Triple, determinant, edgesOf, inverseTransposed } from "../scans/grid.ts";
import type { Voxels } from "../scans/nifti.ts";
import type { Volume } from "../scans/volume.ts";
import { percentile } from "../statistics.ts";
import { indexOf, placeOf } from "./components.ts";
import type { Measured } from "./findings.ts";
import { beyond, findPorus } from "./porus.ts";
import { published } from "./published.ts";

const NEAR = 2; // mm from the VS to what it reaches
const REACHED = 30; // mm2 of its surface that something is so near to
const ABOUT = 15; // mm round the VS: there is its brightest fluid
const BRIGHTEST = 0.99; // of all voxels there
const ROUNDING = 1e-6; // voxels, of affines that lie aslant

/** What is told of the largest piece of the VS; nothing where there is no VS, or no cochlea beside it. */
export function estimateKoos({ vs, anatomy }: Measured, { voxels: scan, grid }: Volume): string {
  const porus = findPorus(anatomy);
  if (!porus || anatomy.vs!.volume < published.fragment_mm3) return "";
  const places = vs.map((voxel) => indexOf(voxel, grid));
  if (places.some((index) => index.some((value, axis) => value === 0 || value === grid.shape[axis]! - 1))) {
    return notGraded("the VS is cut off by the edge of the scan");
  }
  const fluid = percentile(around(places, scan, grid), BRIGHTEST);
  const grey = percentile(Float64Array.from(vs, (voxel) => scan[voxel]!), 0.5);
  if (fluid <= grey) return notGraded("no fluid about the VS is brighter");
  const outside = places.filter((index) => beyond(porus, placeOf(index, grid)) > 0);
  const isTissue = (voxel: number) => scan[voxel]! < (fluid + grey) / 2;
  const reached = reachedMm2(outside, new Set(vs), isTissue, grid, porus.medial);
  return `Koos ${reached >= REACHED ? "III or IV" : "I or II"}, estimated`;
}

function notGraded(reason: string): string {
  return `no Koos grade is estimated: ${reason}`;
}

/** How much of the medial surface has tissue near behind it, mm2. */
function reachedMm2(
  outside: Triple[],
  vs: Set<number>,
  isTissue: (voxel: number) => boolean,
  grid: Grid,
  medial: Triple,
): number {
  const inverse = inverseTransposed(grid.affine);
  const way = [0, 1, 2].map((column) => medial.reduce((sum, value, row) => sum + value * inverse[row]![column]!, 0));
  const step = 1 / Math.max(...way.map(Math.abs));
  const moved = (index: Triple, mm: number) => voxelAt(index.map((value, axis) => value + mm * way[axis]!) as Triple, grid);
  const ends = outside.filter((index) => !vs.has(moved(index, 1.01 * step) ?? -1));
  const near = ends.map((index) => moved(index, NEAR)).filter((voxel) => voxel !== null && isTissue(voxel));
  return (near.length * Math.abs(determinant(grid.affine))) / step;
}

/** The voxel nearest to an index between voxels; null beyond the edges. */
function voxelAt(index: Triple, { shape }: Grid): number | null {
  const [i, j, k] = index.map(roundEven) as Triple;
  const inside = [i, j, k].every((value, axis) => value >= 0 && value < shape[axis]!);
  return inside ? i + shape[0] * (j + shape[1] * k) : null;
}

/** The scan in the box of the VS and its surroundings. */
function around(places: Triple[], scan: Voxels, grid: Grid): Float64Array {
  const margin = edgesOf(grid.affine).map((edge) => Math.ceil(ABOUT / edge - ROUNDING));
  const low = [...grid.shape] as Triple;
  const high: Triple = [0, 0, 0];
  for (const place of places) {
    place.forEach((value, axis) => {
      low[axis] = Math.min(low[axis]!, Math.max(value - margin[axis]!, 0));
      high[axis] = Math.max(high[axis]!, Math.min(value + margin[axis]! + 1, grid.shape[axis]!));
    });
  }
  const values = new Float64Array(low.reduce((size, first, axis) => size * (high[axis]! - first), 1));
  let n = 0;
  for (let k = low[2]; k < high[2]; k++) {
    for (let j = low[1]; j < high[1]; j++) {
      for (let i = low[0]; i < high[0]; i++) values[n++] = scan[i + grid.shape[0] * (j + grid.shape[1] * k)]!;
    }
  }
  return values;
}
