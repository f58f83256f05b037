// One record with all of its value, which lists cut at 4 kB.

import type { RecordsEvent, RecordView } from '../api';
import { isProblem } from '../link';
import { routes } from '../routes';

export async function fetchWhole(topic: string, { partition, offset }: RecordView): Promise<RecordView> {
  const url = routes.records(topic, { from: String(offset), partition, limit: 1, full: true });
  const response = await fetch(url, { headers: { accept: 'text/event-stream' } });
  if (!response.ok) {
    const body: unknown = await response.json().catch(() => null);
    throw new Error(isProblem(body) ? body.detail : `The server answered ${response.status}.`);
  }
  for (const event of (await response.text()).split('\n\n')) {
    const data = event
      .split('\n')
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trimStart())
      .join('\n');
    if (!data) continue;
    const body = JSON.parse(data) as RecordsEvent;
    if (body.type === 'record' && body.offset === offset && body.partition === partition) return body;
  }
  throw new Error(`Record ${partition}:${offset} is no longer there: retention or compaction has taken it.`);
}
