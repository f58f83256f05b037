// What every connection of the page has in common: its states, how long it waits before it tries again, and the clock it is
// given. No DOM: timers and randomness are passed in, so tests move the time themselves.

import type { Problem } from './api';

export type LinkState =
  | { state: 'connecting' }
  | { state: 'open' }
  /** Lost; trying again by itself. */
  | { state: 'reconnecting'; since_ms: number }
  /** The server said no, and asking again would not help; or it may once somebody grants it, and is asked for again now and then. */
  | { state: 'refused'; problem: Problem }
  /** Everything that was asked for has come. */
  | { state: 'ended' }
  | { state: 'closed' };

export interface Timers {
  now(): number;
  random(): number;
  set(run: () => void, delay_ms: number): number;
  clear(id: number): void;
}

export const systemTimers: Timers = {
  now: () => Date.now(),
  random: () => Math.random(),
  set: (run, delay_ms) => setTimeout(run, delay_ms) as unknown as number,
  clear: (id) => clearTimeout(id),
};

/** 0.25 s, 0.5 s, … up to 5 s, each ± 20 % so that a room full of pages does not come back in one instant. */
export class Backoff {
  private attempt = 0;
  constructor(private readonly random: () => number) {}

  next_ms(): number {
    const base = Math.min(5000, 250 * 2 ** this.attempt);
    this.attempt += 1;
    return base * (0.8 + 0.4 * this.random());
  }

  reset(): void {
    this.attempt = 0;
  }
}

/** A problem of the server's own making (5xx) may pass; what is our fault (4xx) does not. */
export const isFinal = (problem: Problem): boolean => problem.status >= 400 && problem.status < 500 && problem.status !== 429;

/** Kafka's own refusal, which names no part of the question: an administrator may grant meanwhile what is asked for. */
export const mayBeGranted = (problem: Problem): boolean => problem.status === 403 && problem.field === undefined;

/** Between two times that it is asked for. */
export const granted_ms = 5000;

export function isProblem(body: unknown): body is Problem {
  if (typeof body !== 'object' || body === null) return false;
  const b = body as Record<string, unknown>;
  return typeof b['title'] === 'string' && typeof b['status'] === 'number' && typeof b['detail'] === 'string';
}

/** Asks the server over plain HTTP why it would not open the connection: browsers do not show a socket's refusal to the page. */
export type Probe = (url: string) => Promise<Problem | null>;

export const httpProbe: Probe = async (url) => {
  try {
    const abort = new AbortController();
    const response = await fetch(url, { signal: abort.signal, headers: { accept: 'application/problem+json' } });
    const type = response.headers.get('content-type') ?? '';
    // 426 and the like only say that this was no WebSocket; a stream that opens is no refusal either.
    if (response.status < 400 || response.status === 426 || !type.includes('problem+json')) {
      abort.abort();
      return null;
    }
    const body: unknown = await response.json();
    return isProblem(body) ? body : null;
  } catch {
    return null;
  }
};
