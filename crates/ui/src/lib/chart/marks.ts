// How lines are told apart: a colour and a marker each, so that neither is needed. A dash would leave out parts of a line, and with
// them values; markers leave out nothing.

export const colourCount = 8;
export const colourName = (index: number): string => `--s${(index % colourCount) + 1}`;

/** Outlines around (0, 0), about 2 across. */
const outlines: readonly (readonly (readonly [number, number])[])[] = [
  Array.from({ length: 12 }, (_, i) => [Math.cos((i * Math.PI) / 6), Math.sin((i * Math.PI) / 6)] as const),
  [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  [[0, -1.15], [1.05, 0.8], [-1.05, 0.8]],
  [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  [[0, 1.15], [1.05, -0.8], [-1.05, -0.8]],
  [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
  [[-1.3, -0.45], [1.3, -0.45], [1.3, 0.45], [-1.3, 0.45]],
  [[0.57, -1.13], [1.13, -0.57], [0.57, 0], [1.13, 0.57], [0.57, 1.13], [0, 0.57], [-0.57, 1.13], [-1.13, 0.57], [-0.57, 0], [-1.13, -0.57], [-0.57, -1.13], [0, -0.57]],
];

export const circle = 0;
export const triangle = 2;
export const diamond = 3;
export const cross = 7;

/** Every eight lines the markers move on by one, so that 64 lines differ in one of the two. */
export const markerOf = (index: number): number => (index + Math.floor(index / colourCount)) % outlines.length;

export const outlineOf = (marker: number): readonly (readonly [number, number])[] => outlines[marker % outlines.length]!;

/** The same outline for a legend, as the points of an SVG polygon. */
export const polygonOf = (marker: number, x: number, y: number, radius: number): string =>
  outlineOf(marker)
    .map(([dx, dy]) => `${(x + dx * radius).toFixed(1)},${(y + dy * radius).toFixed(1)}`)
    .join(' ');
