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
  /** The right edge it was paused at. */
  pausedAt_ms: number | null;
}

export function sayChart(s: ChartStatus, now_ms: number): Said {
  if (s.link.state === 'reconnecting') return { tone: 'warn', text: `Reconnecting since ${units.clockTime(s.link.since_ms)}` };
  if (s.waiting !== null) return { tone: 'warn', text: 'Waiting', title: s.waiting };
  if (s.pausedAt_ms !== null) return { tone: 'warn', text: `Paused at ${units.clockTime(s.pausedAt_ms)}` };
  if (s.newest_ms === null) return { tone: 'idle', text: s.caughtUp ? 'No numbers in this window' : 'Loading' };
  const age_ms = now_ms - s.newest_ms;
  if (age_ms > 10_000) return { tone: 'idle', text: `Newest value ${units.ago(age_ms)}`, title: units.exactTime(s.newest_ms) };
  return { tone: 'live', text: 'Live' };
}
