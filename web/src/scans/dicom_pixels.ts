/** The pixels of a slice: as stored, or JPEG lossless by jpeg-lossless-decoder-js. */

import { type Element, createJPEGBasicOffsetTable, readEncapsulatedImageFrame, readEncapsulatedPixelDataFromFragments } from "dicom-parser";
import { Decoder } from "jpeg-lossless-decoder-js";
import { InputError } from "../errors.ts";
import { EXPORT, type Slice } from "./dicom_slices.ts";
import type { Voxels } from "./nifti.ts";

const PLAIN = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"];
const BIG_ENDIAN = "1.2.840.10008.1.2.2";
const JPEG_LOSSLESS = ["1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"];
const KINDS = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [Uint32Array, Int32Array] } as const;

/** (rows, columns), the columns fastest, as stored. */
export function pixelsOf(one: Slice): Voxels {
  const data = one.header.data;
  const element = data.elements["x7fe00010"];
  const bits = data.uint16("x00280100") as keyof typeof KINDS;
  const samples = data.uint16("x00280002") ?? 1;
  const [rows, columns] = one.size;
  if (!element || !(bits in KINDS)) throw unreadable(one, "there are none");
  if (samples !== 1) {
    throw new InputError(one.path, `has pixels of shape (${rows}, ${columns}, ${samples}), not of one grey value each`, EXPORT);
  }
  const kind = KINDS[bits][data.uint16("x00280103") ? 1 : 0];
  const bytes = bytesOf(one, element, (rows * columns * bits) / 8);
  if (bytes.length * 8 < rows * columns * bits) throw unreadable(one, "they are cut off");
  return new kind(bytes.slice().buffer, 0, rows * columns);
}

function bytesOf(one: Slice, element: Element, length: number): Uint8Array {
  const data = one.header.data;
  const syntax = data.string("x00020010")?.replace(/\0$/, "") || PLAIN[1]!;
  const frame = one.frame ?? 0;
  const { byteArray } = data;
  if (PLAIN.includes(syntax) || syntax === BIG_ENDIAN) {
    const start = element.dataOffset + frame * length;
    const bytes = byteArray.slice(start, Math.min(start + length, element.dataOffset + element.length)) as Uint8Array;
    return syntax === BIG_ENDIAN ? swapped(bytes, data.uint16("x00280100")! / 8) : bytes;
  }
  if (!JPEG_LOSSLESS.includes(syntax)) throw unreadable(one, `they are compressed as ${syntax}`);
  try {
    const packed = element.basicOffsetTable?.length
      ? readEncapsulatedImageFrame(data, element, frame)
      : one.frame === null
        ? readEncapsulatedPixelDataFromFragments(data, element, 0, element.fragments!.length)
        : readEncapsulatedImageFrame(data, element, frame, createJPEGBasicOffsetTable(data, element));
    const decoded = new Decoder().decode(packed.slice().buffer);
    return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength);
  } catch (error) {
    throw unreadable(one, error instanceof Error ? error.message : String(error));
  }
}

function unreadable(one: Slice, reason: string): InputError {
  return new InputError(one.path, `has no pixels that can be read (${reason})`, "store it uncompressed");
}

function swapped(bytes: Uint8Array, size: number): Uint8Array {
  for (let start = 0; size > 1 && start < bytes.length; start += size) bytes.subarray(start, start + size).reverse();
  return bytes;
}
