/** What the name of a file says: twin of `tanq_monai/scans/naming.py`. */

import { InputError } from "../errors.ts";
import { facts } from "../facts.ts";

const ENDINGS = [".nii.gz", ".nii"];

/** Whether a file is a NIfTI file by its name; `._` files of macOS are none. */
export function isNifti(path: string): boolean {
  const name = nameOf(path);
  return ENDINGS.some((ending) => name.toLowerCase().endsWith(ending)) && !name.startsWith(".");
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The name without the ending of a NIfTI file. */
export function stem(path: string): string {
  const name = nameOf(path);
  const ending = ENDINGS.find((one) => name.toLowerCase().endsWith(one)) ?? "";
  return name.slice(0, name.length - ending.length);
}

/** `crossmoda2021_ldn_7` of `.../crossmoda2021_ldn_7_hrT2.nii.gz`; of a DICOM folder its name. */
export function caseOf(path: string): string {
  const name = stem(path);
  const at = name.lastIndexOf("_");
  const suffixes = [...facts.suffixes.own, "ceT1", "Label", "0000"];
  return at > 0 && suffixes.includes(name.slice(at + 1)) ? name.slice(0, at) : name;
}

/** Throws when the name of a file ends as those of results or of another contrast do; other names may be any. */
export function checkName(path: string): void {
  const own: string[] = facts.suffixes.own;
  const others = facts.suffixes.known.filter((one) => !own.includes(one)).map((one) => one.toLowerCase());
  const named = stem(path);
  if (others.includes(named.slice(named.lastIndexOf("_") + 1).toLowerCase())) {
    const contrast = facts.segmenter.modality;
    throw new InputError(
      path,
      `is no ${contrast} by its name`,
      `give ${contrast}, or its right name to a file of it`,
    );
  }
}
