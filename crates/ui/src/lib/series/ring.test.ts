// What must hold of one series' points: their order, their bound, their gaps, and what thinning may not lose.
import { describe, expect, it } from 'vitest';
import { columnOf } from './grid';
import { SeriesRing } from './ring';

const times = (ring: SeriesRing): number[] => Array.from({ length: ring.length }, (_, i) => ring.timeOf(ring.first + i));
const filled = (points: Iterable<readonly [number, number]>): SeriesRing => {
  const ring = new SeriesRing();
  for (const [t, v] of points) ring.add(t, v);
  return ring;
};

describe('the ring of one series', () => {
  it('keeps points in order of time, also one that comes late, and of equal times in the order they came', () => {
    const ring = filled([[100, 1], [300, 3], [200, 2], [200, 2.5]]);
    expect(times(ring)).toEqual([100, 200, 200, 300]);
    expect([1, 2].map((n) => ring.valueOf(n))).toEqual([2, 2.5]);
    expect(ring.last).toMatchObject({ t_ms: 300, v: 3 });
  });

  it('keeps with each point its other time, its offset and its mark', () => {
    const ring = new SeriesRing();
    for (let i = 0; i < 1000; i += 1) ring.add(i * 10, i, i * 10 + 7, 5000 + i, i % 3);
    expect(ring.point(998)).toEqual({ t_ms: 9980, v: 998, other_ms: 9987, offset: 5998, mark: 2 });
    expect(ring.columns('a')).toMatchObject({ name: 'a' });
    expect(ring.columns('a').arrival_ms[998]).toBe(9987);
  });

  it('grows, and lets the oldest go; the numbers of the points stay theirs', () => {
    const ring = new SeriesRing();
    for (let i = 0; i < 5000; i += 1) {
      ring.add(i, i);
      if (i > 2000) ring.dropBefore(i - 2000);
    }
    expect([ring.length, ring.first, ring.next]).toEqual([2001, 2999, 5000]);
    expect(ring.valueOf(3000)).toBe(3000);
    expect(ring.numberAt(4000.5)).toBe(4001);
  });

  it('tells from when on a line is another because points came late', () => {
    const ring = filled([[100, 1], [200, 2], [300, 3]]);
    const { edits } = ring;
    expect(ring.editedSince(edits)).toBe(Number.POSITIVE_INFINITY);
    ring.add(250, 2.5);
    ring.add(400, 4);
    expect(ring.editedSince(edits)).toBe(200);
    for (let i = 0; i < 100; i += 1) ring.add(350, 1);
    expect(ring.editedSince(edits)).toBe(Number.NEGATIVE_INFINITY);
  });

  it('a silence is a gap; the usual pause between bursts is none', () => {
    const ring = new SeriesRing();
    for (let t = 0; t < 10_000; t += 200) ring.add(t, 1);
    expect(ring.gapAfter_ms()).toBe(1000);
    const bursts = new SeriesRing();
    for (let t = 0; t < 60_000; t += 2500) for (let i = 0; i < 5; i += 1) bursts.add(t + i, 1);
    expect(bursts.gapAfter_ms()).toBeGreaterThan(2500);
  });

  it('the length of a gap hardly ever changes while points come as they did', () => {
    const ring = new SeriesRing();
    const seen = new Set<number>();
    for (let i = 0; i < 2000; i += 1) {
      ring.add(i * 2000 + ((i * 7919) % 300), 1);
      if (i > 50) seen.add(ring.gapAfter_ms());
    }
    expect(seen.size).toBeLessThanOrEqual(2);
  });

  it('the least and greatest of a window are right as they enter and leave it', () => {
    const ring = new SeriesRing();
    const values: number[] = [];
    let state = 7;
    for (let i = 0; i < 3000; i += 1) {
      state = (state * 1103515245 + 12345) % 2147483648;
      values.push(state % 1000);
      ring.add(i, values[i]!);
      const from = Math.max(0, i - 99);
      const window = values.slice(from);
      const found = ring.extremes(from, i)!;
      expect([found.low.v, found.high.v]).toEqual([Math.min(...window), Math.max(...window)]);
      // Of equal ones the newest is labelled: it stays longest.
      expect(found.high.t_ms).toBe(values.lastIndexOf(found.high.v));
    }
    expect(ring.extremes(5000, 6000)).toBeNull();
    expect(ring.extremes(-10, -1)).toBeNull();
  });

  it('an empty one has nothing and breaks nothing', () => {
    const ring = new SeriesRing();
    expect([ring.last, ring.before(5), ring.extremes(0, 1), ring.numberAt(3)]).toEqual([null, null, null, 0]);
  });
});

describe('thinning', () => {
  const grid = { origin_ms: 500, pixel_ms: 50 };
  const thinned = (): { ring: SeriesRing; raw: [number, number][] } => {
    const raw = Array.from({ length: 10_000 }, (_, i): [number, number] => [i, Math.sin(i * 12.9898) * 100]);
    const ring = filled(raw);
    ring.thin(grid, 9000);
    return { ring, raw };
  };

  it('leaves of each column its first, least, greatest and last point, whatever else goes', () => {
    const { ring, raw } = thinned();
    expect(ring.length).toBeLessThanOrEqual(4 * 181 + 1000);
    const columns = new Map<number, [number, number][]>();
    for (const point of raw) {
      const column = columnOf(grid, point[0]);
      columns.set(column, [...(columns.get(column) ?? []), point]);
    }
    const held = new Map(times(ring).map((t, i) => [t, ring.valueOf(ring.first + i)]));
    for (const [column, points] of columns) {
      const values = points.map(([, v]) => v);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      for (const wanted of [points[0]!, points.at(-1)!, points.find(([, v]) => v === low)!, points.find(([, v]) => v === high)!]) {
        expect(held.get(wanted[0]), `column ${column}`).toBe(wanted[1]);
      }
    }
  });

  it('keeps every point from the time given on, and the numbers of those', () => {
    const { ring } = thinned();
    expect(ring.next).toBe(10_000);
    expect(ring.timeOf(9500)).toBe(9500);
    expect(ring.settled).toBeGreaterThan(ring.first);
    expect(ring.timeOf(ring.settled)).toBe(9000);
  });

  it('keeps what is remarkable, whatever its value', () => {
    const ring = new SeriesRing();
    for (let i = 0; i < 1000; i += 1) ring.add(i, i % 50, i, i, i === 523 ? 1 : 0);
    ring.thin(grid, 1000);
    expect(times(ring)).toContain(523);
  });

  it('makes no gaps: what lies within a thinned column is no silence', () => {
    const ring = new SeriesRing();
    for (let i = 0; i < 100_000; i += 1) ring.add(i * 100, i % 7);
    ring.thin({ origin_ms: 0, pixel_ms: 72_000 }, 9_000_000);
    expect(ring.gapAfter_ms()).toBeGreaterThanOrEqual(72_000);
  });

  it('changes nothing the second time', () => {
    const { ring } = thinned();
    const { length } = ring;
    ring.thin(grid, 9000);
    expect(ring.length).toBe(length);
  });
});
