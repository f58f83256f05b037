// When numbers were made against when they came: which came late, which out of order, and how long they took. Pure.

import type { SeriesColumns } from '../api';

/** Bits of `Point.mark`. */
export const late = 1;
export const disordered = 2;

/** Looks at the points of one series in the order they arrive. */
export class ArrivalOrder {
  private newest_ms = Number.NEGATIVE_INFINITY;

  /** @param late_ms What takes longer than this came late. */
  constructor(private readonly late_ms: number) {}

  /** Late: longer on its way than allowed. Out of order: made before one that has come already. */
  mark(created_ms: number, arrived_ms: number): number {
    const isDisordered = created_ms < this.newest_ms;
    if (!isDisordered) this.newest_ms = created_ms;
    return (arrived_ms - created_ms > this.late_ms ? late : 0) | (isDisordered ? disordered : 0);
  }
}

/** The same points in the order they arrived: what is asked for once comes in the order of creation. */
export function inArrivalOrder({ name, t_ms, v, arrival_ms, offset }: SeriesColumns): SeriesColumns {
  const order = t_ms.map((_, i) => i).sort((a, b) => arrival_ms[a]! - arrival_ms[b]! || offset[a]! - offset[b]!);
  const by = (column: number[]): number[] => order.map((i) => column[i]!);
  return { name, t_ms: by(t_ms), v: by(v), arrival_ms: by(arrival_ms), offset: by(offset) };
}

/** The least value that `part` of all (0 to 1) do not exceed (nearest rank); null of none. */
export function percentile(sorted: ArrayLike<number>, part: number): number | null {
  if (sorted.length === 0) return null;
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)]!;
}
