// What must hold of late and out-of-order numbers, of percentiles, and of numbers as CSV.
import { describe, expect, it } from 'vitest';
import { ArrivalOrder, disordered, inArrivalOrder, late, percentile } from './arrivals';
import { csv } from './csv';

describe('arrivals', () => {
  it('late is what took longer than allowed, out of order what was made before one that has come', () => {
    const order = new ArrivalOrder(2000);
    const marks = ([[1000, 1010], [2000, 2010], [1500, 2020], [3000, 5000], [3100, 5101], [2500, 9000], [3200, 5200]] as const).map(([made, came]) => order.mark(made, came));
    expect(marks).toEqual([0, 0, disordered, 0, late, late | disordered, 0]);
  });

  it('what came in order of creation is put into the order of arrival, every column of it', () => {
    const columns = { name: 'a', t_ms: [1, 2, 3], v: [10, 20, 30], arrival_ms: [9, 5, 5], offset: [7, 6, 5] };
    expect(inArrivalOrder(columns)).toEqual({ name: 'a', t_ms: [3, 2, 1], v: [30, 20, 10], arrival_ms: [5, 5, 9], offset: [5, 6, 7] });
  });

  it('percentiles are values that were measured, by nearest rank', () => {
    const sorted = Array.from({ length: 200 }, (_, i) => i + 1);
    expect([0, 0.5, 0.99, 1].map((part) => percentile(sorted, part))).toEqual([1, 100, 198, 200]);
    expect(percentile([7], 0.5)).toBe(7);
    expect(percentile([], 0.5)).toBeNull();
  });
});

describe('CSV', () => {
  const series = (name: string) => ({ name, t_ms: [1000, 2000.25, 3000], v: [1, 1e300, -0.1], arrival_ms: [1001, 2002, 3003], offset: [7, 8, 9] });

  it('has the points made within the stretch, as the server writes them', () => {
    expect(csv([{ topic: 't', series: [series('a')] }], 1000, 2500)).toBe('series,t_ms,arrival_ms,offset,value\r\na,1000,1001,7,1\r\na,2000.25,2002,8,1e+300\r\n');
  });

  it('of several topics has the topic in front, and quotes names that need it', () => {
    const lines = csv([{ topic: 't', series: [series('x, "y"\nz')] }, { topic: 'u', series: [] }], 3000, 3000).split('\r\n');
    expect(lines).toEqual(['topic,series,t_ms,arrival_ms,offset,value', 't,"x, ""y""\nz",3000,3003,9,-0.1', '']);
  });
});
