/** What the header of a DICOM file says of its slices: twin of `tanq_monai/scans/dicom_slices.py`. */

import type { DataSet } from "dicom-parser";
import { InputError } from "../errors.ts";
import { float } from "../numerals.ts";
import { Header, itemsOf } from "./dicom_header.ts";
import type { Triple } from "./grid.ts";

export const EXPORT = "export it again as an MR series";
const OF_FRAMES = [
  "MRTimingAndRelatedParametersSequence",
  "MREchoSequence",
  "MRModifierSequence",
  "MRImageFrameTypeSequence",
  "PixelMeasuresSequence",
];
const GREY = "MONOCHROME2";
const RENAMED = { EchoTime: "EffectiveEchoTime", InversionTime: "InversionTimes", ImageType: "FrameType" };
const PLACES: Record<string, string> = {
  ImagePositionPatient: "PlanePositionSequence",
  ImageOrientationPatient: "PlaneOrientationSequence",
  PixelSpacing: "PixelMeasuresSequence",
  RescaleSlope: "PixelValueTransformationSequence",
  RescaleIntercept: "PixelValueTransformationSequence",
};

/** A slice as its header describes it: mm, LPS. */
export interface Slice {
  path: string;
  header: Header;
  /** Of an enhanced file, from 0; null: the file is the slice. */
  frame: number | null;
  number: number | null;
  position: Triple;
  /** Directions along a row and along a column. */
  orientation: [Triple, Triple];
  /** Between rows and between columns. */
  spacing: [number, number];
  /** Rows and columns. */
  size: [number, number];
  scaling: [slope: number, intercept: number];
}

/** The slice that a file is, or those that its frames are. */
export function slicesIn(path: string, header: Header): Slice[] {
  const [rows, columns, count] = ["Rows", "Columns", "NumberOfFrames"].map((word) => whole(path, header, word) ?? 0);
  const size: [number, number] = [rows!, columns!];
  const frames = header.items("PerFrameFunctionalGroupsSequence");
  if (!frames.length) {
    if (count! > 1) {
      const remedy = "export it again as enhanced MR or as single slices";
      throw new InputError(path, "holds frames without positions", remedy);
    }
    return [sliceOf(path, header, null, size, numberOf(path, header), header)];
  }
  if (frames.length !== count) {
    throw new InputError(path, `describes ${frames.length} frames and holds ${count}`, EXPORT);
  }
  const [shared] = header.items("SharedFunctionalGroupsSequence");
  const groups = (frame: DataSet) => (shared ? [frame, shared] : [frame]);
  const laid = groups(frames[0]!).flatMap((group) => OF_FRAMES.flatMap((word) => itemsOf(group, word).slice(0, 1)).reverse());
  const flat = new Header(header.data, laid, RENAMED);
  return frames.map((frame, n) => sliceOf(path, flat, n, size, n + 1, new Groups(groups(frame))));
}

/** What an enhanced file says of one frame: its own functional groups come before those of all frames. */
class Groups {
  constructor(private readonly groups: DataSet[]) {}

  values(keyword: string): string[] {
    for (const group of this.groups) {
      const [found] = itemsOf(group, PLACES[keyword]!);
      if (found) return new Header(found).values(keyword);
    }
    return [];
  }
}

type Saying = Pick<Header, "values">;

function sliceOf(
  path: string,
  header: Header,
  frame: number | null,
  size: [number, number],
  number: number | null,
  said: Saying,
): Slice {
  const [position, directions, spacing] = ([["ImagePositionPatient", 3], ["ImageOrientationPatient", 6], ["PixelSpacing", 2]] as const).map(
    ([keyword, count]) => {
      const found = numbers(path, said, keyword);
      if (found.length !== count) {
        throw new InputError(path, `has ${found.length} numbers as ${keyword}, not ${count}`, EXPORT);
      }
      return found;
    },
  ) as [Triple, number[], [number, number]];
  if (Math.min(...size) < 1) throw new InputError(path, "holds no pixels", EXPORT);
  const scaling: [number, number] = [numbers(path, said, "RescaleSlope")[0] ?? 1, numbers(path, said, "RescaleIntercept")[0] ?? 0];
  if (scaling[0] === 0) throw new InputError(path, "has a RescaleSlope of 0, which leaves nothing of its pixels", EXPORT);
  const look = header.text("PhotometricInterpretation") || GREY;
  if (look !== GREY) {
    throw new InputError(path, `has pixels in ${look}, not grey values that grow brighter (${GREY})`, EXPORT);
  }
  const orientation = [directions.slice(0, 3), directions.slice(3)] as [Triple, Triple];
  const dot = (one: Triple, other: Triple) => one.reduce((sum, value, axis) => sum + value * other[axis]!, 0);
  const off = [dot(orientation[0], orientation[0]) - 1, dot(orientation[1], orientation[1]) - 1, dot(...orientation)];
  if (off.some((one) => Math.abs(one) > 0.01)) {
    throw new InputError(path, "has an ImageOrientationPatient that is no two directions at right angles", EXPORT);
  }
  if (Math.min(...spacing) <= 0) {
    throw new InputError(path, `has a PixelSpacing of [${spacing.map(float).join(", ")}] mm`, EXPORT);
  }
  return { path, header, frame, number, position, orientation, spacing, size, scaling };
}

/** InstanceNumber; an ill-formed one is none, since positions decide. */
function numberOf(path: string, header: Header): number | null {
  try {
    return whole(path, header, "InstanceNumber");
  } catch {
    return null;
  }
}

function whole(path: string, header: Header, keyword: string): number | null {
  const [found] = numbers(path, header, keyword);
  return found === undefined ? null : Math.trunc(found);
}

/** The values of an attribute; none where it is absent or empty. */
function numbers(path: string, said: Saying, keyword: string): number[] {
  const values = said.values(keyword);
  const found = values.map((value) => (value === "" ? NaN : Number(value)));
  if (found.some((value, n) => Number.isNaN(value) && !/^nan$/i.test(values[n]!))) {
    const odd = values.find((value) => Number.isNaN(Number(value)) || value === "")!;
    throw new InputError(path, `has a ${keyword} that is no number (could not convert string to float: '${odd}')`, EXPORT);
  }
  if (!found.every(Number.isFinite)) throw new InputError(path, `has a ${keyword} that is no finite number`, EXPORT);
  return found;
}
