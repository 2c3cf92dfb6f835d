/** The scan in three planes with its label, by NiiVue; as radiologists look at it: the patient's right is on the left. */

import { MULTIPLANAR_TYPE, NVImage, Niivue, SHOW_RENDER, SLICE_TYPE } from "@niivue/niivue";
import { facts } from "../facts.ts";
import type { Triple } from "../scans/grid.ts";
import { writeNifti } from "../scans/nifti.ts";
import type { Volume } from "../scans/volume.ts";
import { type Rgb, colourOf } from "./colours.ts";

export class Viewer {
  private readonly niivue: Niivue;
  private shown = true;
  private opacity = 0.5;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.niivue = new Niivue({
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.85, 0.85, 0.85, 0.55],
      crosshairWidth: 0.6,
      crosshairGap: 6,
      fontColor: [0.93, 0.93, 0.93, 1],
      textHeight: 0.03,
      isRadiologicalConvention: true,
      isOrientationTextVisible: true,
      showAllOrientationMarkers: true,
      isCornerOrientationText: false,
      sliceType: SLICE_TYPE.MULTIPLANAR,
      multiplanarShowRender: SHOW_RENDER.NEVER,
      multiplanarLayout: MULTIPLANAR_TYPE.AUTO,
      multiplanarPadPixels: 4,
      dragAndDropEnabled: false,
      viewModeHotKey: "",
      clipPlaneHotKey: "",
      cycleClipPlaneHotKey: "",
      loadingText: "",
      logLevel: "error",
    });
  }

  async attach(): Promise<void> {
    await this.niivue.attachToCanvas(this.canvas);
  }

  /** A scan without a label. */
  async show(scan: Volume): Promise<void> {
    this.clear();
    this.niivue.addVolume(await imageOf(writeNifti(scan.voxels, scan.grid), "scan.nii"));
  }

  /** The label of the scan that is shown. */
  async showLabel(labels: Uint8Array, scan: Volume): Promise<void> {
    while (this.niivue.volumes.length > 1) this.niivue.removeVolumeByIndex(1);
    const label = await imageOf(writeNifti(labels, scan.grid), "label.nii");
    label.setColormapLabel(colourMap());
    this.niivue.addVolume(label);
    this.update();
  }

  clear(): void {
    while (this.niivue.volumes.length) this.niivue.removeVolumeByIndex(0);
  }

  /** Crosshair to a place, mm. */
  goTo(place: Triple): void {
    this.niivue.scene.crosshairPos = this.niivue.mm2frac(place);
    this.niivue.drawScene();
  }

  /** Crosshair by voxels to the right, to the front, upward. */
  move(right: number, front: number, up: number): void {
    if (this.niivue.volumes.length) this.niivue.moveCrosshairInVox(right, front, up);
  }

  setOpacity(opacity: number): void {
    this.opacity = opacity;
    this.update();
  }

  toggle(): boolean {
    this.shown = !this.shown;
    this.update();
    return this.shown;
  }

  /** What is on the screen now. */
  picture(): HTMLCanvasElement {
    this.niivue.drawScene(); // else the browser may have let go of it
    return this.canvas;
  }

  private update(): void {
    if (this.niivue.volumes.length > 1) this.niivue.setOpacity(1, this.shown ? this.opacity : 0);
  }
}

async function imageOf(bytes: ArrayBuffer, name: string): Promise<NVImage> {
  return NVImage.loadFromUrl({ url: name, name, buffer: bytes });
}

function colourMap() {
  const values = Object.entries(facts.segmenter.classes).sort(([, one], [, other]) => one - other);
  const colours = values.map(([name]): Rgb => colourOf(name));
  return {
    R: colours.map(([red]) => red),
    G: colours.map(([, green]) => green),
    B: colours.map(([, , blue]) => blue),
    A: values.map(([, value]) => (value ? 255 : 0)),
    I: values.map(([, value]) => value),
    labels: values.map(([name]) => name),
  };
}
