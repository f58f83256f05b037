// Numbers as CSV (RFC 4180), the way the server writes it; those of several topics have the topic in front. Pure.

import type { SeriesColumns } from '../api';

export interface Part {
  topic: string;
  series: readonly SeriesColumns[];
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** The points made within a stretch. */
export function csv(parts: readonly Part[], from_ms: number, to_ms: number): string {
  const several = parts.length > 1;
  const lines = [`${several ? 'topic,' : ''}series,t_ms,arrival_ms,offset,value`];
  for (const { topic, series } of parts) {
    for (const { name, t_ms, v, arrival_ms, offset } of series) {
      const front = `${several ? `${topic},` : ''}${quoted(name)}`;
      t_ms.forEach((t, i) => {
        if (t >= from_ms && t <= to_ms) lines.push(`${front},${t},${arrival_ms[i]},${offset[i]},${v[i]}`);
      });
    }
  }
  return `${lines.join('\r\n')}\r\n`;
}
