// All that a topic holds of a video, as one line: its stretches of pictures laid end to end, so that a pause of hours between two
// of them takes no room. Positions on that line are milliseconds of pictures. Pure.

import type { Span, Video, VideoViewer } from '../api';

/** What is used here of what `GET /topics/{topic}/timeline` says. */
export type Told = Pick<Video, 'live' | 'spans'> & { viewers: Pick<VideoViewer, 'group' | 'at_ms'>[] };

/** Pictures farther apart than this have a pause between them; the server's measure too. */
const pause_ms = 10_000;

export class Recording {
  readonly spans: readonly Span[];
  readonly live: boolean;
  readonly viewers: Told['viewers'];
  /** Where each span begins on the line. */
  private readonly begins_ms: number[] = [];
  readonly length_ms: number;

  /** `newest_ms`: of the newest picture known besides, by which the last stretch grows or a new one begins. */
  constructor(video: Told, newest_ms: number | null = null) {
    const spans: Span[] = [];
    for (const { from_ms, to_ms } of [...video.spans].sort((a, b) => a.from_ms - b.from_ms)) {
      const last = spans[spans.length - 1];
      if (last && from_ms <= last.to_ms) last.to_ms = Math.max(last.to_ms, to_ms);
      else spans.push({ from_ms, to_ms: Math.max(from_ms, to_ms) });
    }
    const last = spans[spans.length - 1];
    if (newest_ms !== null && (!last || newest_ms > last.to_ms)) {
      if (last && newest_ms - last.to_ms <= pause_ms) last.to_ms = newest_ms;
      else spans.push({ from_ms: newest_ms, to_ms: newest_ms });
    }
    let length_ms = 0;
    for (const span of spans) {
      this.begins_ms.push(length_ms);
      length_ms += span.to_ms - span.from_ms;
    }
    this.spans = spans;
    this.length_ms = length_ms;
    this.live = video.live;
    this.viewers = video.viewers;
  }

  get from_ms(): number {
    return this.spans[0]?.from_ms ?? 0;
  }

  get to_ms(): number {
    return this.spans[this.spans.length - 1]?.to_ms ?? 0;
  }

  /** Where a time stands on the line; one within a pause at the end of what lies before it. */
  into(at_ms: number): number {
    const at = this.spanAt((span) => span.from_ms <= at_ms);
    if (at < 0) return 0;
    const span = this.spans[at]!;
    return this.begins_ms[at]! + Math.min(at_ms, span.to_ms) - span.from_ms;
  }

  /** The time at a place on the line; where two stretches meet it is the beginning of the later one. */
  timeAt(into_ms: number): number {
    const at = Math.max(0, this.spanAt((_, i) => this.begins_ms[i]! <= into_ms));
    const span = this.spans[at];
    return span ? Math.min(span.to_ms, span.from_ms + Math.max(0, into_ms - this.begins_ms[at]!)) : 0;
  }

  /** The time so far on from another, pauses not counted. */
  on(at_ms: number, by_ms: number): number {
    return this.timeAt(Math.min(this.length_ms, Math.max(0, this.into(at_ms) + by_ms)));
  }

  /** Where on the line a later stretch begins: 0…1. */
  get joints(): number[] {
    return this.length_ms > 0 ? this.begins_ms.slice(1).map((at_ms) => at_ms / this.length_ms) : [];
  }

  private spanAt(holds: (span: Span, i: number) => boolean): number {
    let low = 0;
    let high = this.spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.spans[middle]!, middle)) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
