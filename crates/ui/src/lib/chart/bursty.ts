// The records of a bursty topic, each put where it was made, where it arrived, and how long it took between; late ones and those out
// of order are marked. No DOM.

import { ArrivalOrder, disordered, late, percentile } from '../series/arrivals';
import type { SeriesRing } from '../series/ring';
import type { Sorter } from '../series/store';
import { circle, diamond, triangle } from './marks';
import type { Trace } from './trace';

/** The rings of a series. */
export const created = (series: string): string => `created ${series}`;
export const arrived = (series: string): string => `arrived ${series}`;
export const delayed = (series: string): string => `delay ${series}`;

export const nameOf = (ring: string): string => ring.slice(ring.indexOf(' ') + 1);

export const seriesOf = (rings: readonly string[]): string[] => rings.filter((name) => name.startsWith('created ')).map(nameOf);

/**
 * Puts each record into three rings. Where the topic does not keep when its records arrived, nobody knows it of those that came
 * before the page was open, and they are left out.
 */
export function byArrival(late_ms: number, keepsArrival: boolean): () => Sorter {
  return () => {
    const orders = new Map<string, ArrivalOrder>();
    return ({ name, created_ms, arrived_ms, v, offset, past }, ring) => {
      if (past && !keepsArrival) return;
      let order = orders.get(name);
      if (!order) {
        order = new ArrivalOrder(late_ms);
        orders.set(name, order);
      }
      const mark = order.mark(created_ms, arrived_ms);
      ring(created(name)).add(created_ms, v, arrived_ms, offset, mark);
      ring(arrived(name)).add(arrived_ms, v, created_ms, offset, mark);
      ring(delayed(name)).add(arrived_ms, arrived_ms - created_ms, created_ms, offset, mark);
    };
  };
}

const out = { colour: '--bad', marker: diamond };
/** By mark: late alone, out of order whether late or not. */
const marked = new Map([
  [late, { colour: '--s5', marker: triangle }],
  [disordered, out],
  [late | disordered, out],
]);

export const signs = [
  { name: 'In time', colour: '--s1', marker: circle },
  { name: 'Late', colour: '--s5', marker: triangle },
  { name: 'Out of order', ...out },
];

export const trace = (ring: string, line: boolean): Trace => ({ topic: 0, ring, label: nameOf(ring), colour: '--s1', marker: circle, line, marked });

export interface Delays {
  count: number;
  late: number;
  disordered: number;
  p50_ms: number | null;
  p99_ms: number | null;
}

/** Of what arrived within a stretch of time. */
export function delaysOf(ring: SeriesRing, from_ms: number, to_ms: number): Delays {
  const [first, end] = [ring.numberAt(from_ms), ring.numberAt(to_ms + 1e-3)];
  const delays = new Float64Array(Math.max(0, end - first));
  const counted = { late: 0, disordered: 0 };
  for (let number = first; number < end; number += 1) {
    delays[number - first] = ring.valueOf(number);
    const mark = ring.markOf(number);
    if (mark & disordered) counted.disordered += 1;
    else if (mark & late) counted.late += 1;
  }
  delays.sort();
  return { count: delays.length, ...counted, p50_ms: percentile(delays, 0.5), p99_ms: percentile(delays, 0.99) };
}
