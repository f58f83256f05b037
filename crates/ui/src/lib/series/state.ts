// How a chart says how it stands. Pure.

import type { LinkState } from '../link';
import type { Said } from '../player/state';
import * as units from '../units';

export interface ChartStatus {
  link: LinkState;
  /** The window's past is complete. */
  caughtUp: boolean;
  waiting: string | null;
  /** The newest time of any value; null before the first. */
  newest_ms: number | null;
  /** From creation to arrival, of what came last. */
  delay_ms: number | null;
  /** The right end of what stands still; null while it moves. */
  stoodAt_ms: number | null;
}

export function sayChart(s: ChartStatus, now_ms: number): Said {
  if (s.link.state === 'reconnecting') return { tone: 'warn', text: `Reconnecting since ${units.clockTime(s.link.since_ms)}` };
  if (s.waiting !== null) return { tone: 'warn', text: 'Waiting', title: s.waiting };
  if (s.stoodAt_ms !== null) {
    const behind_ms = now_ms - s.stoodAt_ms;
    const behind = behind_ms >= 1000 ? ` · ${units.duration(behind_ms)} behind` : '';
    return { tone: 'warn', text: `Paused at ${units.when(s.stoodAt_ms, now_ms)}${behind}`, title: units.exactTime(s.stoodAt_ms) };
  }
  if (s.newest_ms === null) return { tone: 'idle', text: s.caughtUp ? 'No numbers in this window' : 'Loading' };
  const age_ms = now_ms - s.newest_ms;
  if (age_ms > 10_000) return { tone: 'idle', text: `Newest value ${units.ago(age_ms)}`, title: units.exactTime(s.newest_ms) };
  const delay = s.delay_ms !== null && s.delay_ms >= 0 ? ` · ${units.duration(s.delay_ms)}` : '';
  return { tone: 'live', text: `Live${delay}`, title: delay && 'From the making of the newest number to its arrival at the server' };
}
