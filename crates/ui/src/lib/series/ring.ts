// One series' points in order of time, and what of them a chart a few hundred pixels wide needs. Old points leave at the front;
// a point that comes late finds its place. No DOM.

/** The points a chart draws: null where the line is broken. */
export interface Reduced {
  t_ms: number[];
  v: (number | null)[];
}

const firstCapacity = 1024;
/** At most this many points are kept of one series, whatever the window: 1 h at 100/s. */
const mostPoints = 360_000;

export class SeriesRing {
  private t = new Float64Array(firstCapacity);
  private v = new Float64Array(firstCapacity);
  private start = 0;
  private end = 0;
  private lastOffset = -1;
  private gap_ms = 1000;
  private gapCountdown = 0;

  get length(): number {
    return this.end - this.start;
  }

  get last(): { t_ms: number; v: number } | null {
    return this.length === 0 ? null : { t_ms: this.t[this.end - 1]!, v: this.v[this.end - 1]! };
  }

  /** Adds a point; one that came before (the window's past is sent again after a loss) is passed over. */
  add(t_ms: number, v: number, offset: number): void {
    const newest = this.last;
    if (offset <= this.lastOffset && newest && t_ms <= newest.t_ms) return;
    this.lastOffset = offset;
    if (this.end === this.t.length) this.makeRoom();
    let at = this.end;
    while (at > this.start && this.t[at - 1]! > t_ms) at -= 1;
    if (at < this.end) {
      this.t.copyWithin(at + 1, at, this.end);
      this.v.copyWithin(at + 1, at, this.end);
    }
    this.t[at] = t_ms;
    this.v[at] = v;
    this.end += 1;
    this.gapCountdown -= 1;
    if (this.length > mostPoints) this.start += 1;
  }

  dropBefore(t_ms: number): void {
    this.start = this.indexAt(t_ms);
  }

  /** A silence longer than this is a gap: three times what 95 % of the last intervals stay under, and a second at least. */
  gapAfter_ms(): number {
    if (this.gapCountdown > 0) return this.gap_ms;
    const from = Math.max(this.start + 1, this.end - 200);
    const intervals: number[] = [];
    for (let i = from; i < this.end; i += 1) intervals.push(this.t[i]! - this.t[i - 1]!);
    this.gapCountdown = intervals.length < 20 ? 1 : 50;
    if (intervals.length < 3) return 1000;
    intervals.sort((a, b) => a - b);
    this.gap_ms = Math.max(1000, 3 * intervals[Math.floor((intervals.length - 1) * 0.95)]!);
    return this.gap_ms;
  }

  /**
   * The points between two times, for `columns` pixels: where more than two fall on one pixel, its lowest and highest in their
   * order. Pixels count from the epoch, not from the window's edge, so a moving window does not make the line shimmer.
   */
  reduce(from_ms: number, to_ms: number, columns: number): Reduced {
    const out: Reduced = { t_ms: [], v: [] };
    // One point beyond each edge, so that the line reaches it.
    const first = Math.max(this.start, this.indexAt(from_ms) - 1);
    const last = Math.min(this.end, this.indexAt(to_ms) + 1);
    const gap_ms = this.gapAfter_ms();
    const pixel_ms = Math.max(1e-3, (to_ms - from_ms) / Math.max(1, columns));
    const all = last - first <= columns * 2;
    let i = first;
    while (i < last) {
      if (i > first && this.t[i]! - this.t[i - 1]! > gap_ms) {
        out.t_ms.push((this.t[i]! + this.t[i - 1]!) / 2);
        out.v.push(null);
      }
      if (all) {
        this.push(out, i);
        i += 1;
        continue;
      }
      const pixel = Math.floor(this.t[i]! / pixel_ms);
      let low = i;
      let high = i;
      let next = i + 1;
      while (next < last && Math.floor(this.t[next]! / pixel_ms) === pixel && this.t[next]! - this.t[next - 1]! <= gap_ms) {
        if (this.v[next]! < this.v[low]!) low = next;
        if (this.v[next]! > this.v[high]!) high = next;
        next += 1;
      }
      this.push(out, Math.min(low, high));
      if (low !== high) this.push(out, Math.max(low, high));
      i = next;
    }
    return out;
  }

  private push(out: Reduced, i: number): void {
    out.t_ms.push(this.t[i]!);
    out.v.push(this.v[i]!);
  }

  /** The first point at or after a time. */
  private indexAt(t_ms: number): number {
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.t[middle]! < t_ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private makeRoom(): void {
    const length = this.length;
    if (this.start > this.t.length / 2) {
      this.t.copyWithin(0, this.start, this.end);
      this.v.copyWithin(0, this.start, this.end);
    } else {
      const t = new Float64Array(this.t.length * 2);
      const v = new Float64Array(this.t.length * 2);
      t.set(this.t.subarray(this.start, this.end));
      v.set(this.v.subarray(this.start, this.end));
      this.t = t;
      this.v = v;
    }
    this.start = 0;
    this.end = length;
  }
}
