// What there is to watch, asked for again and again while the page is looked at: every few seconds, and more often while the server
// has yet to look through topics. No DOM; fetch and timers come from outside.

import type { Library, Problem } from '../api';
import { systemTimers, type Timers } from '../link';
import { routes } from '../routes';

/** Between two answers while nothing is pending, and while something is. */
const every_ms = 5000;
const soon_ms = 1000;

export interface LibraryFeedOptions {
  onLibrary: (library: Library) => void;
  /** A refusal, or null where the server cannot be reached; what was known before still holds. */
  onProblem: (problem: Problem | null) => void;
  /** What the server says; null where it cannot be reached. */
  ask?: (url: string) => Promise<{ ok: true; body: Library } | { ok: false; problem: Problem } | null>;
  timers?: Timers;
}

async function askServer(url: string): ReturnType<NonNullable<LibraryFeedOptions['ask']>> {
  try {
    // Not `text/html`: that is the page itself.
    const answer = await fetch(url, { headers: { accept: 'application/json' } });
    return answer.ok ? { ok: true, body: (await answer.json()) as Library } : { ok: false, problem: (await answer.json()) as Problem };
  } catch {
    return null;
  }
}

export class LibraryFeed {
  private readonly ask;
  private readonly timers: Timers;
  private timer: number | null = null;
  /** Counts starts and stops, so that an answer that comes late is nobody's. */
  private turn = 0;
  private running = false;

  constructor(private readonly options: LibraryFeedOptions) {
    this.ask = options.ask ?? askServer;
    this.timers = options.timers ?? systemTimers;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.turn += 1;
    void this.look(this.turn);
  }

  stop(): void {
    this.running = false;
    this.turn += 1;
    if (this.timer !== null) this.timers.clear(this.timer);
    this.timer = null;
  }

  /** Asks now, as after a refusal. */
  again(): void {
    this.stop();
    this.start();
  }

  private async look(turn: number): Promise<void> {
    const answer = await this.ask(routes.library);
    if (turn !== this.turn) return;
    if (answer?.ok) this.options.onLibrary(answer.body);
    else this.options.onProblem(answer?.problem ?? null);
    const pending = answer?.ok === true && answer.body.pending > 0;
    this.timer = this.timers.set(() => void this.look(turn), pending ? soon_ms : every_ms);
  }
}
