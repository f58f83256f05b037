// What the cluster page says: the one sentence on top, how a broker stands, what each replica of a partition is. No DOM.

import type { Cluster, ClusterBroker, ClusterPartition } from './api';
import type { Tone } from './player/state';
import * as units from './units';

export interface Said {
  tone: Tone;
  text: string;
}

const of = (n: number, one: string, many: string): string => `${units.count(n)} ${n === 1 ? one : many}`;

/** How the whole of it is: the worst first. */
export function headline(cluster: Cluster): Said[] {
  const { kafka, partitions, brokers } = cluster;
  const said: Said[] = [];
  if (kafka.state === 'disconnected') {
    said.push({ tone: 'bad', text: `No broker answers since ${units.clockTime(kafka.since_ms)}; this is what was seen last` });
  }
  if (partitions.leaderless > 0) {
    said.push({ tone: 'bad', text: `${of(partitions.leaderless, 'partition has', 'partitions have')} no leader: nothing is read or written there` });
  }
  if (partitions.too_few_in_sync > 0) {
    said.push({
      tone: 'bad',
      text: `${of(partitions.too_few_in_sync, 'partition has', 'partitions have')} fewer replicas in sync than min.insync.replicas: records with acks=all wait until brokers are back`,
    });
  }
  const stuck = brokers.filter(({ state }) => state !== 'up').reduce((sum, { leads }) => sum + leads, 0);
  if (stuck > 0) {
    said.push({
      tone: 'bad',
      text: `${of(stuck, 'partition is', 'partitions are')} led by a broker that does not answer: nothing is read or written there until another leads`,
    });
  }
  const away = brokers.filter(({ state }) => state !== 'up').length;
  if (away > 0) said.push({ tone: 'warn', text: `${of(away, 'broker is', 'brokers are')} away` });
  if (partitions.under_replicated > 0) {
    said.push({
      tone: 'warn',
      text: `${of(partitions.under_replicated, 'partition has', 'partitions have')} a replica out of sync`,
    });
  }
  if (said.length === 0) {
    const all = partitions.all === 0 ? 'No topics yet' : `All ${of(partitions.all, 'partition', 'partitions')} led and in sync`;
    said.push({ tone: 'live', text: all });
  }
  return said;
}

export function brokerSays(broker: ClusterBroker, now_ms: number): Said {
  const since = broker.since_ms === null ? '' : ` since ${units.when(broker.since_ms, now_ms)}`;
  switch (broker.state) {
    case 'up':
      return { tone: 'live', text: `Answers${since}` };
    case 'silent':
      return { tone: 'warn', text: `Does not answer${since}` };
    case 'gone':
      return { tone: 'bad', text: broker.since_ms === null ? 'Gone' : `Gone${since}` };
  }
}

/** The brokers that do not answer, whatever Kafka counts on. */
export const silent = (cluster: Cluster): Set<number> => new Set(cluster.brokers.filter(({ state }) => state !== 'up').map(({ id }) => id));

export type Role = 'leads' | 'in sync' | 'out of sync';

/** The replicas of a partition, the preferred leader first, each with what it is. */
export function roles(partition: ClusterPartition): { broker: number; role: Role }[] {
  return partition.replicas.map((broker) => ({
    broker,
    role: broker === partition.leader ? 'leads' : partition.in_sync.includes(broker) ? 'in sync' : 'out of sync',
  }));
}

/** The same in words, for who does not see it. */
export function partitionSays(partition: ClusterPartition): string {
  const by = (role: Role): string =>
    roles(partition)
      .filter((replica) => replica.role === role)
      .map(({ broker }) => broker)
      .join(', ');
  const parts = [partition.leader < 0 ? 'no leader' : `broker ${partition.leader} leads`];
  if (by('in sync')) parts.push(`${by('in sync')} in sync`);
  if (by('out of sync')) parts.push(`${by('out of sync')} out of sync`);
  return `Partition ${partition.partition}: ${parts.join('; ')}`;
}
