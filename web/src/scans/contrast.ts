/** Which contrast a series is of, by the rules of contrast.yaml: twin of `tanq_monai/scans/contrast.py`. */

import { InputError } from "../errors.ts";
import { type Conditions, facts } from "../facts.ts";
import type { Header } from "./dicom_header.ts";

const HOLDS: Record<string, (values: string[], wanted: string[]) => boolean> = {
  has: (values, wanted) => values.some((value) => wanted.includes(value)),
  lacks: (values, wanted) => !values.some((value) => wanted.includes(value)),
  at_least: (values, [wanted]) => values.length > 0 && Math.min(...values.map(Number)) >= Number(wanted),
  at_most: (values, [wanted]) => values.length > 0 && Math.max(...values.map(Number)) <= Number(wanted),
  unlike: (values, [wanted]) => !values.some((value) => new RegExp(wanted!, "i").test(value)),
};
const WORDS: Record<string, string> = {
  has: "one of",
  lacks: "without",
  at_least: "at least",
  at_most: "at most",
  unlike: "unlike",
};

/** Throws when what a header says speaks against the contrast; what it does not say is not held against it. */
export function checkContrast(header: Header, path: string): void {
  const always = failed(header, facts.contrast.always);
  const looks = Object.values(facts.contrast.looks).map((conditions) => failed(header, conditions));
  if (!always.length && looks.some((against) => !against.length)) return;
  const fewest = looks.reduce((best, one) => (one.length < best.length ? one : best));
  const contrast = facts.segmenter.modality;
  const remedy = `give a series of ${contrast}; if you know that it is one, give it as a NIfTI file`;
  throw new InputError(path, `is no ${contrast} by its header (${(always.length ? always : fewest)[0]})`, remedy);
}

/** What does not hold of the conditions on attributes that are there, e.g. `EchoTime 2.97, not at least 80`. */
function failed(header: Header, conditions: Conditions): string[] {
  return Object.entries(conditions).flatMap(([keyword, condition]) => {
    const values = header.said(keyword);
    const against = Object.entries(condition).filter(([how, wanted]) => !HOLDS[how]!(values, wanted));
    const told = (one: string[]) => one.join("\\");
    return values.length ? against.map(([how, wanted]) => `${keyword} ${told(values)}, not ${WORDS[how]} ${told(wanted)}`) : [];
  });
}
