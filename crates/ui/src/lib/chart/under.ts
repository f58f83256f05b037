// What is drawn under the pointer of a chart: the point of each line, and the line it is nearest to.

import * as units from '../units';
import { mark } from './painter';
import { nearest, under } from './nearest';
import type { Drawn } from './picture';
import type { Drawing } from './plot';

/** The nearest line's point, as it is said beside it; its place in CSS pixels. */
export interface Hover {
  /** Which of the lines. */
  index: number;
  text: string;
  when: string;
  x: number;
  y: number;
}

/** With more lines than this their points would hide the chart. */
const mostMarked = 12;
/** So many CSS pixels away a line is pointed at. */
const reach = 24;

/** Marks the points at a time; says which line a value is near, if it is near one. */
export function drawUnder(drawing: Drawing, series: readonly Drawn[], cursor_ms: number, value: number | null, now_ms: number, format: (v: number) => string): Hover | null {
  const ring = (colour: string, t_ms: number, v: number, radius: number): void => {
    drawing.context.fillStyle = drawing.token('--card');
    mark(drawing.context, 0, drawing.x(t_ms), drawing.y(v), (radius + 1.5) * drawing.scale);
    drawing.context.fillStyle = colour;
    mark(drawing.context, 0, drawing.x(t_ms), drawing.y(v), radius * drawing.scale);
  };
  if (series.length <= mostMarked) {
    for (const { ring: points, look } of series) {
      const at = under(points, cursor_ms);
      if (at) ring(look.colour, at.t_ms, at.v, 3);
    }
  }
  const near = value === null ? null : nearest(series.map((s) => s.ring), cursor_ms, drawing.y(value), drawing.y, reach * drawing.scale);
  if (!near) return null;
  const { index, point } = near;
  ring(series[index]!.look.colour, point.t_ms, point.v, 4.5);
  return {
    index,
    text: format(point.v),
    when: units.when(point.t_ms, now_ms, true),
    x: Math.round(drawing.x(point.t_ms) / drawing.scale),
    y: Math.round(drawing.y(point.v) / drawing.scale),
  };
}
