// A WebSocket that comes back by itself: opened again after a loss with growing pauses, closed for good on a refusal. Texts are
// parsed as JSON and handed on, binary messages as they are. It knows nothing of what they mean, and no DOM.

import type { Problem } from './api';
import { Backoff, granted_ms, httpProbe, isFinal, isProblem, mayBeGranted, systemTimers, type LinkState, type Probe, type Timers } from './link';

/** The part of `WebSocket` that is used, so that tests can stand in for it. */
export interface SocketLike {
  binaryType: string;
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface SocketOptions {
  /** The address to open now; asked for each time, as the position moves on. Path and query only. */
  url: () => string;
  onText: (body: { type: string }) => void;
  onBinary?: (bytes: ArrayBuffer) => void;
  onState: (state: LinkState) => void;
  open?: (url: string) => SocketLike;
  timers?: Timers;
  probe?: Probe;
}

export const openWebSocket = (url: string): SocketLike => {
  const absolute = new URL(url, location.href);
  absolute.protocol = absolute.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(absolute) as unknown as SocketLike;
};

export class ReconnectingSocket {
  private socket: SocketLike | null = null;
  private isOpen = false;
  private retry = 0;
  private lost_ms: number | null = null;
  private running = false;
  private readonly timers: Timers;
  private readonly backoff: Backoff;

  constructor(private readonly options: SocketOptions) {
    this.timers = options.timers ?? systemTimers;
    this.backoff = new Backoff(this.timers.random);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.lost_ms = null;
    this.backoff.reset();
    this.options.onState({ state: 'connecting' });
    this.connect();
  }

  /** Closes it; nothing more is handed on, not even what is under way. */
  stop(): void {
    this.running = false;
    this.timers.clear(this.retry);
    this.drop();
  }

  get isRunning(): boolean {
    return this.running;
  }

  /** Sends a text if the socket is open; what it says must be of use only now. False where it could not. */
  send(body: { type: string }): boolean {
    if (!this.isOpen || !this.socket) return false;
    this.socket.send(JSON.stringify(body));
    return true;
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.isOpen = false;
    if (!socket) return;
    socket.onopen = socket.onclose = socket.onerror = socket.onmessage = null;
    socket.close();
  }

  private connect(): void {
    const url = this.options.url();
    const socket = (this.options.open ?? openWebSocket)(url);
    this.socket = socket;
    let opened = false;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      opened = true;
      this.isOpen = true;
      this.lost_ms = null;
      this.options.onState({ state: 'open' });
    };
    socket.onmessage = ({ data }) => this.receive(data);
    socket.onerror = () => {};
    socket.onclose = () => {
      this.socket = null;
      this.isOpen = false;
      if (opened) this.lose();
      else void this.askWhy(url);
    };
  }

  private receive(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      this.backoff.reset();
      this.options.onBinary?.(data);
      return;
    }
    if (typeof data !== 'string') return;
    let body: unknown;
    try {
      body = JSON.parse(data);
    } catch {
      return;
    }
    if (typeof body !== 'object' || body === null || typeof (body as { type?: unknown }).type !== 'string') return;
    const { type, problem } = body as { type: string; problem?: unknown };
    if (type === 'error' && isProblem(problem)) {
      if (!isFinal(problem)) return;
      this.refuse(problem);
      return;
    }
    this.backoff.reset();
    this.options.onText({ ...(body as object), type });
  }

  private async askWhy(url: string): Promise<void> {
    const problem = await (this.options.probe ?? httpProbe)(url);
    if (!this.running) return;
    if (problem && isFinal(problem)) this.refuse(problem);
    else this.lose();
  }

  private refuse(problem: Problem): void {
    this.stop();
    if (mayBeGranted(problem)) {
      this.running = true;
      this.retry = this.timers.set(() => this.connect(), granted_ms);
    }
    this.options.onState({ state: 'refused', problem });
  }

  private lose(): void {
    if (!this.running) return;
    this.lost_ms ??= this.timers.now();
    this.options.onState({ state: 'reconnecting', since_ms: this.lost_ms });
    this.retry = this.timers.set(() => this.connect(), this.backoff.next_ms());
  }
}
