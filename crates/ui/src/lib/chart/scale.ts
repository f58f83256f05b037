// The y axis: what range of values it shows. Pure.

export interface Span {
  low: number;
  high: number;
}

/** The least and greatest of several; null where there is none. */
export function around(spans: readonly (Span | null)[]): Span | null {
  let all: Span | null = null;
  for (const span of spans) {
    if (!span) continue;
    all = all ? { low: Math.min(all.low, span.low), high: Math.max(all.high, span.high) } : span;
  }
  return all;
}

/** With room above and below; values that are never negative do not get an axis that is. */
export function roomy({ low, high }: Span): Span {
  const span = high - low || Math.abs(high) * 0.2 || 1;
  return { low: low >= 0 ? Math.max(0, low - span * 0.1) : low - span * 0.1, high: high + span * 0.1 };
}

/** An axis that keeps still: it grows at once when a value leaves it, and shrinks only when what is drawn fills less than half of it. */
export function steady(previous: Span | null, drawn: Span | null): Span {
  if (!drawn) return previous ?? { low: 0, high: 1 };
  const { low, high } = drawn;
  if (!previous) return roomy(drawn);
  if (high - low < (previous.high - previous.low) * 0.5 && (high !== low || low < previous.low || high > previous.high)) return roomy(drawn);
  if (low >= previous.low && high <= previous.high) return previous;
  const fresh = roomy(drawn);
  return { low: low < previous.low ? fresh.low : previous.low, high: high > previous.high ? fresh.high : previous.high };
}
