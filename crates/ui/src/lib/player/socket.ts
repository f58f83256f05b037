// The player's socket: `/topics/{topic}/live` read into typed events. Knows the protocol and where to go on after a loss; knows
// no video element.

import type { LiveEvent } from '../api';
import type { LinkState, Probe, Timers } from '../link';
import { routes } from '../routes';
import { ReconnectingSocket, type SocketLike } from '../socket';
import { parseHeader, payload, type Header } from './header';

export type PlayerEvent =
  | Exclude<LiveEvent, { type: 'error' }>
  /** A connection has just opened: its time line begins anew. */
  | { type: 'opened' }
  | { type: 'initBytes'; sound: boolean; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'fragment'; header: Header; bytes: Uint8Array<ArrayBuffer> };

export interface PlayerSocketOptions {
  topic: string;
  from: string;
  group?: string | null;
  /** Of several cameras in the topic, the one under this record key. */
  camera?: string | null;
  /** With the sound beside the pictures. */
  sound?: boolean;
  onEvent: (event: PlayerEvent) => void;
  onState: (state: LinkState) => void;
  open?: (url: string) => SocketLike;
  timers?: Timers;
  probe?: Probe;
}

export class PlayerSocket {
  private readonly socket: ReconnectingSocket;
  private from: string;
  private last: number | null = null;
  private lastShown = '';

  constructor(private readonly options: PlayerSocketOptions) {
    this.from = options.from;
    this.socket = new ReconnectingSocket({
      url: () => routes.live(options.topic, this.position(), options.group, options.camera, options.sound),
      onText: (body) => options.onEvent(body as Exclude<LiveEvent, { type: 'error' }>),
      onBinary: (message) => this.receive(message),
      onState: (state) => {
        if (state.state === 'open') options.onEvent({ type: 'opened' });
        options.onState(state);
      },
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

  /** Opens again at another position; what was under way is dropped. */
  restart(from: string): void {
    this.socket.stop();
    this.from = from;
    this.last = null;
    this.socket.start();
  }

  /** Opens again behind the last picture that came. */
  goOn(): void {
    this.socket.stop();
    this.socket.start();
  }

  /** At the edge a loss is made good by the edge; elsewhere nothing may be left out. */
  private position(): string {
    if (this.from === 'live' || this.last === null) return this.from === 'left' ? 'live' : this.from;
    return String(this.last + 1);
  }

  /**
   * Says which picture is on the screen, for a group's position: what was sent is buffered up to a minute ahead of what was
   * seen, and whoever comes back wants to go on from what was seen.
   */
  shown(partition: number, offset: number): void {
    if (!this.options.group) return;
    const text = `${partition}:${offset}`;
    if (text === this.lastShown) return;
    if (this.socket.send({ type: 'shown', partition, offset } as { type: string })) this.lastShown = text;
  }

  /** A viewer that has left the edge goes on from where it is after a loss. */
  leaveEdge(): void {
    if (this.from === 'live') this.from = 'left';
  }

  private receive(message: ArrayBuffer): void {
    const header = parseHeader(message);
    if (!header) return;
    if (header.kind === 'init') {
      this.options.onEvent({ type: 'initBytes', sound: header.sound, bytes: payload(message) });
      return;
    }
    // Whoever goes on goes on behind a picture, and gets its sound again.
    if (!header.sound) this.last = Math.max(this.last ?? header.offset, header.offset);
    this.options.onEvent({ type: 'fragment', header, bytes: payload(message) });
  }
}
