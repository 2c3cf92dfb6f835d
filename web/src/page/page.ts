/** The page: what is dropped is shown, labelled, measured and, where somebody asks for it, saved. */

import { facts } from "../facts.ts";
import type { Labelled } from "../deploy/runtime/run.ts";
import { caseOf } from "../scans/naming.ts";
import type { Dropped, Volume } from "../scans/volume.ts";
import type { Network, Told } from "../worker.ts";
import { droppedFiles, pickedFiles } from "./dropping.ts";
import { Line } from "./line.ts";
import { savePicture, saveLabel } from "./saving.ts";
import { type Structure, element, showLabelled, showMistake, showProgress, showScan } from "./panel.ts";
import { Viewer } from "./viewer.ts";

const network = new Promise<Network>((resolve) => {
  addEventListener("network", (event) => resolve((event as CustomEvent<Network>).detail), { once: true });
});
const viewer = new Viewer(element<HTMLCanvasElement>("view"));
const attached = viewer.attach();
const line = new Line(network, (told) => void hear(told).catch(unexpected));
let path = "";
let began = 0;
let scan: Volume | null = null;
let labelled: Labelled | null = null;

async function open(dropped: Dropped[]): Promise<void> {
  if (!dropped.length) return;
  if (working()) line.stop();
  path = dropped[0]!.path.split("/")[0]!;
  [scan, labelled] = [null, null];
  viewer.clear();
  showScan(caseOf(path));
  showProgress("Reading");
  await line.label(dropped);
}

async function hear(told: Told): Promise<void> {
  if (told.told === "read") {
    scan = told.scan;
    began = performance.now();
    showProgress("Preparing");
    element("empty").hidden = true;
    await attached;
    await viewer.show(scan);
  } else if (told.told === "done") {
    const left = ((performance.now() - began) / told.slices) * (told.all - told.slices);
    showProgress(`Slice ${told.slices} of ${told.all}, ${inWords(left / 1000)} left`, told.slices / told.all);
  } else if (told.told === "labelled") {
    labelled = told.labelled;
    await viewer.showLabel(labelled.labels, scan!);
    showLabelled(labelled);
    goTo((["vs", "right", "left"] as const).find((one) => labelled!.findings[one].center) ?? "vs");
  } else if (told.told === "refused") showMistake(told.line);
  else unexpected(told.line);
}

function unexpected(error: unknown): void {
  showMistake(`This should not have happened: ${error instanceof Error ? error.message : String(error)}`);
}

function inWords(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}

function working(): boolean {
  return !element("work").hidden;
}

function stop(): void {
  if (!working()) return;
  line.stop();
  showMistake("stopped");
}

function goTo(structure: Structure): void {
  const place = labelled?.findings[structure].center;
  if (place) viewer.goTo(place);
}

function toggle(): void {
  element<HTMLInputElement>("shown").checked = viewer.toggle();
}

function save(): void {
  if (scan && labelled) void saveLabel(labelled.labels, scan.grid, caseOf(path));
}

function picture(): void {
  if (scan && labelled) savePicture(viewer.picture(), labelled.findings, caseOf(path));
}

const [file, folder] = [element<HTMLInputElement>("file"), element<HTMLInputElement>("folder")];
for (const input of [file, folder]) {
  input.addEventListener("change", () => {
    void open(pickedFiles(input.files!));
    input.value = "";
  });
}
const clicks: Record<string, () => void> = {
  "open-file": () => file.click(),
  "another-file": () => file.click(),
  "open-folder": () => folder.click(),
  "another-folder": () => folder.click(),
  stop,
  save,
  picture,
};
for (const [id, act] of Object.entries(clicks)) element(id).addEventListener("click", act);
for (const structure of ["vs", "right", "left"] as const) {
  element(structure).querySelector("button")!.addEventListener("click", () => goTo(structure));
}
element("shown").addEventListener("change", toggle);
element<HTMLInputElement>("opacity").addEventListener("input", (event) => {
  viewer.setOpacity(Number((event.target as HTMLInputElement).value));
});

const keys: Record<string, () => void> = {
  ArrowUp: () => viewer.move(0, 0, 1),
  ArrowDown: () => viewer.move(0, 0, -1),
  ArrowLeft: () => viewer.move(1, 0, 0), // the patient's right
  ArrowRight: () => viewer.move(-1, 0, 0),
  PageUp: () => viewer.move(0, 0, 5),
  PageDown: () => viewer.move(0, 0, -5),
  Escape: stop,
  1: () => goTo("vs"),
  2: () => goTo("right"),
  3: () => goTo("left"),
  l: toggle,
  s: save,
  p: picture,
  o: () => file.click(),
  d: () => folder.click(),
};
addEventListener(
  "keydown",
  (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const typing = event.target instanceof HTMLInputElement && event.target.type === "range";
    if (!act || event.ctrlKey || event.metaKey || event.altKey || (typing && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    event.stopPropagation(); // NiiVue has keys of its own
    act();
  },
  { capture: true },
);

addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
for (const end of ["dragleave", "drop"]) addEventListener(end, () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  droppedFiles(event.dataTransfer!).then(open).catch(unexpected);
});
const { version, weights } = facts.segmenter;
element("version").textContent = `Segmenter ${version}, weights ${weights.slice(0, 8)}.`;
