// What must hold of numbers shown to people: rounding, units, ages.
import { describe, expect, it } from 'vitest';
import * as units from './units';

describe('a place in a video', () => {
  it.each([[0, '0:00'], [7999, '0:07'], [754_000, '12:34'], [3_723_000, '1:02:03'], [-5, '0:00']])('%d ms is %s', (ms, text) => expect(units.position(ms)).toBe(text));
});

describe('numbers are rounded for people', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1 kB'],
    [1_234_567, '1.2 MB'],
    [999_600, '1 MB'],
    [84_000_000, '84 MB'],
    [3.2e12, '3.2 TB'],
  ])('%d bytes are %s', (n, text) => expect(units.bytes(n)).toBe(text));

  it.each([
    [0, '0 ms'],
    [42.6, '43 ms'],
    [999.6, '1.0 s'],
    [1234, '1.2 s'],
    [12_400, '12 s'],
    [180_000, '3 min'],
    [7_500_000, '2 h 5 min'],
    [7_200_000, '2 h'],
    [400_000_000, '5 d'],
    [-50, '−50 ms'],
  ])('%d ms are %s', (ms, text) => expect(units.duration(ms)).toBe(text));

  it.each([
    [0, '0/s'],
    [0.24, '0.2/s'],
    [25.3, '25/s'],
    [12_345, '12 k/s'],
  ])('%d a second are %s', (n, text) => expect(units.perSecond(n)).toBe(text));

  it.each([
    [1301, '1301'],
    [12_345, '12\u2009345'],
    [-1_234_567, '−1\u2009234\u2009567'],
  ])('the count %d is %s', (n, text) => expect(units.count(n)).toBe(text));

  it.each([
    [0, '0'],
    [24.0449, '24.04'],
    [0.00123456, '0.001235'],
    [0.05, '0.05'],
    [-3.25, '−3.250'],
    [17, '17'],
    [1.5e9, '1.50e+9'],
    [3e-7, '3.00e−7'],
    [Number.NaN, 'NaN'],
  ])('the value %d is %s', (v, text) => expect(units.value(v)).toBe(text));
});

describe('times', () => {
  it('an age is never finer than a person would say', () => {
    expect([0, 1400, 42_000, 180_000].map(units.ago)).toEqual(['now', 'now', '42 s ago', '3 min ago']);
  });

  it('today is the clock alone, another day has its date', () => {
    const noon = new Date(2026, 0, 31, 12, 5, 6, 78).getTime();
    expect(units.when(noon, noon + 1000, true)).toBe('12:05:06.078');
    expect(units.when(noon, noon + 86_400_000)).toBe('2026-01-31 12:05:06');
  });

  it('a time out of range is shown as it came and does not throw', () => {
    expect(units.exactTime(9e15)).toBe('9000000000000000');
  });

  it('a window is read from the address, and nonsense is none', () => {
    expect(['10s', '5m', '1h', '1 h', '', '-1s', null].map(units.parseWindow)).toEqual([10, 300, 3600, null, null, null, null]);
  });
});
