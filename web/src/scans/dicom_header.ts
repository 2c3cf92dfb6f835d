/** Attributes of a DICOM file by their keywords, as pydicom has them; the file is parsed by dicom-parser. */

import { type DataSet, parseDicom } from "dicom-parser";
import { InputError } from "../errors.ts";
import { facts } from "../facts.ts";

const EXPLICIT = "1.2.840.10008.1.2.1"; // little endian, as what follows
const IMPLICIT = "1.2.840.10008.1.2";
const NUMBERS = ["DS", "IS", "FD", "FL", "US", "SS", "UL", "SL"];
// Of binary numbers: how many bytes each has, and how it is read.
const BINARY = {
  US: [2, "uint16"],
  SS: [2, "int16"],
  UL: [4, "uint32"],
  SL: [4, "int32"],
  FL: [4, "float"],
  FD: [8, "double"],
} as const;

export class Header {
  /** @param laid header of a slice over that of an enhanced file: what is found there counts, the first one first. */
  constructor(
    readonly data: DataSet,
    private readonly laid: DataSet[] = [],
    private readonly renamed: Record<string, string> = {},
  ) {}

  /** What an attribute says, as it is written; nothing where it is absent or empty. */
  values(keyword: string): string[] {
    const { tag, vr } = attributeOf(keyword);
    for (const group of this.laid) {
      for (const one of [keyword, this.renamed[keyword]]) {
        const found = one ? valuesOf(group, attributeOf(one).tag, attributeOf(one).vr) : [];
        if (found.length) return found;
      }
    }
    return valuesOf(this.data, tag, vr);
  }

  /** As {@link values}; one of numbers that holds something else says nothing. */
  said(keyword: string): string[] {
    const values = this.values(keyword);
    const isNumber = (value: string) => value.trim() !== "" && Number.isFinite(Number(value));
    return !NUMBERS.includes(attributeOf(keyword).vr) || values.every(isNumber) ? values : [];
  }

  /** The first value, or nothing in particular. */
  text(keyword: string): string {
    return this.values(keyword)[0] ?? "";
  }

  /** The items of a sequence. */
  items(keyword: string): DataSet[] {
    return itemsOf(this.data, keyword);
  }
}

/** The items of a sequence in a part of a file. */
export function itemsOf(data: DataSet, keyword: string): DataSet[] {
  const items = data.elements[attributeOf(keyword).tag]?.items ?? [];
  return items.map((item) => item.dataSet).filter((one) => one !== undefined);
}

/** Group and element of an attribute as dicom-parser writes them, and its kind. */
export function attributeOf(keyword: string): { tag: string; vr: string } {
  return facts.attributes[keyword]!;
}

/** Whether bytes begin as a DICOM file does, with its preamble or without. */
export function isDicom(path: string, head: Uint8Array): boolean {
  if (path.slice(path.lastIndexOf("/") + 1).startsWith(".")) return false;
  return hasPreamble(head) || beginsWithTag(head);
}

/** What a file says; throws an InputError when it cannot be read. */
export function readHeader(path: string, bytes: Uint8Array): Header {
  try {
    const syntax = letters(bytes) ? EXPLICIT : IMPLICIT;
    return new Header(hasPreamble(bytes) ? parseDicom(bytes) : parseDicom(bytes, { TransferSyntaxUID: syntax }));
  } catch (error) {
    const { exception } = error as { exception?: string };
    const reason = exception ?? (error instanceof Error ? error.message : String(error));
    throw new InputError(path, `cannot be read as DICOM (${reason.split("\n")[0]})`, "copy it again");
  }
}

function valuesOf(data: DataSet, tag: string, vr: string): string[] {
  const element = data.elements[tag];
  if (!element || !element.length) return [];
  if (vr in BINARY) {
    const [size, read] = BINARY[vr as keyof typeof BINARY];
    return Array.from({ length: Math.floor(element.length / size) }, (_, n) => String(data[read](tag, n)));
  }
  const text = data.string(tag)?.replace(/[\0 ]+$/, "") ?? "";
  return text === "" ? [] : text.split("\\").map((value) => value.trim());
}

function hasPreamble(head: Uint8Array): boolean {
  return String.fromCharCode(...head.subarray(128, 132)) === "DICM";
}

/** A first tag of group 2 or 8, a small element, then letters (explicit) or a length. */
function beginsWithTag(head: Uint8Array): boolean {
  if (head.length < 132 || ![2, 8].includes(head[0]!) || head[1] !== 0 || head[3] !== 0) return false;
  return letters(head) || new DataView(head.buffer, head.byteOffset).getUint32(4, true) <= 64;
}

function letters(head: Uint8Array): boolean {
  return /^[A-Z]{2}$/.test(String.fromCharCode(head[4]!, head[5]!));
}
