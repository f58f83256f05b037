// What the cluster page says of a cluster that is well, of one that elects, and of each replica.
import { expect, test } from 'vitest';
import type { Cluster, ClusterPartition } from './api';
import { brokerSays, headline, partitionSays, roles } from './cluster';

const well: Cluster = {
  server_time_ms: 0,
  cluster_id: 'C',
  embedded: false,
  kafka: { state: 'connected' },
  controller: 1,
  brokers: [{ id: 1, address: 'a:1', state: 'up', since_ms: null, leads: 2, replicas: 2, in_sync: 2 }],
  topics: [],
  partitions: { all: 2, leaderless: 0, too_few_in_sync: 0, under_replicated: 0 },
  left_out: 0,
  events: [],
};

test('a cluster that is well is one sentence, and one that is not says the worst first', () => {
  expect(headline(well)).toEqual([{ tone: 'live', text: 'All 2 partitions led and in sync' }]);
  const ill = headline({
    ...well,
    brokers: [...well.brokers, { id: 2, address: null, state: 'gone', since_ms: 5, leads: 0, replicas: 1, in_sync: 0 }],
    partitions: { all: 2, leaderless: 1, too_few_in_sync: 2, under_replicated: 2 },
  });
  expect(ill.map(({ tone }) => tone)).toEqual(['bad', 'bad', 'warn', 'warn']);
  expect(ill[0]!.text).toBe('1 partition has no leader: nothing is read or written there');
  expect(ill[1]!.text).toContain('acks=all wait');
  expect(ill[2]!.text).toBe('1 broker is away');
});

test('a dead broker that Kafka still counts on is more than a broker that is away', () => {
  const ill = headline({
    ...well,
    brokers: [...well.brokers, { id: 2, address: 'b:1', state: 'silent', since_ms: 5, leads: 1, replicas: 1, in_sync: 1 }],
  });
  expect(ill).toEqual([
    { tone: 'bad', text: '1 partition is led by a broker that does not answer: nothing is read or written there until another leads' },
    { tone: 'warn', text: '1 broker is away' },
  ]);
});

test('a broker says since when it is as it is, where that is known', () => {
  const broker = well.brokers[0]!;
  expect(brokerSays(broker, 0)).toEqual({ tone: 'live', text: 'Answers' });
  expect(brokerSays({ ...broker, state: 'silent', since_ms: 0 }, 0).text).toMatch(/^Does not answer since \d\d:\d\d:\d\d$/);
  expect(brokerSays({ ...broker, state: 'gone' }, 0).text).toBe('Gone');
});

test('each replica leads, is in sync or out of sync, in the order of the assignment', () => {
  const partition: ClusterPartition = { partition: 4, leader: 3, replicas: [2, 3, 1], in_sync: [3, 1], state: 'under_replicated' };
  expect(roles(partition)).toEqual([
    { broker: 2, role: 'out of sync' },
    { broker: 3, role: 'leads' },
    { broker: 1, role: 'in sync' },
  ]);
  expect(partitionSays(partition)).toBe('Partition 4: broker 3 leads; 1 in sync; 2 out of sync');
  expect(partitionSays({ ...partition, leader: -1 })).toMatch(/^Partition 4: no leader; 3, 1 in sync/);
});
