/** The one way from dropped files to voxels: twin of `tanq_monai/scans/volume.py`. */

import { InputError } from "../errors.ts";
import { general } from "../numerals.ts";
import { percentile } from "../statistics.ts";
import { affineOf, slicesOf, voxelsOf } from "./dicom.ts";
import { isDicom } from "./dicom_header.ts";
import { type Grid, inScanner } from "./grid.ts";
import { checkName, isNifti } from "./naming.ts";
import { type Voxels, checkAffine, readNifti } from "./nifti.ts";

const SAMPLED = 200_000; // voxels by which the range of a scan is judged
const OUTLIER = 1e4; // times what all but a hundredth of the voxels are
const FAINTEST = 1e-6; // of the largest magnitude: single precision holds its square
const BRIGHTEST = 1e12;

/** A dropped file: where it lay, and what it holds. */
export interface Dropped {
  path: string;
  file: Blob;
}

export interface Volume {
  /** i fastest; finite, not all alike. */
  voxels: Voxels;
  grid: Grid;
}

/** The scan in dropped files: one NIfTI file, or a folder that holds one DICOM series. */
export async function readVolume(dropped: Dropped[]): Promise<Volume> {
  const path = pathOf(dropped);
  const [one] = dropped as [Dropped];
  let volume: Volume;
  if (path === one.path) {
    checkName(path);
    if (isDicom(path, new Uint8Array(await one.file.slice(0, 132).arrayBuffer()))) {
      throw new InputError(path, "is one DICOM file", "give the folder of its series");
    }
    volume = await readNifti(path, one.file);
  } else {
    const slices = await slicesOf(path, dropped);
    const [rows, columns] = slices[0]!.size;
    volume = { voxels: voxelsOf(slices), grid: inScanner([columns, rows, slices.length], affineOf(slices)) };
    checkAffine(path, volume.grid.affine, volume.grid.shape);
  }
  checkVoxels(path, volume.voxels);
  return volume;
}

/** What dropped files are called together: the file, or the folder that they lie in. */
export function pathOf(dropped: Dropped[]): string {
  const [one, ...others] = dropped.map(({ path }) => path) as [string, ...string[]];
  const folder = one.split("/")[0]!;
  if (folder !== one) {
    if (others.every((other) => other.startsWith(`${folder}/`))) return folder;
    throw new InputError(`${dropped.length} files`, "lie in several folders", "give one");
  }
  if (!others.length) return one;
  if ([one, ...others].some(isNifti)) throw new InputError(`${dropped.length} files`, "are several scans", "give one");
  return `${dropped.length} files`;
}

function checkVoxels(path: string, voxels: Voxels): void {
  let [low, high, broken] = [Infinity, -Infinity, 0];
  for (const value of voxels) {
    if (!Number.isFinite(value)) broken++;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (broken) throw new InputError(path, `has ${broken} NaN or infinite voxels`, "replace them, e.g. by 0");
  if (low === high) {
    throw new InputError(path, `shows nothing: all its voxels are ${general(low)}`, "export or copy it again");
  }
  if (high <= 0) {
    const problem = `shows nothing above 0: its voxels are from ${general(low)} to ${general(high)}`;
    throw new InputError(path, problem, "export it again");
  }
  const usual = usualMagnitude(voxels);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  if (usual && largest > OUTLIER * usual) {
    const range = `has voxels from ${general(low)} to ${general(high)}`;
    throw new InputError(path, `${range}, while nearly all of them are below ${general(usual)}`, "replace those outside");
  }
  if (!(largest >= FAINTEST && largest <= BRIGHTEST)) {
    const problem = `has voxels from ${general(low)} to ${general(high)}`;
    throw new InputError(path, problem, "scale it to the usual hundreds or thousands");
  }
}

/** Percentile 99 of the magnitudes that are not 0, of a sample; 0 where it has none. */
function usualMagnitude(voxels: Voxels): number {
  const step = Math.max(1, Math.floor(voxels.length / SAMPLED));
  const sample: number[] = [];
  for (let n = 0; n < voxels.length; n += step) if (voxels[n]) sample.push(Math.abs(voxels[n]!));
  if (!sample.length) return 0;
  return percentile(Float64Array.from(sample), 0.99);
}
