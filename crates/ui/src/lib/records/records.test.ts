// What must hold of the list of records: order, bounds, staying put while it is read, bytes as hex.
import { describe, expect, it } from 'vitest';
import type { RecordView } from '../api';
import { TestSource, TestTimers } from '../stand-ins';
import { RecordsFeed } from './feed';
import { bytesOf, hexRows, preview, pretty } from './hex';
import { mostShown, RecordList } from './list';

const record = (offset: number, partition = 0): RecordView => ({
  partition,
  offset,
  timestamp_ms: 1000 + offset,
  key: null,
  headers: [],
  value: { encoding: 'utf-8', text: `record ${offset}` },
  value_len_bytes: 8,
  truncated: false,
});
const offsets = (list: RecordList): number[] => list.shown.map((r) => r.offset);

describe('the record list', () => {
  it('has the newest on top', () => {
    const list = new RecordList('newest');
    list.add([record(1), record(2)], false);
    list.add([record(3)], false);
    expect(offsets(list)).toEqual([3, 2, 1]);
  });

  it('stays where it is while somebody reads, and says how many are new', () => {
    const list = new RecordList('newest');
    list.add([record(1)], false);
    const before = list.shown;
    list.add([record(2), record(3)], true);
    expect(list.shown).toBe(before);
    expect(list.waiting).toBe(2);
    list.release();
    expect(offsets(list)).toEqual([3, 2, 1]);
    expect(list.waiting).toBe(0);
  });

  it('a record that comes again is passed over, one of another partition is not', () => {
    const list = new RecordList('newest');
    list.add([record(1)], false);
    list.add([record(1), record(1, 1)], false);
    expect(list.shown).toHaveLength(2);
  });

  it('is bounded, shown and aside', () => {
    const list = new RecordList('newest');
    list.add(Array.from({ length: 2000 }, (_, i) => record(i)), false);
    expect(list.shown).toHaveLength(mostShown);
    expect(list.shown[0]!.offset).toBe(1999);
    list.add(Array.from({ length: 9000 }, (_, i) => record(2000 + i)), true);
    expect(list.waiting).toBe(9000);
    list.release();
    expect(list.shown).toHaveLength(mostShown);
    expect(list.shown[0]!.offset).toBe(10_999);
  });

  it('read from a position on, the oldest is on top', () => {
    const list = new RecordList('oldest');
    list.add([record(5), record(6)], false);
    list.add([record(7)], true);
    expect(offsets(list)).toEqual([5, 6, 7]);
  });
});

describe('the records feed', () => {
  const open = (limit?: number) => {
    const timers = new TestTimers();
    const sources: TestSource[] = [];
    const batches: number[][] = [];
    const states: string[] = [];
    const feed = new RecordsFeed({
      topic: 't',
      from: '7',
      ...(limit && { limit }),
      onRecords: (records) => batches.push(records.map((r) => r.offset)),
      onWaiting: (why) => states.push(`waiting ${why}`),
      onLive: () => states.push('live'),
      onState: ({ state }) => states.push(state),
      open: (url) => {
        const made = new TestSource(url);
        sources.push(made);
        return made;
      },
      timers,
      probe: async () => null,
    });
    feed.start();
    const source = sources[0]!;
    source.open();
    return { timers, source, batches, states, feed };
  };

  it('gathers a moment before it hands on', () => {
    const { timers, source, batches } = open();
    expect(source.url).toBe('/topics/t/records?from=7');
    for (let i = 0; i < 3; i += 1) source.event({ type: 'record', ...record(i) });
    expect(batches).toEqual([]);
    timers.move(200);
    expect(batches).toEqual([[0, 1, 2]]);
    timers.move(1000);
    expect(batches).toHaveLength(1);
  });

  it('what came before the edge is there when the edge is said', () => {
    const { source, batches, states } = open();
    source.event({ type: 'record', ...record(0) });
    source.event({ type: 'live' });
    expect(batches).toEqual([[0]]);
    expect(states).toEqual(['connecting', 'open', 'live']);
  });

  it('ends when all that was asked for has come', () => {
    const { source, batches, states } = open(1);
    expect(source.url).toBe('/topics/t/records?from=7&limit=1');
    source.event({ type: 'record', ...record(7) });
    source.event({ type: 'end', records: 1 });
    expect(batches).toEqual([[7]]);
    expect(states.at(-1)).toBe('ended');
    expect(source.readyState).toBe(2);
  });

  it('after stop nothing is handed on', () => {
    const { timers, source, batches, feed } = open();
    source.event({ type: 'record', ...record(0) });
    feed.stop();
    timers.move(1000);
    expect(batches).toEqual([]);
  });
});

describe('bytes for people', () => {
  it('sixteen a row, in hexadecimal and as text', () => {
    const rows = hexRows(bytesOf({ encoding: 'hex', text: '000102030405060708090a0b0c0d0e0f4142ff' }));
    expect(rows).toHaveLength(2);
    expect(rows[0]!.hex).toBe('00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f');
    expect(rows[1]).toMatchObject({ at: '000010', text: 'AB·' });
    expect(rows[1]!.hex).toHaveLength(48);
  });

  it('text is shown in its UTF-8 bytes', () => {
    expect([...bytesOf({ encoding: 'utf-8', text: 'ä' })]).toEqual([0xc3, 0xa4]);
  });

  it('a line of a list is one line and short', () => {
    expect(preview({ encoding: 'utf-8', text: ' a\n  b\t' })).toBe('a b');
    expect(preview({ encoding: 'utf-8', text: 'x'.repeat(1e6) }, 10)).toBe(`${'x'.repeat(10)}…`);
    expect(preview({ encoding: 'hex', text: 'deadbeef' })).toBe('de ad be ef');
    expect(preview(null)).toBe('');
  });

  it('JSON is set out in lines, what only looks like it is left', () => {
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(pretty('{broken')).toBe('{broken');
    expect(pretty('12')).toBe('12');
  });
});
