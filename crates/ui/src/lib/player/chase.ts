// How a live picture stays near the edge: a little faster while too much is buffered, a little slower while too little, and a
// jump where that would take too long. Pure arithmetic on seconds.

export interface Chase {
  /** `video.playbackRate`. */
  rate: number;
  /** Where to jump, if anywhere. */
  seek_s: number | null;
}

const jump_s = 2;
const deadBand_s = 0.03;

export function chase(current_s: number, end_s: number, target_s: number): Chase {
  const ahead_s = end_s - current_s;
  if (ahead_s > jump_s) return { rate: 1, seek_s: Math.max(0, end_s - target_s) };
  const off_s = ahead_s - target_s;
  if (Math.abs(off_s) <= deadBand_s) return { rate: 1, seek_s: null };
  const rate = 1 + Math.min(0.1, Math.max(-0.05, off_s * 0.4));
  return { rate: Math.round(rate * 100) / 100, seek_s: null };
}

/** How much to keep ahead: 0.1 s; 0.3 s where pictures are reordered (less drops some); more for a while after each stall. */
export class Target {
  private extra_s = 0;
  private reordered = false;
  private lastStall_ms = Number.NEGATIVE_INFINITY;
  private largestPts_us = Number.NEGATIVE_INFINITY;

  /** A picture in decoding order: one that is shown before its predecessor is a B-frame. */
  picture(pts_us: number): void {
    if (pts_us < this.largestPts_us) this.reordered = true;
    this.largestPts_us = Math.max(this.largestPts_us, pts_us);
  }

  /** A new connection: its time line begins anew. */
  restart(): void {
    this.largestPts_us = Number.NEGATIVE_INFINITY;
  }

  stalled(now_ms: number): void {
    if (now_ms - this.lastStall_ms < 1000) return;
    this.lastStall_ms = now_ms;
    this.extra_s = Math.min(0.4, this.extra_s + 0.05);
  }

  seconds(now_ms: number): number {
    // Ten quiet seconds give back what one stall took.
    const calm = Math.floor((now_ms - this.lastStall_ms) / 10_000);
    const extra_s = Math.max(0, this.extra_s - 0.05 * (Number.isFinite(calm) ? calm : 0));
    return (this.reordered ? 0.3 : 0.1) + extra_s;
  }
}

/** The next stretch of buffer to jump to from a hole at `current_s`; null where playing on needs no jump. Who plays fast stops sooner. */
export function overHole(ranges: { start_s: number; end_s: number }[], current_s: number, rate = 1): number | null {
  for (const { start_s, end_s } of ranges) {
    if (current_s < start_s - 0.001) return start_s + 0.001;
    if (current_s < end_s - Math.max(0.05, 0.06 * rate)) return null;
  }
  return null;
}
