/** Where the internal auditory canal ends, estimated from the cochleae: twin of `tanq_monai/anatomy/porus.py`. */

import type { Triple } from "../scans/grid.ts";
import { type Anatomy, earsOf } from "./measured.ts";
import { published } from "./published.ts";

/** A plane: a point of it, mm, and the unit vector square to it, towards the other ear. */
export interface Porus {
  place: Triple;
  medial: Triple;
}

/** The porus of the ear with the VS; null without VS, or without a cochlea on its side. */
export function findPorus(anatomy: Anatomy): Porus | null {
  const own = anatomy.side === "right" ? anatomy.right : anatomy.left;
  const ears = earsOf(anatomy.right, anatomy.left);
  if (!anatomy.vs || !own || !ears) return null;
  const [from, to] = anatomy.side === "right" ? ears : [ears[1], ears[0]];
  const way = to.map((value, axis) => value - from[axis]!);
  const medial = way.map((value) => value / Math.hypot(...way)) as Triple;
  const depth = published.geometry["cochlea left-right"]![2] / 2 + published.canal_mm;
  return { place: own.center.map((value, axis) => value + depth * medial[axis]!) as Triple, medial };
}

/** How far medial of it a place lies, mm; of those in the canal it is negative. */
export function beyond({ place, medial }: Porus, point: Triple): number {
  return point.reduce((sum, value, axis) => sum + (value - place[axis]!) * medial[axis]!, 0);
}
