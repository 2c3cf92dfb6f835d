/** What `scripts/web_assets.py` wrote of the segmenter, of anatomy and of the contrasts: nothing of it is typed here. */

import written from "../assets/facts.json";

/** Spline orders, see `segmentation/plan/splines.ts`. */
export interface Interpolation {
  order: number;
  order_z: number;
  separate_z: boolean | null;
}

/** What the ONNX file says of itself, see `tanq_monai/deploy/export.py`. */
export interface Properties {
  name: string;
  version: string;
  weights: string;
  modality: string;
  classes: Record<string, number>;
  /** mm: y, x. */
  spacing: [number, number];
  patch_size: [number, number];
  transpose: [number, number, number];
  orientation: string;
  /** Of the window (y, x), along which it is mirrored. */
  mirror_axes: number[];
  interpolation: { image: Interpolation; logits: Interpolation };
}

/** See `tanq_monai/anatomy/published.py`. */
export interface Published {
  geometry: Record<string, [number, number, number, number, number]>;
  apart: [number, number];
  canal_mm: number;
  fragment_mm3: number;
}

/** The bounds of `tanq_monai/anatomy/plausibility.py`. */
export interface Bounds {
  vs_to_cochlea_mm: [number, number];
  cochleae_apart_mm: [number, number];
  fragment_mm3: number;
  join_mm: number;
}

/** Comparisons of `tanq_monai/scans/contrast.yaml`, by keyword of DICOM; numbers are written as there. */
export type Conditions = Record<string, Record<string, string[]>>;

export interface Rule {
  always: Conditions;
  looks: Record<string, Conditions>;
}

interface Facts {
  segmenter: Properties;
  published: Published;
  plausible: Bounds;
  contrast: Rule;
  /** Group and element, and kind of value, of the attributes of DICOM that are read. */
  attributes: Record<string, { tag: string; vr: string }>;
  suffixes: { known: string[]; own: string[] };
}

export const facts = written as unknown as Facts;
