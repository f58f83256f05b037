// Server-Sent Events with the states of a connection. A short loss is the browser's own to mend (it sends `Last-Event-ID`); where
// it gives up, or the server answers with a problem, this tries again or says why not. No DOM but the `EventSource` passed in.

import { Backoff, granted_ms, httpProbe, isFinal, isProblem, mayBeGranted, systemTimers, type LinkState, type Probe, type Timers } from './link';

/** The part of `EventSource` that is used. */
export interface EventSourceLike {
  readonly readyState: number;
  onopen: (() => void) | null;
  onerror: (() => void) | null;
  onmessage: ((event: { data: string; lastEventId: string }) => void) | null;
  close(): void;
}

export interface EventsOptions {
  url: () => string;
  onEvent: (body: unknown, id: string) => void;
  onState: (state: LinkState) => void;
  open?: (url: string) => EventSourceLike;
  timers?: Timers;
  probe?: Probe;
}

const closed = 2;

export class EventFeed {
  private source: EventSourceLike | null = null;
  private retry = 0;
  private lost_ms: number | null = null;
  private running = false;
  private readonly timers: Timers;
  private readonly backoff: Backoff;

  constructor(private readonly options: EventsOptions) {
    this.timers = options.timers ?? systemTimers;
    this.backoff = new Backoff(this.timers.random);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.options.onState({ state: 'connecting' });
    this.connect();
  }

  stop(): void {
    this.running = false;
    this.timers.clear(this.retry);
    this.drop();
  }

  /** Stops because everything asked for has come. */
  end(): void {
    this.stop();
    this.options.onState({ state: 'ended' });
  }

  private drop(): void {
    const source = this.source;
    this.source = null;
    if (!source) return;
    source.onopen = source.onerror = source.onmessage = null;
    source.close();
  }

  private connect(): void {
    const url = this.options.url();
    const source = (this.options.open ?? ((at) => new EventSource(at) as unknown as EventSourceLike))(url);
    this.source = source;
    source.onopen = () => {
      this.lost_ms = null;
      this.options.onState({ state: 'open' });
    };
    source.onmessage = ({ data, lastEventId }) => this.receive(data, lastEventId);
    source.onerror = () => {
      this.lost_ms ??= this.timers.now();
      if (source.readyState !== closed) {
        this.options.onState({ state: 'reconnecting', since_ms: this.lost_ms });
        return;
      }
      this.drop();
      void this.askWhy(url);
    };
  }

  private receive(data: string, id: string): void {
    let body: unknown;
    try {
      body = JSON.parse(data);
    } catch {
      return;
    }
    this.backoff.reset();
    if (typeof body === 'object' && body !== null) {
      const { type, problem } = body as { type?: unknown; problem?: unknown };
      if (type === 'error' && isProblem(problem)) {
        if (isFinal(problem)) this.refuse(problem);
        return;
      }
    }
    this.options.onEvent(body, id);
  }

  private refuse(problem: Parameters<typeof isFinal>[0]): void {
    this.stop();
    if (mayBeGranted(problem)) {
      this.running = true;
      this.retry = this.timers.set(() => this.connect(), granted_ms);
    }
    this.options.onState({ state: 'refused', problem });
  }

  private async askWhy(url: string): Promise<void> {
    const problem = await (this.options.probe ?? httpProbe)(url);
    if (!this.running) return;
    if (problem && isFinal(problem)) {
      this.refuse(problem);
      return;
    }
    this.options.onState({ state: 'reconnecting', since_ms: this.lost_ms ?? this.timers.now() });
    this.retry = this.timers.set(() => this.connect(), this.backoff.next_ms());
  }
}
