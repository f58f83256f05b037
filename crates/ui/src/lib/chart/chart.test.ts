// What must hold of the y axis, of hands on a chart, of what lies under the pointer, and of the signs of lines.
import { describe, expect, it } from 'vitest';
import { SeriesRing } from '../series/ring';
import { dragged } from './gestures';
import { colourName, markerOf, outlineOf } from './marks';
import { nearest, under } from './nearest';
import { fileName } from './save';
import { around, roomy, steady } from './scale';

describe('the y axis', () => {
  it('grows at once and shrinks only from twice the need', () => {
    const first = steady(null, { low: 0, high: 10 });
    expect(first).toEqual({ low: 0, high: 11 });
    expect(steady(first, { low: 2, high: 9 })).toBe(first);
    expect(steady(first, { low: 0, high: 20 }).high).toBe(22);
    expect(steady({ low: 0, high: 100 }, { low: 4, high: 6 })).toEqual({ low: 3.8, high: 6.2 });
  });

  it('lies around a constant value, and stays where it is when nothing is drawn', () => {
    const { low, high } = roomy({ low: 5, high: 5 });
    expect(low).toBeLessThan(5);
    expect(high).toBeGreaterThan(5);
    expect(roomy({ low: 0, high: 0 })).toEqual({ low: 0, high: 0.1 });
    expect(steady(null, null)).toEqual({ low: 0, high: 1 });
    expect(steady({ low: 3, high: 4 }, null)).toEqual({ low: 3, high: 4 });
    const constant = { low: 4, high: 6 };
    expect(steady(constant, { low: 5, high: 5 })).toBe(constant);
  });

  it('goes around all that is drawn', () => {
    expect(around([null, { low: 1, high: 2 }, { low: -3, high: 0 }])).toEqual({ low: -3, high: 2 });
    expect(around([null])).toBeNull();
  });
});

describe('hands', () => {
  const range = { from_ms: 1000, to_ms: 2000 };
  it('one finger: the moment under it stays under it', () => {
    expect(dragged(range, [0.5], [0.7])).toEqual({ from_ms: 800, to_ms: 1800 });
  });
  it('two fingers: both moments stay under them', () => {
    const { from_ms, to_ms } = dragged(range, [0.4, 0.6], [0.2, 0.8]);
    const at = (place: number): number => from_ms + place * (to_ms - from_ms);
    expect(at(0.2)).toBeCloseTo(1400);
    expect(at(0.8)).toBeCloseTo(1600);
  });
  it('fingers that meet or cross do nothing wild', () => {
    for (const now of [[0.5, 0.5], [0.6, 0.4]]) {
      const { from_ms, to_ms } = dragged(range, [0.4, 0.6], now);
      expect(to_ms - from_ms).toBeCloseTo(1000);
    }
    expect(dragged(range, [], [])).toEqual(range);
  });
});

describe('what lies under the pointer', () => {
  const line = (v: number): SeriesRing => {
    const ring = new SeriesRing();
    for (let t = 0; t <= 10_000; t += 100) if (t < 4000 || t > 8000) ring.add(t, v + t / 1000);
    return ring;
  };
  const y = (v: number): number => 100 - v;

  it('is the last value at or before it, and none within a gap', () => {
    expect(under(line(0), 1050)).toMatchObject({ t_ms: 1000, v: 1 });
    expect(under(line(0), 6000)).toBeNull();
    expect(under(line(0), -1)).toBeNull();
  });

  it('the nearest of several lines, where one is near enough', () => {
    const rings = [line(0), line(20), line(40)];
    expect(nearest(rings, 1040, y(20), y, 24)).toMatchObject({ index: 1, point: { t_ms: 1000 } });
    expect(nearest(rings, 1060, y(40), y, 24)).toMatchObject({ index: 2, point: { t_ms: 1100 } });
    expect(nearest(rings, 1000, y(90), y, 24)).toBeNull();
    expect(nearest(rings, 6000, y(20), y, 24)).toBeNull();
  });
});

describe('signs', () => {
  it('of the first 64 lines no two have both colour and marker in common', () => {
    const signs = Array.from({ length: 64 }, (_, i) => `${colourName(i)} ${markerOf(i)}`);
    expect(new Set(signs).size).toBe(64);
    for (let i = 0; i < 64; i += 1) expect(outlineOf(markerOf(i)).length).toBeGreaterThan(2);
  });

  it('a file has a name that every system takes', () => {
    expect(fileName('a/b:c', Date.parse('2026-01-31T12:34:56Z'), 'png')).toBe('a_b_c 2026-01-31 12.34.56.png');
  });
});
