/** What a schwannoma and two cochleae can be: twin of `tanq_monai/anatomy/plausibility.py`. */

import { thousands } from "../numerals.ts";
import { type Component, apart, areOpposite, tilt } from "./components.ts";
import type { Anatomy, Structure } from "./measured.ts";
import { bounds, published } from "./published.ts";

const ALONE = 0.5;
const SPREAD = 4; // mm, standard deviation, of the distance between two cochleae that may be found in part
const TILT = 8; // degrees, standard deviation, of the line through both
const TURNED = 5; // mm: a tumor 15 mm from its cochlea lies elsewhere by this in a head that is turned by 20 degrees
const QUARTILES = 1.349; // standard deviations between the quartiles of a normal distribution

/** One component, or two that can be both ears of a head: those that are most alike to cochleae of patients. */
export function cochleae(components: Component[]): Component[] {
  const candidates = components.filter((one) => one.volume >= bounds.fragment_mm3);
  const pairs = candidates.flatMap((one, n) => candidates.slice(n + 1).map((other) => [one, other]));
  const choices = [...pairs.filter(([one, other]) => canBeEars(one!, other!)), ...candidates.map((one) => [one])];
  return largest(choices, likeness) ?? [];
}

/** The component most alike to a VS, of those as far from the nearest cochlea as one can be; none where none is. */
export function vsNear(components: Component[], ears: Component[]): Component[] {
  const candidates = components.filter((one) => {
    const distance = Math.min(...ears.map((ear) => apart(one.center, ear.center)));
    return one.volume >= bounds.fragment_mm3 && (!ears.length || within(distance, bounds.vs_to_cochlea_mm));
  });
  const found = largest(candidates, (one) => one.volume * likenessOfPlace(one, ears));
  return found ? [found] : [];
}

/** 1 where the median tumor lies beside the nearest cochlea, towards 0 away from there; without the other ear on either side. */
function likenessOfPlace(vs: Component, ears: Component[]): number {
  const [near, other] = [...ears].sort((a, b) => apart(vs.center, a.center) - apart(vs.center, b.center));
  if (!near) return 1;
  const [right, front, up] = vs.center.map((along, axis) => along - near.center[axis]!) as [number, number, number];
  const medial = other ? right * Math.sign(other.center[0] - near.center[0]) : Math.abs(right);
  const offsets = { "VS medial": medial, "VS posterior": -front, "VS superior": up };
  const off = Object.entries(offsets).reduce((sum, [figure, offset]) => {
    const [, low, median, high] = published.geometry[figure]!;
    return sum + (offset - median) ** 2 / (((high - low) / QUARTILES) ** 2 + TURNED ** 2);
  }, 0);
  return Math.exp(-off / 2);
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
  const usual = (published.apart[0] + published.apart[1]) / 2;
  const off = (apart(one.center, other.center) - usual) / SPREAD;
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
