// What lies under a cursor: of each series the last point, and which series' line is the nearest. No DOM.

import type { Point, SeriesRing } from '../series/ring';

/** The last point at or before a time, unless a gap lies between; null where the line is not there. */
export function under(ring: SeriesRing, t_ms: number): Point | null {
  const point = ring.before(t_ms);
  if (!point) return null;
  return t_ms - point.t_ms <= Math.max(ring.gapAfter_ms(), 0) ? point : null;
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
    const next = ring.numberAt(t_ms + 1e-6);
    const after = next < ring.next ? ring.point(next) : null;
    const reachable = after && (!before || after.t_ms - before.t_ms <= ring.gapAfter_ms()) ? after : null;
    const point = !before || (reachable && reachable.t_ms - t_ms < t_ms - before.t_ms) ? reachable : before;
    if (!point) return;
    const part = before && reachable ? (t_ms - before.t_ms) / Math.max(1e-9, reachable.t_ms - before.t_ms) : 0;
    const v = before && reachable ? before.v + part * (reachable.v - before.v) : point.v;
    const distance = Math.abs(y(v) - at);
    if (distance <= least) [least, best] = [distance, { index, point }];
  });
  return best;
}
