/** One scan in, one label out: twin of `tanq_monai/deploy/runtime/run.py`. */

import { earsFirst } from "../../anatomy/ears_first.ts";
import { type Findings, find, measure } from "../../anatomy/findings.ts";
import { estimateKoos } from "../../anatomy/koos.ts";
import { type Dropped, type Volume, readVolume } from "../../scans/volume.ts";
import { type Labeller, segment } from "./segmentation.ts";

export interface Labelled {
  /** i fastest, on the grid of the scan. */
  labels: Uint8Array;
  findings: Findings;
  /** Of the VS, in words; empty where nothing can be said. */
  koos: string;
  /** What to look at, in words. */
  remarks: string[];
}

/** What is told while a scan is labelled. */
export interface Listener {
  read(scan: Volume): void;
  /** Slices that are done, of how many. */
  done(slices: number, all: number): void;
}

/** Reads dropped files, which are one scan, and labels it; throws an InputError for what cannot be used. */
export async function run(dropped: Dropped[], labellers: Labeller[], listener: Listener): Promise<Labelled> {
  const scan = await readVolume(dropped);
  listener.read(scan);
  const found = await segment(scan, labellers, (slices, all) => listener.done(slices, all));
  const { labels, doubt } = earsFirst(found, scan.grid);
  const measured = measure(labels, scan.grid);
  const findings = find(measured, scan.grid);
  const doubts = labels.some(Boolean) || !doubt ? findings.doubts : [];
  return { labels, findings, koos: estimateKoos(measured, scan), remarks: [doubt, ...doubts].filter(Boolean) };
}
