// One series' points in order of time. Old points leave at the front; a point that comes late finds its place; where more points
// fall on a pixel column than can be told apart, the column keeps its first, least, greatest and last. No DOM.

import type { SeriesColumns } from '../api';
import { columnOf, type Grid } from './grid';

export interface Point {
  /** Where it stands on the time axis. */
  t_ms: number;
  v: number;
  /** The other of the two times: of arrival where `t_ms` is that of creation, and the other way round. */
  other_ms: number;
  offset: number;
  /** What is remarkable about it; 0 is nothing. */
  mark: number;
}

const firstCapacity = 256;
/** Points of a column that are kept once it is thinned: first, least, greatest, last. */
const perColumn = 4;
/** What changed behind the end is remembered for so many changes; who has missed more begins anew. */
const editsKept = 64;

export class SeriesRing {
  private t = new Float64Array(firstCapacity);
  private v = new Float64Array(firstCapacity);
  private other = new Float64Array(firstCapacity);
  private offset = new Float64Array(firstCapacity);
  private mark = new Uint8Array(firstCapacity);
  private start = 0;
  private end = 0;
  /** The number of the first point held; points are numbered from the first one ever added, in order of time. */
  first = 0;
  /** Columns of this length have been thinned, here or by the server. */
  thinned_ms = 0;
  /** Numbers below this one are not what they were before the last thinning. */
  settled = 0;
  /** Counts points that came late. */
  edits = 0;
  private readonly editTimes = new Float64Array(editsKept);
  private gap_ms = 1000;
  private gapCountdown = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** The number that the next point at the end will have. */
  get next(): number {
    return this.first + this.length;
  }

  get last(): Point | null {
    return this.length === 0 ? null : this.point(this.next - 1);
  }

  point(number: number): Point {
    const i = this.start + number - this.first;
    return { t_ms: this.t[i]!, v: this.v[i]!, other_ms: this.other[i]!, offset: this.offset[i]!, mark: this.mark[i]! };
  }

  timeOf(number: number): number {
    return this.t[this.start + number - this.first]!;
  }

  valueOf(number: number): number {
    return this.v[this.start + number - this.first]!;
  }

  markOf(number: number): number {
    return this.mark[this.start + number - this.first]!;
  }

  add(t_ms: number, v: number, other_ms = t_ms, offset = 0, mark = 0): void {
    if (this.end === this.t.length) this.makeRoom();
    let at = this.end;
    while (at > this.start && this.t[at - 1]! > t_ms) at -= 1;
    if (at < this.end) {
      for (const column of [this.t, this.v, this.other, this.offset, this.mark]) column.copyWithin(at + 1, at, this.end);
      this.editTimes[this.edits % editsKept] = at > this.start ? this.t[at - 1]! : t_ms;
      this.edits += 1;
    }
    this.t[at] = t_ms;
    this.v[at] = v;
    this.other[at] = other_ms;
    this.offset[at] = offset;
    this.mark[at] = mark;
    this.end += 1;
    this.gapCountdown -= 1;
  }

  /** From which time on the line is another than when `edits` was this; infinite where it is the same. */
  editedSince(edits: number): number {
    if (this.edits - edits > editsKept) return Number.NEGATIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = edits; i < this.edits; i += 1) earliest = Math.min(earliest, this.editTimes[i % editsKept]!);
    return earliest;
  }

  dropBefore(t_ms: number): void {
    const from = this.numberAt(t_ms);
    this.start += from - this.first;
    this.first = from;
  }

  /** The number of the first point at or after a time. */
  numberAt(t_ms: number): number {
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.t[middle]! < t_ms) low = middle + 1;
      else high = middle;
    }
    return this.first + low - this.start;
  }

  /** The last point at or before a time; null before the first. */
  before(t_ms: number): Point | null {
    const number = this.numberAt(t_ms + 1e-6) - 1;
    return number < this.first ? null : this.point(number);
  }

  /**
   * A silence longer than this is a gap: three times what 95 % of the last intervals stay under, and a second at least. In steps of
   * a half, so that it seldom changes. What lies within a thinned column is no silence.
   */
  gapAfter_ms(): number {
    if (this.gapCountdown <= 0) {
      const from = Math.max(this.start + 1, this.end - 200);
      const intervals: number[] = [];
      for (let i = from; i < this.end; i += 1) intervals.push(this.t[i]! - this.t[i - 1]!);
      this.gapCountdown = intervals.length < 20 ? 1 : 50;
      if (intervals.length >= 3) {
        intervals.sort((a, b) => a - b);
        const usual_ms = 3 * intervals[Math.floor((intervals.length - 1) * 0.95)]!;
        this.gap_ms = 1000 * 1.5 ** Math.max(0, Math.ceil(Math.log(usual_ms / 1000) / Math.log(1.5) - 1e-9));
      }
    }
    return Math.max(this.gap_ms, this.thinned_ms);
  }

  /** The points with the least and the greatest value between two times, the newest of equal ones; null where there is none. */
  extremes(from_ms: number, to_ms: number): { low: Point; high: Point } | null {
    let i = this.start + this.numberAt(from_ms) - this.first;
    if (i >= this.end || this.t[i]! > to_ms) return null;
    let low = i;
    let high = i;
    for (; i < this.end && this.t[i]! <= to_ms; i += 1) {
      if (this.v[i]! <= this.v[low]!) low = i;
      if (this.v[i]! >= this.v[high]!) high = i;
    }
    const number = this.first - this.start;
    return { low: this.point(low + number), high: this.point(high + number) };
  }

  /** Thins the columns that lie wholly before a time. What is drawn on the same grid stays the same. */
  thin(grid: Grid, before_ms: number): void {
    const until = this.start + this.numberAt(before_ms) - this.first;
    let to = this.start;
    let i = this.start;
    while (i < until) {
      const column = columnOf(grid, this.t[i]!);
      let low = i;
      let high = i;
      let last = i;
      while (last + 1 < until && columnOf(grid, this.t[last + 1]!) === column) {
        last += 1;
        if (this.v[last]! < this.v[low]!) low = last;
        if (this.v[last]! > this.v[high]!) high = last;
      }
      // What is remarkable stays whatever its value.
      const keep = last - i < perColumn ? null : new Set([i, low, high, last]);
      for (let from = i; from <= last; from += 1) {
        if (keep && !keep.has(from) && this.mark[from] === 0) continue;
        this.move(from, to);
        to += 1;
      }
      i = last + 1;
    }
    if (to === until) return;
    for (const column of [this.t, this.v, this.other, this.offset, this.mark]) column.copyWithin(to, until, this.end);
    this.end -= until - to;
    this.first += until - to;
    this.settled = this.first + to - this.start;
    this.thinned_ms = Math.max(this.thinned_ms, grid.pixel_ms);
  }

  /** All of it in columns, as the server gives it; where `t_ms` is that of creation. */
  columns(name: string): SeriesColumns {
    const part = (column: Float64Array): number[] => Array.from(column.subarray(this.start, this.end));
    return { name, t_ms: part(this.t), v: part(this.v), arrival_ms: part(this.other), offset: part(this.offset) };
  }

  private move(from: number, to: number): void {
    this.t[to] = this.t[from]!;
    this.v[to] = this.v[from]!;
    this.other[to] = this.other[from]!;
    this.offset[to] = this.offset[from]!;
    this.mark[to] = this.mark[from]!;
  }

  private makeRoom(): void {
    const { start, end } = this;
    if (start > this.t.length / 2) {
      for (const column of [this.t, this.v, this.other, this.offset, this.mark]) column.copyWithin(0, start, end);
    } else {
      const grown = (old: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> => {
        const column = new Float64Array(old.length * 2);
        column.set(old.subarray(start, end));
        return column;
      };
      [this.t, this.v, this.other, this.offset] = [grown(this.t), grown(this.v), grown(this.other), grown(this.offset)];
      const mark = new Uint8Array(this.mark.length * 2);
      mark.set(this.mark.subarray(start, end));
      this.mark = mark;
    }
    this.start = 0;
    this.end = end - start;
  }
}
