// What must hold of series: rings, gaps, the least and greatest of each pixel column.
import { beforeEach, describe, expect, it } from 'vitest';
import { TestSocket, TestTimers } from '../stand-ins';
import { align, extent, steadyRange } from './align';
import { SeriesFeed } from './feed';
import { SeriesRing } from './ring';
import { sayChart, type ChartStatus } from './state';

describe('the ring of one series', () => {
  it('keeps points in order of time, also one that comes late', () => {
    const ring = new SeriesRing();
    [[100, 1], [300, 3], [200, 2]].forEach(([t, v], offset) => ring.add(t!, v!, offset));
    expect(ring.reduce(0, 1000, 100)).toEqual({ t_ms: [100, 200, 300], v: [1, 2, 3] });
    expect(ring.last).toEqual({ t_ms: 300, v: 3 });
  });

  it('passes over what is sent again after a loss, but not a topic made anew', () => {
    const ring = new SeriesRing();
    for (const [t, v, offset] of [[100, 1, 5], [200, 2, 6], [100, 1, 5], [200, 2, 6], [300, 3, 7]] as const) ring.add(t, v, offset);
    expect(ring.length).toBe(3);
    ring.add(400, 9, 0);
    expect(ring.length).toBe(4);
  });

  it('grows, and lets the oldest go', () => {
    const ring = new SeriesRing();
    for (let i = 0; i < 5000; i += 1) {
      ring.add(i, i, i);
      if (i > 2000) ring.dropBefore(i - 2000);
    }
    expect(ring.length).toBe(2001);
    const { t_ms } = ring.reduce(2999, 4999, 100_000);
    expect([t_ms[0], t_ms.at(-1), t_ms.length]).toEqual([2999, 4999, 2001]);
  });

  it('many points to a pixel become its lowest and highest, in their order', () => {
    const ring = new SeriesRing();
    for (let i = 0; i < 1000; i += 1) ring.add(i, i === 503 ? 99 : i === 507 ? -99 : 0, i);
    const { t_ms, v } = ring.reduce(0, 1000, 10);
    expect(t_ms.length).toBeLessThanOrEqual(22);
    expect(v).toContain(99);
    expect(v).toContain(-99);
    expect(t_ms).toEqual([...t_ms].sort((a, b) => a - b));
  });

  it('does not shimmer: a window moved by less than a pixel keeps the same extremes', () => {
    const ring = new SeriesRing();
    for (let i = 0; i < 10_000; i += 1) ring.add(i, Math.sin(i * 12.9898) * 100, i);
    const inner = (from: number): string =>
      JSON.stringify(ring.reduce(from, from + 5000, 50).t_ms.filter((t) => t > 2200 && t < 6800));
    expect(inner(2003)).toBe(inner(2047));
  });

  it('a silence is a gap, drawn as one; the usual pause between bursts is none', () => {
    const ring = new SeriesRing();
    let offset = 0;
    for (let t = 0; t < 10_000; t += 200) ring.add(t, 1, offset++);
    for (let t = 20_000; t < 22_000; t += 200) ring.add(t, 1, offset++);
    const { v } = ring.reduce(0, 22_000, 1000);
    expect(v.filter((x) => x === null)).toHaveLength(1);
    expect(v.indexOf(null)).toBe(50);

    const bursts = new SeriesRing();
    for (let t = 0; t < 60_000; t += 2500) for (let i = 0; i < 5; i += 1) bursts.add(t + i, 1, offset++);
    expect(bursts.gapAfter_ms()).toBeGreaterThan(2500);
    expect(bursts.reduce(0, 60_000, 1000).v).not.toContain(null);
  });

  it('reaches one point beyond each edge, so that the line does', () => {
    const ring = new SeriesRing();
    for (let t = 0; t <= 1000; t += 100) ring.add(t, t, t);
    expect(ring.reduce(350, 650, 100).t_ms).toEqual([300, 400, 500, 600, 700]);
  });

  it('an empty one draws nothing', () => {
    expect(new SeriesRing().reduce(0, 1000, 10)).toEqual({ t_ms: [], v: [] });
    expect(new SeriesRing().last).toBeNull();
  });
});

describe('several series on one axis', () => {
  it('a missing point is undefined: the line goes on', () => {
    expect(align([{ t_ms: [1000, 3000], v: [1, 3] }, { t_ms: [1500, 3000], v: [7, 8] }])).toEqual([
      [1, 1.5, 3],
      [1, undefined, 3],
      [undefined, 7, 8],
    ]);
  });

  it('a gap is null from the last point before it to the first behind it, whatever other series have in between', () => {
    const [, gap, other] = align([
      { t_ms: [1000, 3000, 5000, 6000], v: [1, null, 5, 6] },
      { t_ms: [1500, 2500, 3500, 4500, 5500], v: [7, 7, 7, 7, 7] },
    ]);
    expect(gap).toEqual([1, null, null, null, null, null, 5, undefined, 6]);
    expect(other).toEqual([undefined, 7, 7, undefined, 7, 7, undefined, 7, undefined]);
  });

  it('nothing is an empty axis', () => {
    expect(align([])).toEqual([[]]);
    expect(extent([{ t_ms: [1], v: [null] }])).toBeNull();
  });

  it('the y axis grows at once and shrinks only from twice the need', () => {
    const first = steadyRange(null, { low: 0, high: 10 });
    expect(first).toEqual([0, 11]);
    expect(steadyRange(first, { low: 2, high: 9 })).toBe(first);
    expect(steadyRange(first, { low: 0, high: 20 })[1]).toBe(22);
    expect(steadyRange([0, 100], { low: 4, high: 6 })).toEqual([3.8, 6.2]);
  });

  it('a constant value has an axis around it', () => {
    const [low, high] = steadyRange(null, { low: 5, high: 5 });
    expect(low).toBeLessThan(5);
    expect(high).toBeGreaterThan(5);
    expect(steadyRange(null, { low: 0, high: 0 })).toEqual([0, 0.1]);
  });
});

describe('the series feed', () => {
  let sockets: TestSocket[];
  let feed: SeriesFeed;
  let changes: number;

  beforeEach(() => {
    sockets = [];
    changes = 0;
    feed = new SeriesFeed({
      topic: 'sensors',
      window_s: 60,
      onChange: () => (changes += 1),
      onState: () => {},
      open: (url) => {
        const made = new TestSocket(url);
        sockets.push(made);
        return made;
      },
      timers: new TestTimers(),
      probe: async () => null,
    });
    feed.start();
    sockets[0]!.onopen?.();
  });

  const columns = (name: string, t_ms: number[], offset: number[]): unknown => ({
    type: 'columns',
    series: [{ name, t_ms, v: t_ms.map((t) => t / 10), arrival_ms: t_ms, offset }],
    passed_over: 1,
  });

  it('gathers columns by series, and counts what held no numbers', () => {
    sockets[0]!.text(columns('a', [1000, 2000], [0, 1]));
    sockets[0]!.text(columns('b', [2500], [2]));
    sockets[0]!.text(columns('a', [3000], [3]));
    sockets[0]!.text({ type: 'live' });
    expect([...feed.rings.keys()]).toEqual(['a', 'b']);
    expect(feed.rings.get('a')!.length).toBe(3);
    expect(feed).toMatchObject({ passedOver: 3, newest_ms: 3000, caughtUp: true });
    expect(changes).toBe(4);
  });

  it('drops what has left the window', () => {
    sockets[0]!.text(columns('a', [1000, 2000], [0, 1]));
    sockets[0]!.text(columns('a', [200_000], [2]));
    expect(feed.rings.get('a')!.length).toBe(1);
  });

  it('drops nothing while the chart is paused', () => {
    feed.keepAll = true;
    sockets[0]!.text(columns('a', [1000, 2000], [0, 1]));
    sockets[0]!.text(columns('a', [200_000], [2]));
    expect(feed.rings.get('a')!.length).toBe(3);
  });

  it('a longer window is asked for, a shorter one is cut from what is here', () => {
    feed.setWindow(10);
    expect(sockets).toHaveLength(1);
    feed.setWindow(3600);
    expect(sockets[1]!.url).toBe('/topics/sensors/series?window=3600s');
    expect(feed.rings.size).toBe(0);
  });

  it('says why nothing comes', () => {
    sockets[0]!.text({ type: 'waiting', why: 'Kafka is away.' });
    expect(feed.waiting).toBe('Kafka is away.');
    sockets[0]!.text({ type: 'reconnected' });
    expect(feed.waiting).toBeNull();
  });
});

describe('how the chart says how it stands', () => {
  const base: ChartStatus = { link: { state: 'open' }, caughtUp: true, waiting: null, newest_ms: 99_000, pausedAt_ms: null };
  it.each([
    ['live', base, 'live', 'Live'],
    ['old', { ...base, newest_ms: 40_000 }, 'idle', 'Newest value 60 s ago'],
    ['empty', { ...base, newest_ms: null }, 'idle', 'No numbers in this window'],
    ['loading', { ...base, newest_ms: null, caughtUp: false }, 'idle', 'Loading'],
    ['waiting', { ...base, waiting: 'Kafka is away.' }, 'warn', 'Waiting'],
  ])('%s', (_, status, tone, text) => expect(sayChart(status as ChartStatus, 100_000)).toMatchObject({ tone, text }));

  it('paused and reconnecting say since when', () => {
    expect(sayChart({ ...base, pausedAt_ms: 5000 }, 0).text).toMatch(/^Paused at \d\d:\d\d:05$/);
    expect(sayChart({ ...base, link: { state: 'reconnecting', since_ms: 7000 } }, 0).text).toMatch(/since \d\d:\d\d:07$/);
  });
});
