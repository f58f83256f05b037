// What must hold of the numbers as they come: gathered whole, counted where they cannot be drawn, bounded, and kept over a loss.
import { beforeEach, describe, expect, it } from 'vitest';
import { TestSocket, TestTimers, settle } from '../stand-ins';
import { Edge } from './edge';
import { SeriesFeed } from './feed';
import { sayChart, type ChartStatus } from './state';
import { StillFetch, stretchFor } from './still';
import { mostSeries, Store } from './store';

const columns = (name: string, t_ms: number[], more: object = {}): unknown => ({
  type: 'columns',
  series: [{ name, t_ms, v: t_ms.map((t) => t / 10), arrival_ms: t_ms.map((t) => t + 5), offset: t_ms.map((_, i) => i) }],
  passed_over: 0,
  reasons: {},
  ...more,
});

describe('the series feed', () => {
  let sockets: TestSocket[];
  let feed: SeriesFeed;
  let timers: TestTimers;
  let columnsAsked: number | null;

  beforeEach(() => {
    sockets = [];
    timers = new TestTimers();
    columnsAsked = 800;
    feed = new SeriesFeed({
      topic: 'sensors',
      ask: () => ({ from_ms: 40_000, window_ms: 60_000, columns: columnsAsked }),
      makeStore: () => new Store(),
      now: () => 100_000,
      onState: () => {},
      open: (url) => {
        const made = new TestSocket(url);
        sockets.push(made);
        return made;
      },
      timers,
      probe: async () => null,
    });
    feed.start();
    sockets[0]!.onopen?.();
  });

  it('asks for its window since a time, in as many columns as the chart has', () => {
    const url = new URL(sockets[0]!.url, 'http://host');
    expect(url.pathname).toBe('/topics/sensors/series');
    expect(Object.fromEntries(url.searchParams)).toEqual({ from: '1970-01-01T00:00:40.000Z', window: '60000ms', columns: '800' });
    columnsAsked = null;
    feed.restart();
    expect(sockets[1]!.url).not.toContain('columns');
  });

  it('gathers columns by series, and what holds no numbers by its reasons', () => {
    sockets[0]!.text(columns('a', [90_000, 91_000], { passed_over: 2, reasons: { 'it is text': 2 } }));
    sockets[0]!.text(columns('b', [92_500]));
    sockets[0]!.text(columns('a', [93_000], { passed_over: 1, reasons: { 'it is text': 1, 'not UTF-8': 1 } }));
    expect([...feed.store.rings.keys()]).toEqual(['a', 'b']);
    expect(feed.store.rings.get('a')!.length).toBe(3);
    expect([feed.store.passedOver, Object.fromEntries(feed.store.reasons)]).toEqual([3, { 'it is text': 3, 'not UTF-8': 1 }]);
    expect(feed.caughtUp).toBe(false);
    sockets[0]!.text({ type: 'live' });
    expect(feed.caughtUp).toBe(true);
  });

  it('over a loss what was held stays until all of it has come anew, and no point stands there twice', () => {
    sockets[0]!.text(columns('a', [90_000, 91_000]));
    sockets[0]!.text({ type: 'live' });
    sockets[0]!.onclose?.();
    timers.move(10_000);
    sockets[1]!.onopen?.();
    expect(feed.store.rings.get('a')!.length).toBe(2);
    sockets[1]!.text(columns('a', [90_000]));
    expect(feed.store.rings.get('a')!.length).toBe(2);
    sockets[1]!.text(columns('a', [91_000, 92_000]));
    sockets[1]!.text({ type: 'live' });
    expect(feed.store.rings.get('a')!.length).toBe(3);
  });

  it('a number from the year 2999 is counted and hides no other', () => {
    sockets[0]!.text(columns('a', [90_000, 91_000, 92_000]));
    sockets[0]!.text(columns('a', [32_472_144_000_000]));
    sockets[0]!.text(columns('a', [93_000]));
    expect([feed.store.rings.get('a')!.length, feed.store.ahead]).toEqual([4, 1]);
    expect(feed.edge.at(100_000, 60_000)).toBe(100_000);
  });

  it('of what comes live it knows how long it took; of the past nobody does', () => {
    sockets[0]!.text(columns('a', [90_000]));
    expect(feed.delay_ms).toBeNull();
    sockets[0]!.text({ type: 'live' });
    sockets[0]!.text(columns('a', [91_000]));
    expect(feed.delay_ms).toBe(5);
  });

  it('says why nothing comes', () => {
    sockets[0]!.text({ type: 'waiting', why: 'Kafka is away.' });
    expect(feed.waiting).toBe('Kafka is away.');
    sockets[0]!.text({ type: 'reconnected' });
    expect(feed.waiting).toBeNull();
  });
});

describe('the store', () => {
  it('is bounded, however many points and series come', () => {
    const store = new Store();
    const grid = { origin_ms: 0, pixel_ms: 86_400 };
    for (let batch = 0; batch < 100; batch += 1) {
      const t_ms = Array.from({ length: 5000 }, (_, i) => (batch * 5000 + i) * 100);
      store.add([{ name: 'fast', t_ms, v: t_ms.map(Math.sin), arrival_ms: t_ms, offset: t_ms }], false);
      store.trim(0, grid, 1000);
      expect(store.rings.get('fast')!.length).toBeLessThan(1000 * 8 + 5000);
    }
    for (let n = 0; n < 2000; n += 1) store.add([{ name: `key-${n}`, t_ms: [1], v: [1], arrival_ms: [1], offset: [1] }], false);
    expect(store.rings.size).toBe(mostSeries);
    expect(store.leftOut.size).toBeGreaterThan(0);
  });

  it('lets go what has left the window', () => {
    const store = new Store();
    store.add([{ name: 'a', t_ms: [1000, 2000, 200_000], v: [1, 2, 3], arrival_ms: [0, 0, 0], offset: [0, 1, 2] }], false);
    store.trim(100_000, null, 100);
    expect(store.rings.get('a')!.length).toBe(1);
  });
});

describe('where a window that moves ends', () => {
  const edge = (times: number[]): Edge => {
    const made = new Edge();
    times.forEach((t) => made.note(t));
    return made;
  };
  it.each([
    ['now, before anything has come', [], 1_000_000],
    ['now, while numbers come', [990_000, 991_000, 999_000], 1_000_000],
    ['at the newest, of a clock that is a little ahead', [999_000, 1_000_500, 1_001_000], 1_001_000],
    ['at the newest, of numbers of last year', [1000, 2000, 3000], 3000],
    ['now, whatever one wild time says', [990_000, 991_000, 9e12, 992_000, 993_000], 1_000_000],
  ])('%s', (_, times, at) => expect(edge(times).at(1_000_000, 60_000)).toBe(at));
});

describe('a stretch that stands still', () => {
  it('is asked for in columns of which those of the chart are some', () => {
    for (const [from, to, width] of [[0, 60_000, 1137], [1_769_860_800_123, 1_769_860_860_456, 800], [0, 86_400_000, 4096], [500, 10_777, 333]] as const) {
      const asked = stretchFor(from, to, width, false);
      expect(asked.columns).toBeLessThanOrEqual(4096);
      expect([asked.from_ms, asked.to_ms].every(Number.isInteger)).toBe(true);
      expect(asked.grid).toEqual({ origin_ms: asked.from_ms, pixel_ms: (asked.to_ms - asked.from_ms) / asked.columns! });
      const begins = asked.grid.origin_ms + (asked.right - width) * asked.grid.pixel_ms;
      expect(Math.abs(begins - from)).toBeLessThan(1.5);
      expect(Math.abs(begins + width * asked.grid.pixel_ms - to)).toBeLessThan(1.5);
    }
  });

  it('reaches a little beyond what is shown, and a short one is asked for whole', () => {
    expect(stretchFor(60_000, 120_000, 1000, false)).toMatchObject({ from_ms: 54_960, to_ms: 180_000 });
    expect(stretchFor(60_000, 61_000, 1000, false)).toMatchObject({ from_ms: 55_000, to_ms: 121_000, columns: null });
  });

  const answer = (body: unknown, status = 200): Promise<Response> => Promise.resolve(new Response(JSON.stringify(body), { status }));
  const stretch = (n: number) => stretchFor(n, n + 60_000, 100, false);

  it('of several asked for in quick succession the last counts', async () => {
    const timers = new TestTimers();
    const asked: string[] = [];
    const got: unknown[] = [];
    const fetch = new StillFetch({ topics: ['t'], timers, onAnswers: (answers) => got.push(answers), onProblem: () => {}, fetch: (url) => (asked.push(url), answer({ n: asked.length })) });
    for (let n = 0; n < 10; n += 1) {
      fetch.ask(stretch(n * 1000));
      timers.move(20);
    }
    timers.move(500);
    for (let i = 0; i < 5; i += 1) await settle();
    expect(asked).toHaveLength(1);
    expect(got).toEqual([[{ n: 1 }]]);
  });

  it('a refusal is told, a server that is busy or away is asked again', async () => {
    const timers = new TestTimers();
    const problems: string[] = [];
    const replies = [() => Promise.reject(new Error('away')), () => answer({ title: 'Busy', status: 503, detail: 'busy' }, 503), () => answer({ title: 'Bad', status: 400, detail: 'no' }, 400)];
    let asked = 0;
    const fetch = new StillFetch({ topics: ['t'], timers, onAnswers: () => {}, onProblem: ({ detail }) => problems.push(detail), fetch: () => replies[asked++]!() });
    fetch.ask(stretch(0));
    for (let i = 0; i < 5; i += 1) {
      timers.move(2500);
      for (let k = 0; k < 5; k += 1) await settle();
    }
    expect([asked, problems]).toEqual([3, ['busy', 'no']]);
  });
});

describe('how the chart says how it stands', () => {
  const base: ChartStatus = { link: { state: 'open' }, caughtUp: true, waiting: null, newest_ms: 99_000, delay_ms: null, stoodAt_ms: null };
  it.each([
    ['live', base, 'live', 'Live'],
    ['live with its delay', { ...base, delay_ms: 43 }, 'live', 'Live · 43 ms'],
    ['old', { ...base, newest_ms: 40_000 }, 'idle', 'Newest value 60 s ago'],
    ['empty', { ...base, newest_ms: null }, 'idle', 'No numbers in this window'],
    ['loading', { ...base, newest_ms: null, caughtUp: false }, 'idle', 'Loading'],
    ['waiting', { ...base, waiting: 'Kafka is away.' }, 'warn', 'Waiting'],
  ])('%s', (_, status, tone, text) => expect(sayChart(status as ChartStatus, 100_000)).toMatchObject({ tone, text }));

  it('paused says since when and how far behind, reconnecting since when', () => {
    expect(sayChart({ ...base, stoodAt_ms: 5000 }, 5500).text).toMatch(/^Paused at \d\d:\d\d:05$/);
    expect(sayChart({ ...base, stoodAt_ms: 5000 }, 17_000).text).toMatch(/^Paused at \d\d:\d\d:05 · 12 s behind$/);
    expect(sayChart({ ...base, link: { state: 'reconnecting', since_ms: 7000 } }, 0).text).toMatch(/since \d\d:\d\d:07$/);
  });
});
