// Several series with times of their own on one x axis, as uPlot wants them: undefined where a series has no point at a time
// (its line goes on), null where its line is broken.

import type { Reduced } from './ring';

export type Aligned = [number[], ...(number | null | undefined)[][]];

/** `x` comes out in seconds. */
export function align(series: Reduced[]): Aligned {
  const times = [...new Set(series.flatMap((s) => s.t_ms))].sort((a, b) => a - b);
  const columns = series.map((s) => {
    const column: (number | null | undefined)[] = new Array<undefined>(times.length).fill(undefined);
    let at = 0;
    s.t_ms.forEach((t, i) => {
      while (times[at]! < t) at += 1;
      // Two points at one instant: the later one stands.
      column[at] = s.v[i];
    });
    widenGaps(column);
    return column;
  });
  return [times.map((t) => t / 1000), ...columns];
}

/** uPlot leaves out what lies between a null's neighbours on the common axis: the whole silence has to be null, not its middle. */
function widenGaps(column: (number | null | undefined)[]): void {
  for (let i = 0; i < column.length; i += 1) {
    if (column[i] !== null) continue;
    for (let left = i - 1; left >= 0 && column[left] === undefined; left -= 1) column[left] = null;
    while (i + 1 < column.length && column[i + 1] === undefined) {
      i += 1;
      column[i] = null;
    }
  }
}

/** The lowest and highest value drawn; null where there is none. */
export function extent(series: Reduced[]): { low: number; high: number } | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { v } of series) {
    for (const value of v) {
      if (value === null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? { low, high } : null;
}

/**
 * The y axis that keeps still: it grows at once when a value leaves it, and shrinks only when what is drawn fills less than
 * half of it.
 */
export function steadyRange(previous: [number, number] | null, drawn: { low: number; high: number } | null): [number, number] {
  if (!drawn) return previous ?? [0, 1];
  const { low, high } = drawn;
  const span = high - low || Math.abs(high) * 0.2 || 1;
  const fresh: [number, number] = [low - span * 0.1, high + span * 0.1];
  // Values that are never negative do not get an axis that is.
  if (low >= 0 && fresh[0] < 0) fresh[0] = 0;
  if (!previous || low < previous[0] || high > previous[1]) return previous ? widened(previous, fresh, low, high) : fresh;
  return high - low < (previous[1] - previous[0]) * 0.5 && high !== low ? fresh : previous;
}

function widened(previous: [number, number], fresh: [number, number], low: number, high: number): [number, number] {
  if (high - low < (previous[1] - previous[0]) * 0.5) return fresh;
  return [low < previous[0] ? fresh[0] : previous[0], high > previous[1] ? fresh[1] : previous[1]];
}
