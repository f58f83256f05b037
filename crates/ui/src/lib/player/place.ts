// The place of a named viewer, told to the server while the player's own connection rests: a minute is buffered ahead then, and
// whoever leaves meanwhile wants to go on from what was seen. A connection for the one message, now and then. No DOM.

import { routes } from '../routes';
import { openWebSocket, type SocketLike } from '../socket';

export interface PlaceOptions {
  topic: string;
  group: string;
  camera: string | null;
  open?: (url: string) => SocketLike;
}

export class Place {
  private socket: SocketLike | null = null;
  private told = '';

  constructor(private readonly options: PlaceOptions) {}

  /** Tells it once; what is still under way is not told over. */
  tell(partition: number, offset: number): void {
    const text = `${partition}:${offset}`;
    if (this.socket || text === this.told) return;
    const { topic, group, camera, open = openWebSocket } = this.options;
    // The live edge is the least that can be asked for: more than nobody reads keeps the server from hearing.
    const socket = open(routes.live(topic, 'live', group, camera));
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: 'shown', partition, offset }));
    // The server tells the time at once and a second later: by then it has heard.
    let clocks = 0;
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string' || !data.includes('"clock"')) return;
      clocks += 1;
      if (clocks < 2) return;
      this.told = text;
      this.stop();
    };
    socket.onclose = socket.onerror = () => this.stop();
  }

  stop(): void {
    const { socket } = this;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onclose = socket.onerror = socket.onmessage = null;
    socket.close();
  }
}
