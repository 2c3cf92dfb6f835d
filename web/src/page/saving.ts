/** The label as a NIfTI file on the grid of the scan; what is on the screen as a picture. */

import type { Findings } from "../anatomy/findings.ts";
import type { Grid } from "../scans/grid.ts";
import { writeNifti } from "../scans/nifti.ts";

const WARNING = "Research use only: not a medical device, never for diagnosis or treatment.";

/** Saves `{name}_Label.nii.gz`. */
export async function saveLabel(labels: Uint8Array, grid: Grid, name: string): Promise<void> {
  const packed = new Blob([writeNifti(labels, grid)]).stream().pipeThrough(new CompressionStream("gzip"));
  save(await new Response(packed).blob(), `${name}_Label.nii.gz`);
}

/** Saves `{name}.png`: the view, under it the volumes and what it must not be used for. */
export function savePicture(view: HTMLCanvasElement, findings: Findings, name: string): void {
  const unit = Math.max(12, Math.round(view.width / 70));
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [view.width, view.height + 5 * unit];
  const pen = sheet.getContext("2d")!;
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.drawImage(view, 0, 0);
  pen.font = `${unit}px system-ui, sans-serif`;
  pen.fillStyle = "#e6e9ec";
  pen.fillText(`${name}   ${volumes(findings)}`, unit, view.height + 2 * unit);
  pen.fillStyle = "#ffd166";
  pen.fillText(WARNING, unit, view.height + 4 * unit);
  sheet.toBlob((picture) => save(picture!, `${name}.png`), "image/png");
}

function volumes({ vs, right, left, side }: Findings): string {
  const told = (ml: number) => (ml ? `${ml.toFixed(3)} ml` : "none");
  return `VS ${vs.ml ? `${side} ` : ""}${told(vs.ml)}   cochlea right ${told(right.ml)}, left ${told(left.ml)}`;
}

function save(content: Blob, name: string): void {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
