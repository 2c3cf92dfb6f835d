/** What stands beside the scan: its name, progress, volumes and remarks, or the one line of what is wrong. */

import type { Labelled } from "../deploy/runtime/run.ts";

export type Structure = "vs" | "right" | "left";
const STRUCTURES: Structure[] = ["vs", "right", "left"];

/** The element of an id. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** A scan of which nothing is known but its name. */
export function showScan(name: string): void {
  element("case").textContent = name;
  element("mistake").hidden = true;
  for (const line of ["size", "koos"]) element(line).textContent = "";
  element("remarks").replaceChildren();
  element<HTMLFieldSetElement>("label").disabled = true;
  for (const structure of STRUCTURES) fill(structure, "\u2013", false);
}

/** What is being done, and which share of it is; null: nobody knows. */
export function showProgress(step: string, share: number | null = null): void {
  element("work").hidden = false;
  element("step").textContent = step;
  const bar = element<HTMLProgressElement>("bar");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

export function showLabelled({ findings, koos, remarks }: Labelled): void {
  element("work").hidden = true;
  element<HTMLFieldSetElement>("label").disabled = false;
  for (const structure of STRUCTURES) {
    const { ml } = findings[structure];
    fill(structure, ml ? ml.toFixed(3) : "none", ml > 0);
  }
  const { side, diameter } = findings;
  element("size").textContent = diameter ? `VS: ${side} side, ${diameter.toFixed(1)} mm at most in an axial slice` : "";
  element("koos").textContent = koos && `VS: ${koos}. Research only: look at the scan.`;
  element("remarks").replaceChildren(
    ...remarks.map((remark) => Object.assign(document.createElement("li"), { textContent: remark })),
  );
}

/** One line in place of a result. */
export function showMistake(text: string): void {
  element("work").hidden = true;
  element("mistake").hidden = false;
  element("mistake").textContent = text;
}

function fill(structure: Structure, text: string, found: boolean): void {
  const row = element(structure);
  row.querySelector("td")!.textContent = text;
  row.querySelector("button")!.disabled = !found;
}
