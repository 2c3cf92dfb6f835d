/** The scan in three planes with its label, by NiiVue; as radiologists look at it: the patient's right is on the left. */

import { NVImage, Niivue, SLICE_TYPE } from "@niivue/niivue";
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
      crosshairWidth: 0.4,
      crosshairWidthUnit: "mm",
      crosshairGap: 8,
      fontColor: [0.93, 0.93, 0.93, 1],
      fontMinPx: 15,
      isRadiologicalConvention: true,
      isOrientationTextVisible: true,
      showAllOrientationMarkers: true,
      isCornerOrientationText: false,
      sliceType: SLICE_TYPE.MULTIPLANAR,
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
    new ResizeObserver(() => this.arrange()).observe(this.canvas);
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

  /** Axial slices large; coronal and sagittal ones beside them, on a narrow screen below. */
  private arrange(): void {
    const wide = this.canvas.clientWidth > 1.2 * this.canvas.clientHeight;
    const { AXIAL, CORONAL, SAGITTAL } = SLICE_TYPE;
    this.niivue.setCustomLayout([
      { sliceType: AXIAL, position: wide ? [0.015, 0.02, 0.6, 0.96] : [0.03, 0.02, 0.94, 0.68] },
      { sliceType: CORONAL, position: wide ? [0.645, 0.02, 0.34, 0.47] : [0.03, 0.71, 0.45, 0.28] },
      { sliceType: SAGITTAL, position: wide ? [0.645, 0.51, 0.34, 0.47] : [0.52, 0.71, 0.45, 0.28] },
    ]);
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
