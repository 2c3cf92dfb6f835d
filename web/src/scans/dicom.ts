/** DICOM series: its slices, their order, their pixels: twin of `tanq_monai/scans/dicom.py`. Axes: i columns, j rows. */

import { InputError } from "../errors.ts";
import { checkContrast } from "./contrast.ts";
import { type Header, isDicom, readHeader } from "./dicom_header.ts";
import { pixelsOf } from "./dicom_pixels.ts";
import { type Slice, slicesIn } from "./dicom_slices.ts";
import type { Affine, Triple } from "./grid.ts";
import type { Voxels } from "./nifti.ts";
import type { Dropped } from "./volume.ts";

const STORAGE = "1.2.840.10008.5.1.4.1.1.";
// SOP classes, by how their UIDs begin, of what lies beside slices.
const NO_SLICES = ["1.2.840.10008.1.3.10", ...["11.", "88.", "66", "104.", "481."].map((n) => STORAGE + n)];

/** The slices of the one series among dropped files, in their order. */
export async function slicesOf(folder: string, files: Dropped[]): Promise<Slice[]> {
  const series = await seriesAmong([...files].sort(byPath));
  if (series.size > 1) {
    throw new InputError(folder, `holds ${series.size} DICOM series`, "give every series a folder of its own");
  }
  const slices = inOrder([...series.values()][0] ?? [], folder);
  checkContrast(slices[0]!.header, folder);
  return slices;
}

/** Voxel (i, j, k) to mm, RAS, of slices in their order. */
export function affineOf(slices: Slice[]): Affine {
  const [first, last] = [slices[0]!, slices.at(-1)!];
  const [betweenRows, betweenColumns] = first.spacing;
  const rows = [0, 1, 2].map((axis) => [
    first.orientation[0][axis]! * betweenColumns,
    first.orientation[1][axis]! * betweenRows,
    (last.position[axis]! - first.position[axis]!) / (slices.length - 1),
    first.position[axis]!,
  ]);
  const signs = [-1, -1, 1]; // DICOM is LPS
  return [...rows.map((row, axis) => row.map((value) => signs[axis]! * value + 0)), [0, 0, 0, 1]];
}

/** (i, j, k), i fastest, of slices in their order; scaled, where they say how. */
export function voxelsOf(slices: Slice[]): Voxels {
  const isScaled = slices.some(({ scaling: [slope, intercept] }) => slope !== 1 || intercept !== 0);
  let voxels: Voxels | null = null;
  const [rows, columns] = slices[0]!.size;
  for (const [k, one] of slices.entries()) {
    const plane = pixelsOf(one);
    if (!voxels) {
      const kind = (isScaled ? Float32Array : plane.constructor) as new (length: number) => Voxels;
      voxels = new kind(slices.length * rows * columns);
    }
    const [slope, intercept] = one.scaling;
    const scaled = isScaled
      ? Float32Array.from(plane, (value) => Math.fround(value * Math.fround(slope)) + Math.fround(intercept))
      : plane;
    voxels.set(scaled, k * rows * columns);
  }
  return voxels!;
}

async function seriesAmong(files: Dropped[]): Promise<Map<string, [string, Header][]>> {
  const series = new Map<string, [string, Header][]>();
  const others: string[] = [];
  for (const { path, file } of files) {
    if (!isDicom(path, new Uint8Array(await file.slice(0, 132).arrayBuffer()))) {
      others.push(path);
      continue;
    }
    const header = readHeader(path, new Uint8Array(await file.arrayBuffer()));
    const kind = header.text("SOPClassUID") || header.text("MediaStorageSOPClassUID");
    if (NO_SLICES.some((start) => kind.startsWith(start))) continue;
    const uid = header.text("SeriesInstanceUID");
    if (!uid) {
      throw new InputError(path, "says of no series that it belongs to, perhaps it is cut off", "copy it again");
    }
    series.set(uid, [...(series.get(uid) ?? []), [path, header]]);
  }
  const called = new Set([...series.values()].flat().map(([path]) => butForNumbers(path)));
  const alike = others.find((path) => called.has(butForNumbers(path)));
  if (alike) throw new InputError(alike, "is called like the slices beside it and is no DICOM file", "copy it again");
  return series;
}

/** The slices of a series along their normal, in the direction that their numbers have, if these say one. */
function inOrder(files: [string, Header][], folder: string): Slice[] {
  const slices = files.flatMap(([path, header]) => slicesIn(path, header));
  const [first] = slices;
  if (!first || slices.length < 2) {
    throw new InputError(folder, `holds ${slices.length} DICOM slices`, "give the folder of one whole series");
  }
  const patients = new Set(slices.map(({ header }) => header.text("PatientID")).filter(Boolean));
  if (patients.size > 1) {
    throw new InputError(folder, `holds slices of ${patients.size} patients`, "give every series a folder of its own");
  }
  const turned = (one: Slice) => one.orientation.flat().some((v, n) => Math.abs(v - first.orientation.flat()[n]!) > 1e-3);
  if (slices.some(turned)) {
    throw new InputError(folder, "holds slices of several orientations", "give a series of parallel slices");
  }
  const resized = ({ size, spacing }: Slice) =>
    size.some((n, axis) => n !== first.size[axis]) ||
    spacing.some((mm, axis) => Math.abs(mm - first.spacing[axis]!) > 1e-8 + 1e-3 * Math.abs(first.spacing[axis]!));
  if (slices.some(resized)) {
    throw new InputError(folder, "holds slices of several sizes", "give a series of equal slices");
  }
  const normal = cross(...first.orientation);
  const ordered = slices.sort((one, other) => dot(normal, one.position) - dot(normal, other.position));
  const numbers = ordered.map(({ number }) => number);
  if (numbers.every((number, n) => number !== null && (n === 0 || number < numbers[n - 1]!))) ordered.reverse();
  const heights = ordered.map((one) => dot(cross(...one.orientation), one.position));
  const steps = heights.slice(1).map((height, n) => Math.abs(height - heights[n]!));
  const [low, high] = [Math.min(...steps), Math.max(...steps)];
  if (low <= 0 || high - low > 0.1 * median(steps)) {
    const problem = `has slice steps from ${low.toFixed(2)} to ${high.toFixed(2)} mm`;
    throw new InputError(folder, problem, "complete the series or remove doubled slices");
  }
  const beside = besideLine(ordered, heights);
  if (beside > 0.5 * Math.min(...first.spacing)) {
    const problem = `has slices up to ${beside.toFixed(1)} mm beside the line of the others`;
    throw new InputError(folder, problem, "export it again");
  }
  return ordered;
}

/** How far a slice is moved in its plane off the line from the first to the last one, mm. */
function besideLine(slices: Slice[], heights: number[]): number {
  const [first, last] = [slices[0]!.position, slices.at(-1)!.position];
  const reach = heights.at(-1)! - heights[0]!;
  const off = slices.map(({ position }, n) => {
    const share = (heights[n]! - heights[0]!) / reach;
    return Math.hypot(...position.map((value, axis) => value - first[axis]! - share * (last[axis]! - first[axis]!)));
  });
  return Math.max(...off);
}

/** The path with every number in the name the same. */
function butForNumbers(path: string): string {
  const cut = path.lastIndexOf("/") + 1;
  return path.slice(0, cut) + path.slice(cut).replace(/\d+/g, "0");
}

/** As Python orders paths: folder by folder. */
function byPath({ path: one }: Dropped, { path: other }: Dropped): number {
  const [a, b] = [one.replaceAll("/", "\0"), other.replaceAll("/", "\0")];
  return a < b ? -1 : a > b ? 1 : 0;
}

function median(values: number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function dot(one: Triple, other: Triple): number {
  return one[0] * other[0] + one[1] * other[1] + one[2] * other[2];
}

function cross([a, b, c]: Triple, [x, y, z]: Triple): Triple {
  return [b * z - c * y, c * x - a * z, a * y - b * x];
}
