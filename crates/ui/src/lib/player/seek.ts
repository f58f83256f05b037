// How a moment is reached: within what is buffered, or by opening the connection again elsewhere. Pure.

import type { Timeline } from './timeline';

export type Way =
  /** It is here: media time. */
  | { to: 'buffer'; at_s: number }
  /** The server has it: for `from=`. */
  | { to: 'server'; from: string };

/** `first_s`, `end_s`: what of the time line is in the buffer. */
export function wayTo(at_ms: number, timeline: Timeline, first_s: number, end_s: number): Way {
  const picture = timeline.shownAt(at_ms);
  if (picture && picture.at_s >= first_s - 0.001 && picture.at_s < end_s) {
    return { to: 'buffer', at_s: picture.at_s + Math.min(0.001, picture.duration_s / 2) };
  }
  return { to: 'server', from: new Date(at_ms).toISOString() };
}
