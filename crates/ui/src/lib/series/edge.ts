// Where a window that moves ends: now, as long as the numbers' own times lie near it. Of a clock that is ahead, or of numbers of
// last year that are sent once more, it ends at the newest of them. One wild time among many moves nothing. No DOM.

const remembered = 31;

export class Edge {
  private readonly times: number[] = [];
  private at_ = 0;

  /** A point has come. */
  note(t_ms: number): void {
    this.times[this.at_] = t_ms;
    this.at_ = (this.at_ + 1) % remembered;
  }

  /** The newest time that is like those of its neighbours; null before the first point. */
  newest(window_ms: number): number | null {
    if (this.times.length === 0) return null;
    const sorted = [...this.times].sort((a, b) => a - b);
    const middle = sorted[sorted.length >> 1]!;
    return sorted.findLast((t) => t - middle <= window_ms) ?? middle;
  }

  at(now_ms: number, window_ms: number): number {
    const newest = this.newest(window_ms);
    if (newest === null) return now_ms;
    return newest > now_ms || now_ms - newest >= window_ms ? newest : now_ms;
  }
}
