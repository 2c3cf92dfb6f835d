/** Only what can be two cochleae and a VS near them: twin of `tanq_monai/anatomy/ears_first.py`. */

import type { Grid } from "../scans/grid.ts";
import { findComponents } from "./components.ts";
import { structureMasks } from "./measured.ts";
import { cochleae, vsNear } from "./plausibility.ts";
import { bounds } from "./published.ts";

const EARS = ["no cochlea was found, so nothing is labelled", "one cochlea was found, not two", ""];

/** The labels that are kept, and in words what is missing: nothing where both ears were found. */
export function earsFirst(labels: Uint8Array, grid: Grid): { labels: Uint8Array; doubt: string } {
  const { vs, cochlea } = structureMasks(labels);
  const tumors = findComponents(vs, grid, bounds.join_mm);
  const ears = cochleae(findComponents(cochlea, grid, bounds.join_mm), tumors);
  const tumor = ears.length ? vsNear(tumors, ears) : [];
  const kept = new Uint8Array(labels.length);
  for (const piece of [...ears, ...tumor]) for (const voxel of piece.voxels) kept[voxel] = labels[voxel]!;
  return { labels: kept, doubt: EARS[ears.length]! };
}
