// Draws a series' points, from one point's number to another's, onto a canvas whose columns are those of a time grid. Where points
// are closer together than a few pixels, a column is a bar from the least to the greatest value that the line has in it: no peak is
// lost, and it costs the same however many points there are. Elsewhere the line is stroked. Draws only over what is there, so new
// points are added to a picture without drawing the old ones again.

import { placeOf, type Grid } from '../series/grid';
import type { SeriesRing } from '../series/ring';
import { outlineOf } from './marks';

/** The part of a canvas' context that is used. */
export type Pen = Pick<
  CanvasRenderingContext2D,
  'fillStyle' | 'strokeStyle' | 'lineWidth' | 'lineJoin' | 'lineCap' | 'fillRect' | 'beginPath' | 'moveTo' | 'lineTo' | 'closePath' | 'stroke' | 'fill'
>;

/** How a series is drawn. */
export interface Look {
  colour: string;
  marker: number;
  /** Points alone, or the line through them. */
  line: boolean;
  /** Colour and marker of points by their mark, where it is not 0. */
  marked?: ReadonlyMap<number, { colour: string; marker: number }>;
}

/** Where values stand, in canvas pixels. */
export interface Place {
  grid: Grid;
  /** The column at x = 0. */
  left: number;
  low: number;
  high: number;
  height: number;
  /** Canvas pixels to a CSS pixel. */
  scale: number;
}

/** Lines are so many CSS pixels wide. */
const lineWidth = 1.75;
const markerRadius = 3.5;
/** A marker stands in every cell of so many CSS pixels, or on each point where they are at least `spacious` apart. */
const markerCell = 128;
const spacious = 9;
/** From so many canvas pixels between points on, a line is stroked. */
const strokedFrom = 3;
/** Strokes are cut: the time one takes grows faster than its length. */
const strokeLength = 48;

export const yOf = ({ low, high, height }: Place, v: number): number => height * (1 - (v - low) / (high - low));

/** How far apart the points usually are, in columns. */
export function spacing(ring: SeriesRing, grid: Grid): number {
  const to = ring.next;
  const from = Math.max(ring.first, to - 64);
  return to - from < 2 ? Number.POSITIVE_INFINITY : (ring.timeOf(to - 1) - ring.timeOf(from)) / (to - from - 1) / grid.pixel_ms;
}

/** In what way a series is drawn at present; where this changes, it has to be drawn anew. */
export function manner(ring: SeriesRing, look: Look, { grid, scale }: Place): 'bars' | 'strokes' | 'points' {
  const apart = spacing(ring, grid);
  if (!look.line || apart >= spacious * scale) return 'points';
  return apart >= strokedFrom ? 'strokes' : 'bars';
}

/**
 * Draws points `from` up to but not including `to`, and the line from the point before them. Gives how much work it was, in
 * rectangles and strokes about.
 */
export function paint(pen: Pen, ring: SeriesRing, look: Look, place: Place, from: number, to: number, columns: number): number {
  if (from >= to) return 0;
  const way = manner(ring, look, place);
  const width = lineWidth * place.scale;
  let work = 0;
  if (look.line) {
    pen.fillStyle = pen.strokeStyle = look.colour;
    pen.lineWidth = width;
    pen.lineJoin = pen.lineCap = 'round';
    work += way === 'bars' ? bars(pen, ring, place, from, to, columns, width) : strokes(pen, ring, place, from, to);
  }
  return work + markers(pen, ring, look, place, from, to, way === 'points');
}

const isGap = (ring: SeriesRing, number: number, gap_ms: number): boolean =>
  number <= ring.first || ring.timeOf(number) - ring.timeOf(number - 1) > gap_ms;

function bars(pen: Pen, ring: SeriesRing, place: Place, from: number, to: number, columns: number, width: number): number {
  const gap_ms = ring.gapAfter_ms();
  let column = Number.NaN;
  let top = 0;
  let bottom = 0;
  let work = 0;
  const flush = (): void => {
    if (column >= 0 && column < columns) pen.fillRect(column + 0.5 - width / 2, top - width / 2, width, bottom - top + width);
    work += 1;
  };
  const reach = (at: number, y: number): void => {
    if (at === column) {
      if (y < top) top = y;
      else if (y > bottom) bottom = y;
      return;
    }
    if (!Number.isNaN(column)) flush();
    column = at;
    top = bottom = y;
  };
  for (let number = from; number < to; number += 1) {
    const x = placeOf(place.grid, ring.timeOf(number)) - place.left;
    const y = yOf(place, ring.valueOf(number));
    if (!isGap(ring, number, gap_ms)) {
      // The line into this point, cut at the columns it passes through.
      const x0 = placeOf(place.grid, ring.timeOf(number - 1)) - place.left;
      const y0 = yOf(place, ring.valueOf(number - 1));
      if (number === from) reach(Math.floor(x0), y0);
      const end = Math.min(Math.floor(x), columns);
      for (let at = Math.max(Math.floor(x0) + 1, 0); at <= end; at += 1) {
        const crossing = y0 + ((at - x0) / (x - x0)) * (y - y0);
        reach(at - 1, crossing);
        reach(at, crossing);
      }
    }
    reach(Math.floor(x), y);
  }
  flush();
  return work;
}

function strokes(pen: Pen, ring: SeriesRing, place: Place, from: number, to: number): number {
  const gap_ms = ring.gapAfter_ms();
  let open = 0;
  let work = 0;
  const end = (): void => {
    if (open > 1) pen.stroke();
    work += open * 4;
    open = 0;
  };
  const go = (number: number): void => {
    const x = placeOf(place.grid, ring.timeOf(number)) - place.left;
    const y = yOf(place, ring.valueOf(number));
    if (open === 0) {
      pen.beginPath();
      pen.moveTo(x, y);
    } else pen.lineTo(x, y);
    open += 1;
  };
  for (let number = from; number < to; number += 1) {
    if (isGap(ring, number, gap_ms)) end();
    else if (open === 0 || open >= strokeLength) {
      end();
      go(number - 1);
    }
    go(number);
  }
  end();
  return work;
}

function markers(pen: Pen, ring: SeriesRing, look: Look, place: Place, from: number, to: number, each: boolean): number {
  const gap_ms = ring.gapAfter_ms();
  const cell = markerCell * place.scale;
  // Each series' cells lie elsewhere, so that the markers of two lines that run together do not hide each other.
  const shift = (look.marker * cell) / 8;
  const cellOf = (number: number): number => Math.floor((placeOf(place.grid, ring.timeOf(number)) + shift) / cell);
  let work = 0;
  for (let number = from; number < to; number += 1) {
    const marked = look.marked?.get(ring.markOf(number));
    const after = number + 1 >= ring.next || isGap(ring, number + 1, gap_ms);
    const isAlone = isGap(ring, number, gap_ms) && after;
    const isFirstOfCell = number > ring.first && cellOf(number) !== cellOf(number - 1);
    if (!each && !marked && !isAlone && !isFirstOfCell) continue;
    const { colour, marker } = marked ?? look;
    pen.fillStyle = colour;
    const radius = (marked ? markerRadius * 1.3 : each && look.line ? markerRadius * 0.75 : markerRadius) * place.scale;
    mark(pen, marker, placeOf(place.grid, ring.timeOf(number)) - place.left, yOf(place, ring.valueOf(number)), radius);
    work += 8;
  }
  return work;
}

/** One marker. */
export function mark(pen: Pen, marker: number, x: number, y: number, radius: number): void {
  pen.beginPath();
  outlineOf(marker).forEach(([dx, dy], i) => {
    if (i === 0) pen.moveTo(x + dx * radius, y + dy * radius);
    else pen.lineTo(x + dx * radius, y + dy * radius);
  });
  pen.closePath();
  pen.fill();
}
