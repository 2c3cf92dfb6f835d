/** Colours of structures, which those who see no red or green tell apart, too. */

export type Rgb = [number, number, number];

const COLOURS: [string, Rgb][] = [
  ["VS", [255, 149, 28]],
  ["cochlea", [54, 197, 255]],
];

/** Of a class by its name; black of the background. */
export function colourOf(name: string): Rgb {
  return COLOURS.find(([structure]) => name.startsWith(structure))?.[1] ?? [0, 0, 0];
}
