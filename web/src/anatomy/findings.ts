/** What a label of VS and cochlea says in numbers: twin of `tanq_monai/anatomy/findings.py`. */

import { thousands } from "../numerals.ts";
import { type Grid, type Triple, edgesOf, orientationOf } from "../scans/grid.ts";
import { type Component, findComponents, indexOf } from "./components.ts";
import { type Anatomy, findAnatomy, structureMasks } from "./measured.ts";
import { judge } from "./plausibility.ts";
import { published } from "./published.ts";

type Point = [number, number];

/** A structure: its volume, ml, 0 where it was not found; its middle, mm. */
export interface Found {
  ml: number;
  center: Triple | null;
}

export interface Findings {
  vs: Found;
  right: Found;
  left: Found;
  /** Of the VS. */
  side: "right" | "left" | null;
  /** Of the VS: its longest line in an axial slice, mm. */
  diameter: number | null;
  /** What speaks against the label, in words. */
  doubts: string[];
}

/** What of a label is measured: the largest piece of the VS, its voxels; the others; both cochleae. */
export interface Measured {
  vs: number[];
  others: Component[];
  anatomy: Anatomy;
}

export function measure(labels: Uint8Array, grid: Grid): Measured {
  const masks = structureMasks(labels);
  const [largest, ...others] = findComponents(masks.vs, grid).sort((one, other) => other.volume - one.volume);
  const vs = largest?.voxels ?? [];
  return { vs, others, anatomy: findAnatomy(vs, masks.cochlea, grid) };
}

/** VS and the cochlea of either side, and what is unusual about them. */
export function find({ vs, others, anatomy }: Measured, grid: Grid): Findings {
  const judged = judge(anatomy);
  const doubts = judged.map(({ doubt }) => doubt).filter(Boolean);
  const apart = others.map((one) => one.volume).filter((volume) => volume >= published.fragment_mm3);
  if (apart.length) {
    const rest = thousands(apart.reduce((sum, volume) => sum + volume, 0));
    doubts.push(`VS in ${apart.length + 1} pieces: ${rest} mm³ of it lie apart from the one measured`);
  }
  const found = [anatomy.vs, anatomy.right, anatomy.left].map((one, n) => {
    const { mm3 } = judged[n]!;
    return { ml: mm3 / 1000, center: mm3 ? one!.center : null };
  }) as [Found, Found, Found];
  const has = found[0].ml > 0;
  return {
    vs: found[0],
    right: found[1],
    left: found[2],
    side: has ? anatomy.side : null,
    diameter: has ? axialDiameter(vs, grid) : null,
    doubts,
  };
}

/** The longest line within one axial slice from edge to edge of a mask, mm. */
export function axialDiameter(mask: number[], grid: Grid): number {
  const up = orientationOf(grid.affine).axis.indexOf(2);
  const [one, other] = [0, 1, 2].filter((axis) => axis !== up) as Point;
  const edges = edgesOf(grid.affine);
  const slices = new Map<number, Point[]>();
  for (const voxel of mask) {
    const index = indexOf(voxel, grid);
    const corners = slices.get(index[up]!) ?? [];
    slices.set(index[up]!, corners);
    for (const a of [-0.5, 0.5]) {
      for (const b of [-0.5, 0.5]) corners.push([(index[one]! + a) * edges[one]!, (index[other]! + b) * edges[other]!]);
    }
  }
  let longest = 0;
  for (const corners of slices.values()) {
    const ends = hull(corners);
    for (const from of ends) for (const to of ends) longest = Math.max(longest, Math.hypot(from[0] - to[0], from[1] - to[1]));
  }
  return longest;
}

/** Corners of the convex hull, by Andrew's monotone chain. */
function hull(points: Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const side = (ordered: Point[]) => {
    const chain: Point[] = [];
    for (const p of ordered) {
      while (chain.length > 1 && turn(chain.at(-2)!, chain.at(-1)!, p) <= 0) chain.pop();
      chain.push(p);
    }
    return chain;
  };
  return [...side(sorted), ...side(sorted.reverse())];
}

function turn(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}
