/** What a schwannoma and two cochleae can be: twin of `tanq_monai/anatomy/plausibility.py`. */

import { thousands } from "../numerals.ts";
import { type Component, apart, areOpposite, tilt } from "./components.ts";
import type { Anatomy, Structure } from "./measured.ts";
import { bounds, published } from "./published.ts";
import type { Triple } from "../scans/grid.ts";

const ALONE = 0.5;
const SPREAD = 4; // mm, standard deviation, of the distance between two cochleae that may be found in part
const TILT = 8; // degrees, standard deviation, of the line through both
const TURNED = 5; // mm: a tumor 15 mm from its cochlea lies elsewhere by this in a head that is turned by 20 degrees
const EXPECTED = 10; // mm: the same of an ear that was not found, 70 mm from the other in a head that is tilted by 8 degrees
const QUARTILES = 1.349; // standard deviations between the quartiles of a normal distribution

/** Where a cochlea is, mm; the sign of the way to the other one; and how far a tumor may lie elsewhere, mm. */
interface Ear {
  center: Triple;
  medial: number;
  spread: number;
}

/**
 * One component, or two that can be both ears of a head: those that are most alike to cochleae of patients. A VS where
 * patients have theirs beside such ears counts as much as a cochlea.
 */
export function cochleae(components: Component[], tumors: Component[]): Component[] {
  const candidates = components.filter((one) => one.volume >= bounds.fragment_mm3);
  const pairs = candidates.flatMap((one, n) => candidates.slice(n + 1).map((other) => [one, other]));
  const choices = [...pairs.filter(([one, other]) => canBeEars(one!, other!)), ...candidates.map((one) => [one])];
  const median = published.geometry["VS volume"]![2];
  const known = new Map<string, number>();
  const vsBeside = (ear: Ear): number => {
    const key = [...ear.center, ear.medial, ear.spread].join();
    const count = () => Math.max(0, ...tumors.map((one) => Math.min(one.volume / median, 1) * likenessBeside(one, ear)));
    if (!known.has(key)) known.set(key, count());
    return known.get(key)!;
  };
  return largest(choices, (chosen) => likeness(chosen) + Math.max(...earsOf(chosen).map(vsBeside))) ?? [];
}

/** The component most alike to a VS, of those as far from the nearest cochlea as one can be; none where none is. */
export function vsNear(components: Component[], found: Component[]): Component[] {
  const ears = earsOf(found);
  const count = (one: Component) => one.volume * Math.max(...ears.map((ear) => likenessBeside(one, ear)));
  const chosen = largest(components.filter((one) => one.volume >= bounds.fragment_mm3), count);
  return chosen && count(chosen) > 0 ? [chosen] : [];
}

/** 1 where the median tumor lies beside an ear, less elsewhere, 0 where no patient has one. */
function likenessBeside(vs: Component, ear: Ear): number {
  if (!within(apart(vs.center, ear.center), bounds.vs_to_cochlea_mm)) return 0;
  const [right, front, up] = [0, 1, 2].map((axis) => vs.center[axis]! - ear.center[axis]!) as Triple;
  const offsets = { "VS medial": right * ear.medial, "VS posterior": -front, "VS superior": up };
  const off = Object.entries(offsets).reduce((sum, [figure, offset]) => {
    const [, low, median, high] = published.geometry[figure]!;
    return sum + (offset - median) ** 2 / (((high - low) / QUARTILES) ** 2 + ear.spread ** 2);
  }, 0);
  return Math.exp(-off / 2);
}

/** Those of a head: both that were found; of one alone it and the other one, to its right or to its left. */
function earsOf(found: Component[]): Ear[] {
  if (found.length !== 1) {
    return found.map((one, n) => {
      const medial = Math.sign(found[1 - n]!.center[0] - one.center[0]);
      return { center: one.center, medial, spread: TURNED };
    });
  }
  const [x, y, z] = found[0]!.center;
  const aside = (way: number): Ear => ({ center: [x + way * usuallyApart(), y, z], medial: -way, spread: EXPECTED });
  return [...[1, -1].map((medial): Ear => ({ center: [x, y, z], medial, spread: TURNED })), aside(1), aside(-1)];
}

/** Of both cochleae, mm. */
function usuallyApart(): number {
  return (published.apart[0] + published.apart[1]) / 2;
}

/** One organ's volume beside that of patients; 0 where it is missing, and in words what is implausible. */
export interface Judgement {
  organ: string;
  mm3: number;
  doubt: string;
}

/** VS and the cochlea of either ear beside the published volumes; a fragment is none. */
export function judge({ vs, right, left }: Anatomy): Judgement[] {
  return [judgement("VS", vs), judgement("right cochlea", right), judgement("left cochlea", left)];
}

function likeness(chosen: Component[]): number {
  const [, , median, , large] = published.geometry["cochlea volume"]!;
  const sizes = chosen.map((one) => Math.min(one.volume / median, 1) * Math.min(large / one.volume, 1) ** 2);
  const [one, other] = chosen as [Component, Component | undefined];
  if (!other) return ALONE * sizes[0]!;
  const off = (apart(one.center, other.center) - usuallyApart()) / SPREAD;
  return (sizes[0]! + sizes[1]!) * Math.exp(-(off ** 2 + (tilt(one, other) / TILT) ** 2) / 2);
}

function canBeEars(one: Component, other: Component): boolean {
  return areOpposite(one, other) && within(apart(one.center, other.center), bounds.cochleae_apart_mm);
}

function within(value: number, [low, high]: [number, number]): boolean {
  return low <= value && value <= high;
}

/** The first of those that count most. */
function largest<T>(ones: T[], count: (one: T) => number): T | undefined {
  return ones.reduce<T | undefined>((best, one) => (best !== undefined && count(best) >= count(one) ? best : one), undefined);
}

function judgement(organ: string, structure: Structure | null): Judgement {
  const [low, , median, , high] = published.geometry[`${organ.split(" ").at(-1)} volume`]!;
  const mm3 = structure && structure.volume >= published.fragment_mm3 ? structure.volume : 0;
  const deviation = mm3 ? Math.log(mm3 / median) / Math.log((mm3 > median ? high : low) / median) : Infinity;
  const size = mm3 ? `of ${thousands(mm3)} mm³` : "missing";
  const doubt = deviation <= 1 ? "" : `${organ} ${size} (usual ${thousands(low)} to ${thousands(high)} mm³)`;
  return { organ, mm3, doubt };
}
