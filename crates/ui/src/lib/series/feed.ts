// The series socket: `/topics/{topic}/series` gathered into a store. Knows the protocol; draws nothing. After a loss, and for
// another window, everything is asked for anew, and what is held stays until that has come.

import type { SeriesEvent } from '../api';
import type { LinkState, Probe, Timers } from '../link';
import { routes } from '../routes';
import { ReconnectingSocket, type SocketLike } from '../socket';
import { Edge } from './edge';
import { Store } from './store';

/** What is asked for: everything since a time, reduced to columns unless there are none. */
export interface Ask {
  from_ms: number;
  window_ms: number;
  columns: number | null;
}

export interface SeriesFeedOptions {
  topic: string;
  /** Asked each time it connects, as time moves on. */
  ask: () => Ask;
  makeStore: () => Store;
  now: () => number;
  onState: (state: LinkState) => void;
  open?: (url: string) => SocketLike;
  timers?: Timers;
  probe?: Probe;
}

/** Times in a batch that say how it stands in time. */
const samples = 31;

export class SeriesFeed {
  store: Store;
  /** Where a window that moves ends. */
  edge = new Edge();
  /** The window's past is complete. */
  caughtUp = false;
  waiting: string | null = null;
  /** From creation to arrival, of what came last. */
  delay_ms: number | null = null;
  private filling: { store: Store; edge: Edge; past: boolean };
  private window_ms = 0;
  private readonly socket: ReconnectingSocket;

  constructor(private readonly options: SeriesFeedOptions) {
    this.store = options.makeStore();
    this.filling = { store: this.store, edge: this.edge, past: true };
    this.socket = new ReconnectingSocket({
      url: () => this.begin(),
      onText: (body) => this.receive(body as SeriesEvent),
      onState: (state) => options.onState(state),
      ...(options.open && { open: options.open }),
      ...(options.timers && { timers: options.timers }),
      ...(options.probe && { probe: options.probe }),
    });
  }

  start(): void {
    this.socket.start();
  }

  stop(): void {
    this.socket.stop();
  }

  get isRunning(): boolean {
    return this.socket.isRunning;
  }

  /** Asks anew; what is held stays until the new has come. */
  restart(): void {
    this.socket.stop();
    this.socket.start();
  }

  private begin(): string {
    const ask = this.options.ask();
    this.window_ms = ask.window_ms;
    this.filling = { store: this.options.makeStore(), edge: new Edge(), past: true };
    // Where there is nothing yet, what comes is shown as it comes.
    if (this.store.rings.size === 0) this.take();
    return routes.series(this.options.topic, ask);
  }

  private take(): void {
    this.store = this.filling.store;
    this.edge = this.filling.edge;
  }

  private receive(event: SeriesEvent): void {
    switch (event.type) {
      case 'columns': {
        this.waiting = null;
        const { store, edge, past } = this.filling;
        for (const { t_ms, arrival_ms } of event.series) {
          const last = t_ms.length - 1;
          if (!past && last >= 0) this.delay_ms = arrival_ms[last]! - t_ms[last]!;
          for (let i = 0; i < samples; i += 1) {
            const at = t_ms[Math.floor(((i + 1) * t_ms.length) / samples) - 1];
            if (at !== undefined) edge.note(at);
          }
        }
        store.passOver(event.passed_over, event.reasons);
        store.add(event.series, past, edge.at(this.options.now(), this.window_ms) + this.window_ms);
        break;
      }
      case 'live':
        this.take();
        this.filling.past = false;
        this.caughtUp = true;
        break;
      case 'waiting':
        this.waiting = event.why;
        break;
      case 'reconnected':
        this.waiting = null;
        break;
      case 'error':
        break;
    }
  }
}
