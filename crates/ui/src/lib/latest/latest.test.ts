// What must hold of the newest values: the whole first, then changes; ranked without jumping about.
import { describe, expect, it } from 'vitest';
import type { LatestValue } from '../api';
import { TestSource, TestTimers } from '../stand-ins';
import { LatestFeed } from './feed';
import { numberOf, rank } from './rank';

const value = (v: unknown): LatestValue => ({ value: v, timestamp_ms: 0, offset: 0 });

describe('rows of keys and values', () => {
  it.each([
    [3, 3],
    [{ count: 7, other: 9 }, 7],
    [{ word: 'a', n: 5, t: 1_700_000_000_000 }, 5],
    [{ a: 1, b: 2 }, null],
    ['12', null],
    [null, null],
    [[1], null],
    [Number.NaN, null],
  ])('the number of %j is %j', (v, number) => expect(numberOf(v)).toBe(number));

  it('the highest on top, equals by key, what has no number last', () => {
    const rows = rank(new Map([['b', value(2)], ['a10', value(5)], ['a9', value(5)], ['z', value('text')]]), 10);
    expect(rows.map((r) => r.key)).toEqual(['a9', 'a10', 'b', 'z']);
    expect(rows.map((r) => r.share)).toEqual([1, 1, 0.4, 0]);
    expect(rows[3]!.text).toBe('text');
  });

  it('no more than asked for', () => {
    expect(rank(new Map(Array.from({ length: 100 }, (_, i) => [`k${i}`, value(i)])), 3).map((r) => r.number)).toEqual([99, 98, 97]);
  });
});

describe('the feed of latest values', () => {
  it('the whole at once, changes gathered, deletions taken out', () => {
    const timers = new TestTimers();
    let source: TestSource | null = null;
    const seen: [string, unknown][][] = [];
    const feed = new LatestFeed({
      topic: 'words',
      limit: 50,
      onChange: (values) => seen.push([...values].map(([key, v]) => [key, v.value])),
      onWaiting: () => {},
      onState: () => {},
      open: (url) => (source = new TestSource(url)),
      timers,
      probe: async () => null,
    });
    feed.start();
    const s = source as unknown as TestSource;
    expect(s.url).toBe('/topics/words/latest?limit=50');
    s.event({ type: 'whole', topic: 'words', values: { a: value(1), b: value(2) }, keys: 2, truncated: false });
    s.event({ type: 'changed', changed: { a: value(5) } });
    s.event({ type: 'changed', changed: { b: null, c: value(1) } });
    expect(seen).toEqual([[['a', 1], ['b', 2]]]);
    timers.move(250);
    expect(seen[1]).toEqual([['a', 5], ['c', 1]]);
    timers.move(5000);
    expect(seen).toHaveLength(2);
    feed.stop();
  });
});
