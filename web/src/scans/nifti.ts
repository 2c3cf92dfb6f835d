/** NIfTI files, read and written by nifti-reader-js: twin of `tanq_monai/scans/nifti.py`. */

import { NIFTI1, NIFTI2, Utils, isNIFTI, readHeader, readImage } from "nifti-reader-js";
import { InputError } from "../errors.ts";
import { general, tuple } from "../numerals.ts";
import { type Affine, type Grid, type Placing, type Triple, edgesOf, rotationOf } from "./grid.ts";

export type Voxels =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

const MIN_EDGE = 0.01; // mm, of a voxel of a head
const MAX_EDGE = 50;
const MAX_EXTENT = 600; // mm, of a field of view with a head in it
const MAX_OFFSET = 1e5; // mm, from the origin
const SAME = 0.1; // of the smallest voxel edge: what lies closer is in one place
const MAX_COSINE = 0.1; // of two axes: 6 degrees off the right angle
const GZIP = 1032; // bytes that one byte of a gzip file holds at most
const IN_MM = "give it an affine in mm";
const UNITS = ["unknown", "meter", "mm", "micron"];

const ARRAYS = {
  2: Uint8Array,
  4: Int16Array,
  8: Int32Array,
  16: Float32Array,
  64: Float64Array,
  256: Int8Array,
  512: Uint16Array,
  768: Uint32Array,
} as const;
const WIDE = { 1024: BigInt64Array, 1280: BigUint64Array } as const;
const COMPLEX = [32, 1792, 2048];
const COLOURS: Record<number, number> = { 128: 3, 2304: 4 };

/** The voxels (i fastest) of a file, scaled as its header says, and their grid. */
export async function readNifti(path: string, file: Blob): Promise<{ voxels: Voxels; grid: Grid }> {
  if (file.size === 0) throw new InputError(path, "is empty", "copy it again");
  const bytes = await unpacked(path, file);
  const header = headerIn(path, bytes);
  const shape = shapeOf(path, header);
  const array = arrayOf(path, header);
  checkContent(path, header, shape, file.size * (path.toLowerCase().endsWith(".gz") ? GZIP : 1));
  const placing = placingIn(header, bytes);
  const affine = affineOf(path, placing, shape);
  checkAffine(path, affine, shape);
  checkPixdim(path, header, placing, affine, shape);
  const unit = UNITS[header.xyzt_units & 7] ?? "an unknown unit";
  if (unit !== "mm" && unit !== "unknown") throw new InputError(path, `has a header in ${unit}`, "store it in mm");
  return { voxels: scaled(path, header, array(imageIn(path, header, bytes, shape))), grid: { shape, affine, placing } };
}

/** A NIfTI file, not packed, of voxels (i fastest) on a grid. */
export function writeNifti(voxels: Voxels, grid: Grid): ArrayBuffer {
  const header = new NIFTI1();
  const { placing, shape } = grid;
  header.littleEndian = true;
  header.dims = [3, ...shape, 1, 1, 1, 1];
  header.pixDims = [placing.qfac, ...placing.pixdim, 1, 1, 1, 1];
  header.datatypeCode = Number(Object.entries(ARRAYS).find(([, kind]) => voxels instanceof kind)![0]);
  header.numBitsPerVoxel = 8 * voxels.BYTES_PER_ELEMENT;
  header.vox_offset = 352;
  header.scl_slope = 1;
  header.scl_inter = 0;
  header.xyzt_units = placing.units;
  header.qform_code = placing.qformCode;
  header.sform_code = placing.sformCode;
  [header.quatern_b, header.quatern_c, header.quatern_d] = placing.quaternion;
  [header.qoffset_x, header.qoffset_y, header.qoffset_z] = placing.offset;
  header.affine = [...placing.srows, [0, 0, 0, 1]]; // which it writes as the rows of the sform
  header.magic = "n+1";
  const head = new Uint8Array(header.toArrayBuffer());
  const whole = new Uint8Array(head.length + voxels.byteLength);
  whole.set(head);
  whole.set(new Uint8Array(voxels.buffer as ArrayBuffer, voxels.byteOffset, voxels.byteLength), head.length);
  return whole.buffer;
}

/** Throws unless an affine puts voxels of a shape where a head can be. */
export function checkAffine(path: string, affine: Affine, shape: Triple): void {
  if (!affine.flat().every(Number.isFinite)) {
    throw new InputError(path, "has an affine with NaN or infinite numbers", IN_MM);
  }
  const edges = edgesOf(affine);
  if (!(Math.min(...edges) > MIN_EDGE && Math.max(...edges) < MAX_EDGE)) {
    throw new InputError(path, `has voxels of ${product(edges)} mm`, IN_MM);
  }
  const away = Math.max(...[0, 1, 2].map((row) => Math.abs(affine[row]![3]!)));
  if (away > MAX_OFFSET) throw new InputError(path, `lies ${general(away, 3)} mm away from the origin`, IN_MM);
  const extent = edges.map((edge, n) => edge * shape[n]!);
  if (Math.max(...extent) > MAX_EXTENT) throw new InputError(path, `spans ${product(extent)} mm`, IN_MM);
  const cosine = cosineOfAxes(affine);
  if (cosine > MAX_COSINE) {
    const problem = `has axes that are not at right angles (the cosine of two is ${cosine.toFixed(2)})`;
    throw new InputError(path, problem, "resample it to a grid without shear");
  }
}

async function unpacked(path: string, file: Blob): Promise<ArrayBuffer> {
  try {
    if (!path.toLowerCase().endsWith(".gz")) return await file.arrayBuffer();
    return await new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  } catch (error) {
    throw unreadable(path, String((error as Error).message || "it is cut off"));
  }
}

function headerIn(path: string, bytes: ArrayBuffer): NIFTI1 | NIFTI2 {
  if (!isNIFTI(bytes)) throw unreadable(path, "it has no header of one");
  try {
    return readHeader(bytes);
  } catch (error) {
    throw unreadable(path, (error as Error).message);
  }
}

function unreadable(path: string, reason: string): InputError {
  return new InputError(path, `cannot be read as NIfTI (${reason.split("\n")[0]!.replace(/\.$/, "")})`, "copy it again");
}

function shapeOf(path: string, header: NIFTI1 | NIFTI2): Triple {
  const shape = header.dims.slice(1, 1 + header.dims[0]!);
  if (shape.length !== 3) {
    throw new InputError(path, `has ${shape.length} dimensions ${tuple(shape)}`, "give one 3D volume per file");
  }
  return shape as Triple;
}

/** What makes numbers of bytes. */
function arrayOf(path: string, header: NIFTI1 | NIFTI2): (bytes: ArrayBuffer) => Voxels {
  const code = header.datatypeCode;
  if (code in COLOURS) {
    throw new InputError(path, `has ${COLOURS[code]} channels of colour`, "give one grey value per voxel");
  }
  if (COMPLEX.includes(code)) throw new InputError(path, "holds complex numbers", "give the magnitude");
  const size = header.numBitsPerVoxel / 8;
  if (code in ARRAYS) {
    const kind = ARRAYS[code as keyof typeof ARRAYS];
    return (bytes) => new kind(header.littleEndian ? bytes : swapped(bytes, size));
  }
  if (code in WIDE) {
    const kind = WIDE[code as keyof typeof WIDE];
    return (bytes) => Float64Array.from(new kind(header.littleEndian ? bytes : swapped(bytes, 8)), Number);
  }
  throw unreadable(path, `data code ${code} not supported`);
}

function checkContent(path: string, header: NIFTI1 | NIFTI2, shape: Triple, largest: number): void {
  const count = shape[0] * shape[1] * shape[2];
  if (count < 2) throw new InputError(path, `has ${count} voxels ${tuple(shape)}`, "give a volume");
  if (count * (header.numBitsPerVoxel / 8) > largest) {
    throw new InputError(path, `promises ${tuple(shape)} voxels, more than its file can hold`, "copy it again");
  }
}

function imageIn(path: string, header: NIFTI1 | NIFTI2, bytes: ArrayBuffer, shape: Triple): ArrayBuffer {
  const expected = (shape[0] * shape[1] * shape[2] * header.numBitsPerVoxel) / 8;
  const there = bytes.byteLength - header.vox_offset;
  if (there < expected) throw unreadable(path, `Expected ${expected} bytes, got ${there} bytes`);
  return readImage(header, bytes);
}

function placingIn(header: NIFTI1 | NIFTI2, bytes: ArrayBuffer): Placing {
  const small = header instanceof NIFTI1; // of which nifti-reader-js keeps the sform only where it is the better one
  const rows = new DataView(bytes);
  const row = (n: number) => [0, 1, 2, 3].map((m) => Utils.getFloatAt(rows, 280 + 16 * n + 4 * m, header.littleEndian));
  const flip = header.pixDims[0]!;
  return {
    qfac: flip === -1 || flip === 1 ? flip : 1,
    pixdim: header.pixDims.slice(1, 4) as Triple,
    units: header.xyzt_units,
    qformCode: header.qform_code,
    sformCode: header.sform_code,
    quaternion: [header.quatern_b, header.quatern_c, header.quatern_d],
    offset: [header.qoffset_x, header.qoffset_y, header.qoffset_z],
    srows: small ? [row(0), row(1), row(2)] : header.affine.slice(0, 3),
  };
}

/** The sform where it says something, else the qform, else the middle of the grid at 0 and x to the left. */
function affineOf(path: string, placing: Placing, shape: Triple): Affine {
  if (placing.qformCode && ![...placing.pixdim, ...placing.quaternion, ...placing.offset].every(Number.isFinite)) {
    throw new InputError(path, "has a qform with NaN or infinite numbers", "mend its header");
  }
  if (placing.sformCode) return [...placing.srows, [0, 0, 0, 1]];
  const edges = placing.pixdim.map(Math.abs) as Triple;
  if (!placing.qformCode) {
    const scales = [-edges[0], edges[1], edges[2]];
    const rows = scales.map((scale, n) => {
      const row = [0, 0, 0, (-scale * (shape[n]! - 1)) / 2];
      row[n] = scale;
      return row;
    });
    return [...rows, [0, 0, 0, 1]];
  }
  const rotation = rotationOf(placing.quaternion);
  const scales = [edges[0], edges[1], edges[2] * placing.qfac];
  return [...rotation.map((row, n) => [...row.map((v, m) => v * scales[m]!), placing.offset[n]!]), [0, 0, 0, 1]];
}

/** Throws where ITK, which takes voxel edges from pixdim whatever the affine says, puts voxels elsewhere. */
function checkPixdim(path: string, header: NIFTI1 | NIFTI2, placing: Placing, affine: Affine, shape: Triple): void {
  const stored = placing.pixdim;
  if (!stored.every(Number.isFinite)) {
    throw new InputError(path, "has voxel sizes (pixdim) that are NaN or infinite", "mend its header");
  }
  if (Math.min(...stored) < 0) {
    throw new InputError(path, `has voxel sizes (pixdim) of ${product(stored)} mm`, "mend its header");
  }
  const edges = edgesOf(affine);
  const beside = stored.map((edge, n) => Math.abs(edge - edges[n]!) * (shape[n]! - 1));
  if (header.qform_code <= 0 && Math.max(...beside) > SAME * Math.min(...edges)) {
    const problem = `has voxels of ${product(edges)} mm by its affine and ${product(stored)} mm by pixdim`;
    throw new InputError(path, problem, "mend its header, by the one that is right");
  }
}

function scaled(path: string, header: NIFTI1 | NIFTI2, voxels: Voxels): Voxels {
  const { scl_slope: slope, scl_inter: inter } = header;
  if (slope === 0 || !Number.isFinite(slope) || (slope === 1 && inter === 0)) return voxels;
  if (!Number.isFinite(inter)) throw unreadable(path, `Valid slope but invalid intercept ${inter}`);
  return Float64Array.from(voxels, (value) => value * slope + inter);
}

function cosineOfAxes(affine: Affine): number {
  const edges = edgesOf(affine);
  const cosine = (one: number, other: number) =>
    [0, 1, 2].reduce((sum, row) => sum + affine[row]![one]! * affine[row]![other]!, 0) / (edges[one]! * edges[other]!);
  return Math.max(Math.abs(cosine(0, 1)), Math.abs(cosine(0, 2)), Math.abs(cosine(1, 2)));
}

function swapped(bytes: ArrayBuffer, size: number): ArrayBuffer {
  const turned = new Uint8Array(bytes.slice(0));
  for (let start = 0; start < turned.length; start += size) turned.subarray(start, start + size).reverse();
  return turned.buffer;
}

function product(lengths: ArrayLike<number>): string {
  return Array.from(lengths, (length) => general(length, 3)).join(" x ");
}
