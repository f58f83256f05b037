// Keys and their newest values as rows: numbers from the highest down, everything else by key. Pure.

import type { LatestValue } from '../api';

export interface Row {
  key: string;
  /** The number that ranks the row, where its value has one. */
  number: number | null;
  /** The value as text, where it is no single number. */
  text: string;
  /** 0…1 of the highest. */
  share: number;
  timestamp_ms: number | null;
  offset: number;
}

/** Members that say when, not how much. */
const times = new Set(['t', 'ts', 'timestamp', 'time']);

/** A number itself; `count` of an object; or its only other numeric member. */
export function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const object = value as Record<string, unknown>;
  if (typeof object['count'] === 'number') return object['count'];
  const numbers = Object.entries(object).filter(([name, v]) => typeof v === 'number' && !times.has(name));
  return numbers.length === 1 ? (numbers[0]![1] as number) : null;
}

const byKey = new Intl.Collator(undefined, { numeric: true });

export function rank(values: ReadonlyMap<string, LatestValue>, most: number): Row[] {
  const rows: Row[] = [];
  for (const [key, { value, timestamp_ms, offset }] of values) {
    const number = numberOf(value);
    rows.push({ key, number, text: typeof value === 'string' ? value : JSON.stringify(value), share: 0, timestamp_ms, offset });
  }
  rows.sort((a, b) => (b.number ?? -Infinity) - (a.number ?? -Infinity) || byKey.compare(a.key, b.key));
  const highest = rows[0]?.number ?? 0;
  const shown = rows.slice(0, most);
  for (const row of shown) row.share = row.number !== null && highest > 0 ? Math.max(0, row.number / highest) : 0;
  return shown;
}
