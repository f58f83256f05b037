// What lies under a cursor: of each series the last point, and which series' line is the nearest. No DOM.

import type { Point, SeriesRing } from '../series/ring';

/** The last point at or before a time, unless a gap lies between; null where the line is not there. */
export function under(ring: SeriesRing, t_ms: number): Point | null {
  const point = ring.before(t_ms);
  if (!point) return null;
  return t_ms - point.t_ms <= ring.gapAfter_ms() ? point : null;
}

/**
 * Which of several lines passes nearest to a place, and its point nearest in time; null where none passes within `reach`. Distances
 * are those of `y`.
 */
export function nearest(
  rings: readonly SeriesRing[],
  t_ms: number,
  at: number,
  y: (v: number) => number,
  reach: number,
): { index: number; point: Point } | null {
  let best: { index: number; point: Point } | null = null;
  let least = reach;
  rings.forEach((ring, index) => {
    const before = under(ring, t_ms);
    if (!before) return;
    const next = ring.numberAt(t_ms + 1e-6);
    const after = next < ring.next && ring.timeOf(next) - before.t_ms <= ring.gapAfter_ms() ? ring.point(next) : before;
    const point = after.t_ms - t_ms < t_ms - before.t_ms ? after : before;
    const part = (t_ms - before.t_ms) / Math.max(1e-9, after.t_ms - before.t_ms);
    const distance = Math.abs(y(after === before ? before.v : before.v + part * (after.v - before.v)) - at);
    if (distance <= least) [least, best] = [distance, { index, point }];
  });
  return best;
}
