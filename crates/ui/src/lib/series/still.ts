// A stretch of time that stands still: asked for once, as much of it as a chart of so many columns can show. Of several asked for in
// quick succession (a wheel that turns) the last counts. No DOM.

import type { Problem, SeriesAnswer } from '../api';
import { isProblem, type Timers } from '../link';
import { routes } from '../routes';
import type { Grid } from './grid';

export interface Stretch {
  /** What is asked for, in whole milliseconds: somewhat more than is shown. */
  from_ms: number;
  to_ms: number;
  /** Null for every point. */
  columns: number | null;
  /** The columns of the chart are some of those asked for, so that no least or greatest value changes places. */
  grid: Grid;
  /** The column behind the last one shown. */
  right: number;
}

/** Lines reach in from the left, and what was made within a stretch may have come later: the log is sought by its records' times. */
const before_ms = 5_000;
const after_ms = 60_000;
/** The server's bound. */
const mostColumns = 4096;

/** What to ask for so that a chart of so many columns can show a stretch. */
export function stretchFor(from_ms: number, to_ms: number, columns: number, whole: boolean): Stretch {
  const span_ms = to_ms - from_ms;
  const pixel_ms = span_ms / columns;
  if (whole || span_ms <= before_ms) {
    const grid = { origin_ms: from_ms, pixel_ms };
    return { from_ms: Math.floor(from_ms - before_ms), to_ms: Math.ceil(to_ms + after_ms), columns: null, grid, right: columns };
  }
  const spare = Math.max(0, mostColumns - columns);
  const left = Math.min(Math.floor(spare / 3), Math.ceil(before_ms / pixel_ms));
  const behind = Math.min(spare - left, Math.ceil(after_ms / pixel_ms));
  const [begin_ms, end_ms] = [Math.round(from_ms - left * pixel_ms), Math.round(to_ms + behind * pixel_ms)];
  const all = left + columns + behind;
  const grid = { origin_ms: begin_ms, pixel_ms: (end_ms - begin_ms) / all };
  return { from_ms: begin_ms, to_ms: end_ms, columns: all, grid, right: left + columns };
}

export interface StillOptions {
  topics: readonly string[];
  onAnswers: (answers: SeriesAnswer[]) => void;
  onProblem: (problem: Problem) => void;
  timers: Timers;
  fetch?: (url: string, signal: AbortSignal) => Promise<Response>;
}

/** A stretch is asked for once nothing newer has been for so long. */
const quiet_ms = 120;
/** While the server is busy or away, how long until it is asked again. */
const retry_ms = 2000;

const httpFetch = (url: string, signal: AbortSignal): Promise<Response> => fetch(url, { signal, headers: { accept: 'application/json' } });

export class StillFetch {
  private timer = 0;
  private abort = new AbortController();

  constructor(private readonly options: StillOptions) {}

  ask(stretch: Stretch): void {
    this.cancel();
    this.timer = this.options.timers.set(() => void this.get(stretch), quiet_ms);
  }

  cancel(): void {
    this.options.timers.clear(this.timer);
    this.abort.abort();
  }

  private async get(stretch: Stretch): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    const get = this.options.fetch ?? httpFetch;
    const answers: SeriesAnswer[] = [];
    try {
      for (const topic of this.options.topics) {
        const response = await get(routes.seriesOnce(topic, stretch), abort.signal);
        const body: unknown = await response.json();
        if (abort.signal.aborted) return;
        if (!response.ok) {
          if (!isProblem(body)) throw new Error(String(response.status));
          if (response.status >= 500 || response.status === 429) this.again(stretch);
          this.options.onProblem(body);
          return;
        }
        answers.push(body as SeriesAnswer);
      }
    } catch {
      // The server is away; the page says so on top.
      if (!abort.signal.aborted) this.again(stretch);
      return;
    }
    this.options.onAnswers(answers);
  }

  private again(stretch: Stretch): void {
    this.timer = this.options.timers.set(() => void this.get(stretch), retry_ms);
  }
}
