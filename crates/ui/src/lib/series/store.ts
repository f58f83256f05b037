// The points of one topic: a ring for each series, bounded whatever comes. No DOM.

import type { SeriesColumns } from '../api';
import type { Grid } from './grid';
import { SeriesRing } from './ring';

/** One record's number as it came. */
export interface Arrival {
  name: string;
  created_ms: number;
  arrived_ms: number;
  v: number;
  offset: number;
  /** It was read back: what stands as its arrival is its record's timestamp. */
  past: boolean;
}

/** Puts what came where it belongs; plots that show more than values against time have their own. */
export type Sorter = (arrival: Arrival, ring: (name: string) => SeriesRing) => void;

/** A line for each series, against creation time. */
export const byCreation: Sorter = ({ name, created_ms, arrived_ms, v, offset }, ring) => ring(name).add(created_ms, v, arrived_ms, offset);

/** So many series are kept; what comes of others is counted. */
export const mostSeries = 512;
/** Points of one series before its past is thinned, times the columns of the chart. */
const pointsPerColumn = 8;

export class Store {
  readonly rings = new Map<string, SeriesRing>();
  /** Records that hold no number that can be drawn, by the server's reasons. */
  passedOver = 0;
  readonly reasons = new Map<string, number>();
  /** Points of series beyond the most that are kept, and of which there are how many. */
  readonly leftOut = new Set<string>();
  /** Points whose time lies a whole window ahead of the others: kept out, counted. */
  ahead = 0;
  newestArrival_ms: number | null = null;
  /** Counts what has come. */
  version = 0;

  constructor(private readonly sorter: Sorter = byCreation) {}

  /** Takes a batch; nothing drawn lies behind `beyond_ms`. */
  add(columns: readonly SeriesColumns[], past: boolean, beyond_ms = Number.POSITIVE_INFINITY): void {
    this.version += 1;
    for (const { name, t_ms, v, arrival_ms, offset } of columns) {
      if (!this.admits(name)) continue;
      for (let i = 0; i < t_ms.length; i += 1) {
        const arrived_ms = arrival_ms[i]!;
        if (t_ms[i]! > beyond_ms) {
          this.ahead += 1;
          continue;
        }
        if (this.newestArrival_ms === null || arrived_ms > this.newestArrival_ms) this.newestArrival_ms = arrived_ms;
        this.sorter({ name, created_ms: t_ms[i]!, arrived_ms, v: v[i]!, offset: offset[i]!, past }, this.ring);
      }
    }
  }

  /** Counts records of which nothing is drawn. */
  passOver(records: number, reasons: Readonly<Record<string, number>> = {}): void {
    this.passedOver += records;
    for (const [why, n] of Object.entries(reasons)) this.reasons.set(why, (this.reasons.get(why) ?? 0) + n);
  }

  /** Lets go what has left the window, and thins what is more than a chart of this grid can show. */
  trim(before_ms: number, grid: Grid | null, columns: number): void {
    for (const ring of this.rings.values()) {
      ring.dropBefore(before_ms);
      if (grid && ring.length > columns * pointsPerColumn && ring.last) ring.thin(grid, ring.last.t_ms - grid.pixel_ms);
    }
  }

  /** Lets the oldest points of a series go that has more than so many. */
  keep(most: number): void {
    for (const ring of this.rings.values()) if (ring.length > most) ring.dropBefore(ring.timeOf(ring.next - most));
  }

  private admits(name: string): boolean {
    if (this.rings.has(name) || this.rings.size < mostSeries) return true;
    if (this.leftOut.size < mostSeries) this.leftOut.add(name);
    return false;
  }

  private readonly ring = (name: string): SeriesRing => {
    let ring = this.rings.get(name);
    if (!ring) {
      ring = new SeriesRing();
      this.rings.set(name, ring);
    }
    return ring;
  };
}
