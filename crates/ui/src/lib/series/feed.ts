// The series socket: `/topics/{topic}/series` gathered into rings, one a series. Knows the protocol; draws nothing.

import type { SeriesEvent } from '../api';
import type { LinkState, Probe, Timers } from '../link';
import { routes } from '../routes';
import { ReconnectingSocket, type SocketLike } from '../socket';
import { SeriesRing } from './ring';

export interface SeriesFeedOptions {
  topic: string;
  window_s: number;
  /** New points have come, or nothing is coming for a reason given. */
  onChange: () => void;
  onState: (state: LinkState) => void;
  open?: (url: string) => SocketLike;
  timers?: Timers;
  probe?: Probe;
}

export class SeriesFeed {
  readonly rings = new Map<string, SeriesRing>();
  /** Records that held no numbers. */
  passedOver = 0;
  waiting: string | null = null;
  /** The window's past is complete. */
  caughtUp = false;
  /** Nothing leaves the window while somebody looks at it paused. */
  keepAll = false;
  /** The newest time of any point; null before the first. */
  newest_ms: number | null = null;
  private window_s: number;
  private readonly socket: ReconnectingSocket;

  constructor(private readonly options: SeriesFeedOptions) {
    this.window_s = options.window_s;
    this.socket = new ReconnectingSocket({
      url: () => routes.series(options.topic, this.window_s),
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

  /** A longer window needs its past; a shorter one is a part of what is here. */
  setWindow(window_s: number): void {
    const longer = window_s > this.window_s;
    this.window_s = window_s;
    if (!longer) return;
    this.rings.clear();
    this.newest_ms = null;
    this.caughtUp = false;
    this.socket.stop();
    this.socket.start();
  }

  private receive(event: SeriesEvent): void {
    switch (event.type) {
      case 'columns':
        this.waiting = null;
        this.passedOver += event.passed_over;
        for (const columns of event.series) this.addColumns(columns);
        this.trim();
        break;
      case 'live':
        this.caughtUp = true;
        break;
      case 'waiting':
        this.waiting = event.why;
        break;
      case 'reconnected':
        this.waiting = null;
        break;
      case 'error':
        return;
    }
    this.options.onChange();
  }

  private addColumns({ name, t_ms, v, offset }: { name: string; t_ms: number[]; v: number[]; offset: number[] }): void {
    let ring = this.rings.get(name);
    if (!ring) {
      ring = new SeriesRing();
      this.rings.set(name, ring);
    }
    for (let i = 0; i < t_ms.length; i += 1) ring.add(t_ms[i]!, v[i]!, offset[i]!);
    const last = ring.last;
    if (last && (this.newest_ms === null || last.t_ms > this.newest_ms)) this.newest_ms = last.t_ms;
  }

  private trim(): void {
    if (this.newest_ms === null || this.keepAll) return;
    for (const ring of this.rings.values()) ring.dropBefore(this.newest_ms - this.window_s * 1100);
  }
}
