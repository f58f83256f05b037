// What must hold of a WebSocket that comes back: delays between tries, what is told, what is never tried again.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Problem } from './api';
import type { LinkState } from './link';
import { ReconnectingSocket } from './socket';
import { settle, TestSocket, TestTimers } from './stand-ins';

const refusal: Problem = { type: 'about:blank', title: 'Not Found', status: 404, detail: 'There is no topic named “x”.' };

describe('a socket that comes back by itself', () => {
  let timers: TestTimers;
  let sockets: TestSocket[];
  let states: LinkState[];
  let texts: unknown[];
  let why: Problem | null;
  let socket: ReconnectingSocket;

  beforeEach(() => {
    timers = new TestTimers();
    sockets = [];
    states = [];
    texts = [];
    why = null;
    socket = new ReconnectingSocket({
      url: () => `/try/${sockets.length + 1}`,
      onText: (body) => texts.push(body),
      onState: (state) => states.push(state),
      open: (url) => {
        const made = new TestSocket(url);
        sockets.push(made);
        return made;
      },
      timers,
      probe: async () => why,
    });
    socket.start();
  });

  it('says that it connects, and that it is open', () => {
    sockets[0]!.onopen?.();
    expect(states).toEqual([{ state: 'connecting' }, { state: 'open' }]);
  });

  it('tries again after a loss with growing pauses, and keeps saying since when', async () => {
    sockets[0]!.onopen?.();
    timers.move(1000);
    sockets[0]!.onclose?.();
    expect(states.at(-1)).toEqual({ state: 'reconnecting', since_ms: 1000 });
    timers.move(249);
    expect(sockets).toHaveLength(1);
    timers.move(1);
    expect(sockets).toHaveLength(2);
    sockets[1]!.onclose?.();
    await settle();
    expect(states.at(-1)).toEqual({ state: 'reconnecting', since_ms: 1000 });
    timers.move(499);
    expect(sockets).toHaveLength(2);
    timers.move(1);
    expect(sockets.at(-1)!.url).toBe('/try/3');
  });

  it('a refusal at the door is asked for over HTTP and is final', async () => {
    why = refusal;
    sockets[0]!.onclose?.();
    await settle();
    expect(states.at(-1)).toEqual({ state: 'refused', problem: refusal });
    timers.move(60_000);
    expect(sockets).toHaveLength(1);
  });

  it('what Kafka does not allow is asked for again until somebody has granted it', () => {
    const denied = { type: 'about:blank', title: 'Forbidden', status: 403, detail: 'not allowed to read topic "t"' };
    sockets[0]!.onopen?.();
    sockets[0]!.text({ type: 'error', problem: denied });
    expect(states.at(-1)).toEqual({ state: 'refused', problem: denied });
    expect(sockets[0]!.closed).toBe(true);
    timers.move(5_000);
    expect(sockets).toHaveLength(2);
    sockets[1]!.onopen?.();
    expect(states.at(-1)).toEqual({ state: 'open' });
    socket.stop();
    timers.move(60_000);
    expect(sockets).toHaveLength(2);
  });

  it("a server's own failure is no refusal", async () => {
    why = { ...refusal, status: 503 };
    sockets[0]!.onclose?.();
    await settle();
    expect(states.at(-1)!.state).toBe('reconnecting');
  });

  it('an error text is a refusal and closes the socket', () => {
    sockets[0]!.onopen?.();
    sockets[0]!.text({ type: 'error', problem: refusal });
    expect(states.at(-1)).toEqual({ state: 'refused', problem: refusal });
    expect(sockets[0]!.closed).toBe(true);
    expect(socket.isRunning).toBe(false);
  });

  it('what is no JSON object with a type is passed over', () => {
    sockets[0]!.onopen?.();
    for (const data of ['', '{', 'null', '[]', '3', '{"type":4}']) sockets[0]!.onmessage?.({ data });
    expect(texts).toEqual([]);
    sockets[0]!.text({ type: 'live' });
    expect(texts).toEqual([{ type: 'live' }]);
  });

  it('after stop nothing comes and nothing is tried', () => {
    socket.stop();
    expect(sockets[0]!.closed).toBe(true);
    expect(sockets[0]!.onmessage).toBeNull();
    timers.move(60_000);
    expect(sockets).toHaveLength(1);
  });
});
