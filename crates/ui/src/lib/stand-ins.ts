// For tests only: a clock that moves when told, and connections whose other end is the test.

import type { EventSourceLike } from './events';
import type { Timers } from './link';
import type { SocketLike } from './socket';

export class TestTimers implements Timers {
  private at_ms = 0;
  private due: { id: number; at_ms: number; run: () => void }[] = [];
  private ids = 0;

  now = (): number => this.at_ms;
  random = (): number => 0.5;
  set = (run: () => void, delay_ms: number): number => {
    this.ids += 1;
    this.due.push({ id: this.ids, at_ms: this.at_ms + delay_ms, run });
    return this.ids;
  };
  clear = (id: number): void => {
    this.due = this.due.filter((timer) => timer.id !== id);
  };

  /** Moves the clock and runs what falls due, in order. */
  move(by_ms: number): void {
    const until_ms = this.at_ms + by_ms;
    for (;;) {
      const next = this.due.filter((t) => t.at_ms <= until_ms).sort((a, b) => a.at_ms - b.at_ms)[0];
      if (!next) break;
      this.at_ms = next.at_ms;
      this.clear(next.id);
      next.run();
    }
    this.at_ms = until_ms;
  }
}

export class TestSocket implements SocketLike {
  binaryType = '';
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  closed = false;
  readonly sent: string[] = [];

  constructor(readonly url: string) {}

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.closed = true;
  }

  text(body: unknown): void {
    this.onmessage?.({ data: JSON.stringify(body) });
  }

  binary(data: ArrayBuffer): void {
    this.onmessage?.({ data });
  }
}

export class TestSource implements EventSourceLike {
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: string; lastEventId: string }) => void) | null = null;

  constructor(readonly url: string) {}

  close(): void {
    this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  event(body: unknown, lastEventId = ''): void {
    this.onmessage?.({ data: JSON.stringify(body), lastEventId });
  }

  fail(readyState: 0 | 2): void {
    this.readyState = readyState;
    this.onerror?.();
  }
}

/** Lets promises that are already settled run on. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i += 1) await Promise.resolve();
};
