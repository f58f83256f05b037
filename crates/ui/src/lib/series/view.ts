// What part of time a chart shows: the newest so many seconds, or a stretch that stands still; how it is zoomed and moved, and how
// it stands in an address. Pure.

import { formatWindow, parseWindow } from '../units';

export type View =
  /** The newest `window_ms`, moving on. */
  | { live: true; window_ms: number }
  /** From one time to another; both whole milliseconds. */
  | { live: false; from_ms: number; to_ms: number };

export const shortestWindow_ms = 10_000;
export const longestWindow_ms = 24 * 3_600_000;
export const usualWindow_ms = 60_000;
/** A stretch may be looked at more closely than a window can be short. */
const shortestSpan_ms = 20;

const within = (n: number, low: number, high: number): number => Math.min(high, Math.max(low, n));

export const spanOf = (view: View): number => (view.live ? view.window_ms : view.to_ms - view.from_ms);

/** What is shown when the newest moment is `edge_ms`. */
export function rangeOf(view: View, edge_ms: number): { from_ms: number; to_ms: number } {
  return view.live ? { from_ms: edge_ms - view.window_ms, to_ms: edge_ms } : { from_ms: view.from_ms, to_ms: view.to_ms };
}

/** A stretch that stands still, of a length that can be shown, not beyond `edge_ms`. */
export function still(from_ms: number, to_ms: number, edge_ms: number): View {
  const span_ms = Math.round(within(to_ms - from_ms, shortestSpan_ms, longestWindow_ms));
  const end_ms = Math.round(Math.min((from_ms + to_ms + span_ms) / 2, edge_ms));
  return { live: false, from_ms: end_ms - span_ms, to_ms: end_ms };
}

export const live = (window_ms: number): View => ({ live: true, window_ms: Math.round(within(window_ms, shortestWindow_ms, longestWindow_ms)) });

/**
 * `factor` times as much time, around `at_ms` where one is given: that moment then stays where it is. Without one a window that
 * moves goes on moving.
 */
export function zoom(view: View, edge_ms: number, factor: number, at_ms: number | null): View {
  if (view.live && at_ms === null) return live(view.window_ms * factor);
  const { from_ms, to_ms } = rangeOf(view, edge_ms);
  const span_ms = within((to_ms - from_ms) * factor, shortestSpan_ms, longestWindow_ms);
  const at = at_ms ?? (from_ms + to_ms) / 2;
  const part = within((at - from_ms) / (to_ms - from_ms), 0, 1);
  return still(at - part * span_ms, at + (1 - part) * span_ms, Math.max(edge_ms, to_ms));
}

/** Earlier (negative) or later by a part of what is shown; never beyond the newest moment. */
export function pan(view: View, edge_ms: number, part: number): View {
  const { from_ms, to_ms } = rangeOf(view, edge_ms);
  const by_ms = Math.min((to_ms - from_ms) * part, Math.max(0, edge_ms - to_ms));
  return { live: false, from_ms: Math.round(from_ms + by_ms), to_ms: Math.round(to_ms + by_ms) };
}

/** The view that an address asks for, and what of it could not be read. */
export function readView(query: URLSearchParams): { view: View; window_ms: number; wrong: string | null } {
  const asked = query.get('window');
  const window_s = parseWindow(asked);
  const fits = window_s !== null && window_s * 1000 >= shortestWindow_ms && window_s * 1000 <= longestWindow_ms;
  const window_ms = fits ? window_s * 1000 : usualWindow_ms;
  let wrong = asked !== null && !fits ? `window=${asked} is no window from 10s to 24h, such as 90s, 5m or 6h` : null;
  const [from, to] = [query.get('from'), query.get('to')];
  if (from !== null && to !== null) {
    const [from_ms, to_ms] = [Date.parse(from), Date.parse(to)];
    if (to_ms - from_ms >= shortestSpan_ms && to_ms - from_ms <= longestWindow_ms) {
      return { view: { live: false, from_ms, to_ms }, window_ms, wrong };
    }
    wrong ??= `from=${from} and to=${to} are no two times of at most 24 h, such as 2026-01-31T12:00:00Z`;
  }
  return { view: { live: true, window_ms }, window_ms, wrong };
}

/** The same as an address says it; what is usual is left out. */
export function writeView(view: View, window_ms: number): { window: string | null; from: string | null; to: string | null } {
  return {
    window: window_ms === usualWindow_ms ? null : formatWindow(window_ms / 1000),
    from: view.live ? null : new Date(view.from_ms).toISOString(),
    to: view.live ? null : new Date(view.to_ms).toISOString(),
  };
}
