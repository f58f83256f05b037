// What must hold of the player, from recorded bytes and a clock that moves when told.
import { beforeEach, describe, expect, it } from 'vitest';
import { TestSocket, TestTimers } from '../stand-ins';
import { chase, overHole, Target } from './chase';
import { ServerClock } from './clock';
import { decodeTime, setLength } from './length';
import { parseHeader, payload, type Header } from './header';
import { apart_s, AppendQueue, joined, origin_s } from './queue';
import { Place } from './place';
import { PlayerSocket, type PlayerEvent } from './socket';
import { initialStatus, say } from './state';
import { Timeline } from './timeline';

const fromHex = (hex: string): ArrayBuffer => new Uint8Array(hex.replace(/\s/g, '').match(/../g)!.map((b) => Number.parseInt(b, 16))).buffer;

// One key frame as the server writes it: partition 2, 40 ms, offset 1234, captured 2026-11-21T04:00:00.123Z, at 3 s.
const recorded = `01 01 0002 00009c40 00000000000004d2 000001a1fffd107b 00000000002dc6c0 deadbeef`;

const header = (over: Partial<Header>): Header => ({
  kind: 'fragment',
  key: false,
  preroll: false,
  sound: false,
  partition: 0,
  duration_us: 40_000,
  offset: 0,
  timestamp_ms: 0,
  pts_us: 0,
  ...over,
});
const bytes = new Uint8Array([1, 2, 3]);

describe('the header of a binary message', () => {
  it('is read from the bytes of the wire', () => {
    const message = fromHex(recorded);
    expect(parseHeader(message)).toEqual({
      kind: 'fragment',
      key: true,
      preroll: false,
      sound: false,
      partition: 2,
      duration_us: 40_000,
      offset: 1234,
      timestamp_ms: 0x1a1fffd107b,
      pts_us: 3_000_000,
    });
    expect([...payload(message)]).toEqual([0xde, 0xad, 0xbe, 0xef]);
  });

  it('negative times are negative', () => {
    const message = fromHex(`01 02 0000 00000000 0000000000000000 0000000000000000 ffffffffffffffff`);
    expect(parseHeader(message)).toMatchObject({ pts_us: -1, preroll: true, key: false });
  });

  it('too short a message, or one of an unknown kind, is none', () => {
    expect(parseHeader(new ArrayBuffer(0))).toBeNull();
    expect(parseHeader(new ArrayBuffer(31))).toBeNull();
    expect(parseHeader(fromHex(`07 ${'00'.repeat(31)}`))).toBeNull();
  });
});

describe("the server's clock", () => {
  it('is best known from the message that was least late', () => {
    let now = 1000;
    const clock = new ServerClock(() => now);
    expect(clock.now_ms()).toBe(1000);
    clock.heard(5990);
    now = 2000;
    clock.heard(6999);
    now = 3000;
    clock.heard(7900);
    expect(clock.now_ms()).toBe(7999);
  });

  it('forgets after a minute, so that it follows a clock that was set', () => {
    let now = 0;
    const clock = new ServerClock(() => now);
    clock.heard(100_000);
    now = 61_000;
    clock.heard(61_000);
    expect(clock.offset_ms).toBe(0);
  });
});

describe('the time line', () => {
  const picture = (at_s: number, offset: number) => ({ at_s, duration_s: 0.04, partition: 0, offset, timestamp_ms: offset * 40 });

  it('finds the picture shown, also where pictures come in decoding order', () => {
    const timeline = new Timeline();
    for (const [at_s, offset] of [[1, 0], [1.12, 1], [1.04, 2], [1.08, 3]] as const) timeline.add(picture(at_s, offset));
    expect([0.5, 1, 1.05, 1.1, 1.12, 9].map((t) => timeline.at(t)?.offset)).toEqual([undefined, 0, 2, 3, 1, 1]);
  });

  it('a picture that comes again takes its own place', () => {
    const timeline = new Timeline();
    timeline.add(picture(1, 0));
    timeline.add(picture(1.04, 1));
    timeline.add(picture(1.0005, 7));
    expect(timeline.at(1.001)?.offset).toBe(7);
    expect(timeline.find(0, 0)).toBeNull();
  });

  it('steps picture by picture and stops at the ends', () => {
    const timeline = new Timeline();
    for (let i = 0; i < 5; i += 1) timeline.add(picture(1 + i * 0.04, i));
    expect(timeline.step(1.081, 1)?.offset).toBe(3);
    expect(timeline.step(1.081, -1)?.offset).toBe(1);
    expect(timeline.step(1, -1)?.offset).toBe(0);
    expect(timeline.step(1.2, 1)?.offset).toBe(4);
  });

  it('finds the picture of a capture time, and the one behind a pause for a time in it', () => {
    const timeline = new Timeline();
    for (const [at_s, timestamp_ms] of [[1, 1000], [1.04, 1040], [1.08, 3_601_000]] as const) timeline.add({ ...picture(at_s, timestamp_ms), timestamp_ms });
    expect([999, 1000, 1039, 1041, 1_800_000, 3_601_039, 3_601_041].map((t) => timeline.shownAt(t)?.timestamp_ms)).toEqual([
      undefined, 1000, 1000, 1040, 3_601_000, 3_601_000, undefined,
    ]);
  });

  it('drops what is no longer buffered, all of it where need be', () => {
    const timeline = new Timeline();
    for (let i = 0; i < 5; i += 1) timeline.add(picture(1 + i * 0.04, i));
    timeline.dropBefore(1.1);
    expect(timeline.at(1.05)).toBeNull();
    expect(timeline.at(1.11)?.offset).toBe(2);
    timeline.dropBefore(50);
    expect(timeline.last).toBeNull();
  });
});

describe('staying near the edge', () => {
  it.each([
    [0.1, 1, null],
    [0.12, 1, null],
    [0.2, 1.04, null],
    [0.6, 1.1, null],
    [1.9, 1.1, null],
    [0.02, 0.97, null],
    [0, 0.96, null],
    [2.1, 1, 10 - 0.1],
  ])('with %d s ahead of a target of 0.1 s the rate is %d', (ahead_s, rate, seek_s) => {
    const to = chase(10 - ahead_s, 10, 0.1);
    expect(to.rate).toBe(rate);
    if (seek_s === null) expect(to.seek_s).toBeNull();
    else expect(to.seek_s).toBeCloseTo(seek_s);
  });

  it('B-frames need a larger reserve', () => {
    const target = new Target();
    for (const pts of [0, 40_000, 80_000]) target.picture(pts);
    expect(target.seconds(0)).toBeCloseTo(0.1);
    for (const pts of [200_000, 120_000]) target.picture(pts);
    expect(target.seconds(0)).toBeCloseTo(0.3);
  });

  it("a new connection's time line is no B-frame", () => {
    const target = new Target();
    target.picture(1e9);
    target.restart();
    target.picture(0);
    expect(target.seconds(0)).toBeCloseTo(0.1);
  });

  it('each stall adds to the reserve, up to a limit, and quiet time gives it back', () => {
    const target = new Target();
    target.stalled(0);
    target.stalled(500);
    expect(target.seconds(500)).toBeCloseTo(0.15);
    for (let i = 1; i < 30; i += 1) target.stalled(i * 1000);
    expect(target.seconds(30_000)).toBeCloseTo(0.5);
    expect(target.seconds(29_000 + 40_000)).toBeCloseTo(0.3);
    expect(target.seconds(29_000 + 1e6)).toBeCloseTo(0.1);
  });

  it('a hole in the buffer is jumped over, the end of it is waited at', () => {
    const ranges = [{ start_s: 1, end_s: 4 }, { start_s: 6, end_s: 9 }];
    expect(overHole(ranges, 2)).toBeNull();
    expect(overHole(ranges, 3.99)).toBeCloseTo(6.001);
    expect(overHole(ranges, 0)).toBeCloseTo(1.001);
    expect(overHole(ranges, 8.99)).toBeNull();
    expect(overHole([], 3)).toBeNull();
  });
});

describe('what has come but is not appended yet', () => {
  let queue: AppendQueue;
  let timeline: Timeline;
  beforeEach(() => {
    queue = new AppendQueue();
    timeline = new Timeline();
  });

  it('the first picture ever stands at the origin, whatever its own time', () => {
    queue.opened();
    queue.setMime('video/mp4');
    queue.init(bytes);
    expect(queue.takeRebase(timeline, null)).toBeNull();
    expect(queue.waitsForRebase).toBe(true);
    queue.fragment(header({ key: true, pts_us: 7_000_000 }), bytes);
    expect(queue.takeRebase(timeline, null)).toBeCloseTo(origin_s - 7);
    expect(queue.waitsForRebase).toBe(false);
    expect(queue.takeInit()).toMatchObject({ mime: 'video/mp4' });
    expect(queue.takeFragments()).toHaveLength(1);
  });

  it('pictures in front of the position get room before it', () => {
    queue.opened();
    queue.fragment(header({ key: true, preroll: true, pts_us: 4_000_000, offset: 1 }), bytes);
    expect(queue.takeRebase(timeline, null)).toBeNull();
    queue.fragment(header({ pts_us: 5_000_000, offset: 2 }), bytes);
    expect(queue.takeRebase(timeline, null)).toBeCloseTo(origin_s - 4);
  });

  it('a new connection goes on where the buffer ends', () => {
    queue.opened();
    queue.fragment(header({ key: true, pts_us: 500_000, offset: 90 }), bytes);
    expect(queue.takeRebase(timeline, 33)).toBeCloseTo(32.5);
  });

  it('what a jump brings stands apart from what is buffered, though the same record is there', () => {
    timeline.add({ at_s: 12, duration_s: 0.04, partition: 0, offset: 50, timestamp_ms: 777 });
    queue.opened();
    queue.fragment(header({ key: true, preroll: true, pts_us: 2_000_000, offset: 50, timestamp_ms: 777 }), bytes);
    expect(queue.takeRebase(timeline, 33, true)).toBeCloseTo(33 + apart_s - 2);
    expect(queue.waitsForRebase).toBe(false);
  });

  /** As much of a fragment as says when it is decoded. */
  const decodedAt = (time: number): Uint8Array<ArrayBuffer> => {
    const box = new DataView(new ArrayBuffer(20));
    box.setUint32(0, 20);
    box.setUint32(4, 0x74666474);
    box.setUint8(8, 1);
    box.setBigUint64(12, BigInt(time));
    return new Uint8Array(box.buffer);
  };

  it('what leans on pictures from before a publisher’s pause is laid right behind them', () => {
    queue.fragment(header({ key: true }), decodedAt(0));
    queue.fragment(header({}), decodedAt(40_000));
    expect(queue.takeGap()).toBe(0);
    expect(queue.takeFragments()).toHaveLength(2);
    // As long as two pictures is no gap yet.
    queue.fragment(header({}), decodedAt(120_000));
    expect(queue.takeGap()).toBe(0);
    queue.takeFragments();
    queue.fragment(header({}), decodedAt(3_160_000));
    expect(queue.takeGap()).toBeCloseTo(3);
    queue.takeFragments();
    queue.fragment(header({}), decodedAt(3_200_000));
    expect(queue.takeGap()).toBe(0);
    queue.takeFragments();
    // A key frame leans on nothing; another connection's times count from elsewhere.
    queue.fragment(header({ key: true }), decodedAt(9_000_000));
    expect(queue.takeGap()).toBe(0);
    queue.takeFragments();
    queue.clear();
    queue.fragment(header({}), decodedAt(50_000_000));
    expect(queue.takeGap()).toBe(0);
  });

  it('records that come again are laid over themselves', () => {
    timeline.add({ at_s: 12, duration_s: 0.04, partition: 0, offset: 50, timestamp_ms: 777 });
    queue.opened();
    queue.fragment(header({ key: true, preroll: true, pts_us: 2_000_000, offset: 50, timestamp_ms: 777 }), bytes);
    expect(queue.takeRebase(timeline, 33)).toBeCloseTo(10);
  });

  it('the same offset of a topic made anew is another record', () => {
    timeline.add({ at_s: 12, duration_s: 0.04, partition: 0, offset: 50, timestamp_ms: 777 });
    queue.opened();
    queue.fragment(header({ key: true, pts_us: 2_000_000, offset: 50, timestamp_ms: 999 }), bytes);
    expect(queue.takeRebase(timeline, 33)).toBeCloseTo(31);
  });

  it('a connection overtaken by the next does not count', () => {
    queue.opened();
    queue.opened();
    queue.fragment(header({ key: true, pts_us: 0 }), bytes);
    expect(queue.takeRebase(timeline, 5)).toBeCloseTo(5);
    expect(queue.waitsForRebase).toBe(false);
  });

  /** As the server packs a picture: where its boxes have their times. */
  const packed = (decode_us: number, duration_us: number): Uint8Array<ArrayBuffer> => {
    const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
    const traf = `00000010 74666864 00020000 00000001 00000014 74666474 01000000 ${hex(decode_us, 16)}
      00000024 7472756e 01000f01 00000001 00000074 ${hex(duration_us, 8)} 00000003 02000000 00000000`;
    return new Uint8Array(fromHex(`0000006c 6d6f6f66 00000010 6d666864 00000000 00000001 00000054 74726166 ${traf} 0000000b 6d646174 010203`));
  };
  const lengthOf = (fragment: Uint8Array): number => new DataView(fragment.buffer).getUint32(88);

  it('a picture lasts until the next one, whatever was guessed when it was sent', () => {
    for (const [i, [at_us, guess_us]] of ([[0, 40_000], [40_000, 40_000], [240_000, 200_000], [280_000, 40_000], [60_000_000, 40_000]] as const).entries()) {
      queue.fragment(header({ offset: i, pts_us: at_us, duration_us: guess_us }), packed(at_us, guess_us));
    }
    const taken = queue.takeFragments();
    // Not over a pause.
    expect(taken.map(({ bytes }) => lengthOf(bytes))).toEqual([40_000, 200_000, 40_000, 40_000, 40_000]);
    expect(taken[1]!.header.duration_us).toBe(200_000);
  });

  it('the last one waits for the next where that is sure to come, unless something else follows', () => {
    for (const at_us of [0, 40_000]) queue.fragment(header({ pts_us: at_us }), packed(at_us, 40_000));
    expect(queue.takeFragments(true)).toHaveLength(1);
    expect(queue.takeFragments(true)).toHaveLength(0);
    queue.opened();
    expect(queue.takeFragments(true)).toHaveLength(1);
  });

  it('a fragment without a place for a length stays as it is', () => {
    for (const hostile of [new Uint8Array(0), bytes, new Uint8Array(fromHex('7472756e')), new Uint8Array(fromHex('00000000 74666474 01'))]) {
      expect(decodeTime(hostile)).toBeNull();
      expect(setLength(hostile, 5)).toBe(false);
    }
  });

  it('one append ends before an init segment and near a megabyte', () => {
    const large = new Uint8Array(700_000);
    for (let i = 0; i < 3; i += 1) queue.fragment(header({ offset: i }), large);
    queue.init(bytes);
    const first = queue.takeFragments();
    expect(first.map((f) => f.header.offset)).toEqual([0, 1]);
    expect(joined(first)).toHaveLength(1_400_000);
    expect(queue.takeFragments()).toHaveLength(1);
    expect(queue.takeFragments()).toHaveLength(0);
    expect(queue.takeInit()).not.toBeNull();
  });

  it('what did not fit comes first again', () => {
    queue.fragment(header({ offset: 1 }), bytes);
    queue.fragment(header({ offset: 2 }), bytes);
    queue.putBack(queue.takeFragments());
    expect(queue.takeFragments().map((f) => f.header.offset)).toEqual([1, 2]);
  });
});

describe("the player's socket", () => {
  let timers: TestTimers;
  let sockets: TestSocket[];
  let events: PlayerEvent[];

  const open = (from: string, group: string | null = null): PlayerSocket => {
    timers = new TestTimers();
    sockets = [];
    events = [];
    const socket = new PlayerSocket({
      topic: 'a/b',
      from,
      group,
      onEvent: (event) => events.push(event),
      onState: () => {},
      open: (url) => {
        const made = new TestSocket(url);
        sockets.push(made);
        return made;
      },
      timers,
      probe: async () => null,
    });
    socket.start();
    sockets[0]!.onopen?.();
    return socket;
  };
  const lose = (): void => {
    sockets.at(-1)!.onclose?.();
    timers.move(6000);
  };

  it('asks for the topic by its escaped name, with position and group', () => {
    open('resume', 'me & you');
    expect(sockets[0]!.url).toBe('/topics/a%2Fb/live?from=resume&group=me+%26+you');
  });

  it('turns texts and bytes into events', () => {
    open('live');
    sockets[0]!.text({ type: 'init', codec: 'avc1.64001f', mime: 'video/mp4; codecs="avc1.64001f"', width: 1280, height: 720 });
    sockets[0]!.binary(fromHex(`00 00 0000 00000000 ${'00'.repeat(24)} aa`));
    sockets[0]!.binary(fromHex(recorded));
    sockets[0]!.binary(new ArrayBuffer(3));
    expect(events.map((e) => e.type)).toEqual(['opened', 'init', 'initBytes', 'fragment']);
  });

  it('at the edge a loss is made good at the edge', () => {
    open('live');
    sockets[0]!.binary(fromHex(recorded));
    lose();
    expect(sockets[1]!.url).toContain('from=live');
  });

  it('elsewhere it goes on behind the last picture that came', () => {
    open('start');
    sockets[0]!.binary(fromHex(recorded));
    lose();
    expect(sockets[1]!.url).toContain('from=1235');
  });

  it('elsewhere, before any picture, it asks for the same position again', () => {
    open('start');
    lose();
    expect(sockets[1]!.url).toContain('from=start');
  });

  it('with a group it says which picture was seen, each once; without one it says nothing', () => {
    const socket = open('resume', 'me');
    socket.shown(0, 5);
    socket.shown(0, 5);
    socket.shown(0, 9);
    expect(sockets[0]!.sent.map((text) => JSON.parse(text) as unknown)).toEqual([
      { type: 'shown', partition: 0, offset: 5 },
      { type: 'shown', partition: 0, offset: 9 },
    ]);
    open('start').shown(0, 5);
    expect(sockets[0]!.sent).toEqual([]);
  });

  it('the place of a named viewer is told by a connection of its own, one at a time, each place once', () => {
    sockets = [];
    const make = (url: string): TestSocket => (sockets.push(new TestSocket(url)), sockets.at(-1)!);
    const place = new Place({ topic: 'a', group: 'me', camera: null, open: make });
    place.tell(0, 5);
    place.tell(0, 6);
    expect(sockets).toHaveLength(1);
    expect(sockets[0]!.url).toBe('/topics/a/live?from=live&group=me');
    sockets[0]!.onopen?.();
    for (const type of ['clock', 'live', 'clock']) {
      expect(sockets[0]!.closed).toBe(false);
      sockets[0]!.text({ type });
    }
    expect(sockets[0]!.sent).toEqual(['{"type":"shown","partition":0,"offset":5}']);
    expect(sockets[0]!.closed).toBe(true);
    place.tell(0, 5);
    expect(sockets).toHaveLength(1);
    place.tell(0, 6);
    sockets[1]!.onclose?.();
    place.tell(0, 6);
    expect(sockets).toHaveLength(3);
  });

  it('a viewer that left the edge goes on from where it is', () => {
    const socket = open('live');
    socket.leaveEdge();
    expect(sockets[0]!.closed).toBe(false);
    sockets[0]!.binary(fromHex(recorded));
    socket.goOn();
    expect(sockets[1]!.url).toContain('from=1235');
    socket.restart('live');
    expect(sockets[2]!.url).toContain('from=live');
  });
});

describe('how the player says how it stands', () => {
  const base = { ...initialStatus(true), link: { state: 'open' } as const, shown: true };

  it.each([
    ['loading', { ...base, shown: false }, 'idle', 'Loading'],
    ['live', { ...base, delay_ms: 43.2 }, 'live', 'Live · 43 ms'],
    ['behind', { ...base, follow: false, delay_ms: 12_300 }, 'warn', '12 s behind'],
    ['paused', { ...base, paused: true, follow: false, delay_ms: 1500 }, 'warn', 'Paused · 1.5 s behind'],
    ['quiet', { ...base, quiet_ms: 4200 }, 'idle', 'No new picture for 4.2 s'],
    ['ended', { ...base, quiet_ms: 15_000, ended_ms: 240_000 }, 'idle', 'Ended · last picture 4 min ago'],
    ['a quick jump', { ...base, follow: false, delay_ms: 12_300, jumpingSince_ms: 9900 }, 'warn', '12 s behind'],
    ['a slow jump', { ...base, follow: false, delay_ms: 12_300, jumpingSince_ms: 9000 }, 'idle', 'Loading'],
    ['waiting', { ...base, waiting: 'Kafka is away.', waitingSince_ms: 8000 }, 'warn', 'Waiting, 2.0 s'],
    ['reconnecting', { ...base, link: { state: 'reconnecting', since_ms: 7000 } as const }, 'warn', 'Reconnecting, 3.0 s'],
    ['blocked', { ...base, blocked: true }, 'idle', 'Press space to play'],
  ])('%s', (_, status, tone, text) => {
    const said = say(status, 10_000);
    expect(said).toMatchObject({ tone, text });
  });

  it('offers the edge where there is one to go to, and greys what is old', () => {
    expect(say({ ...base, follow: false }, 0).edge).toBe(true);
    expect(say(base, 0).edge).toBeUndefined();
    expect(say({ ...base, link: { state: 'reconnecting', since_ms: 0 } }, 0).stale).toBe(true);
  });

  it('a refusal carries what, why and the remedy', () => {
    const problem = { type: 'about:blank', title: 'Not Found', status: 404, detail: 'There is no topic named x.', remedy: 'Create it.' };
    expect(say({ ...base, link: { state: 'refused', problem } }, 0)).toMatchObject({ tone: 'bad', problem });
  });
});
