// What must hold of server-sent events: every one once, reconnecting with patience, resting while nobody looks.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Problem } from './api';
import { EventFeed } from './events';
import type { LinkState } from './link';
import { settle, TestSource, TestTimers } from './stand-ins';

describe('server-sent events with states', () => {
  let timers: TestTimers;
  let sources: TestSource[];
  let states: LinkState[];
  let events: unknown[];
  let why: Problem | null;
  let feed: EventFeed;

  beforeEach(() => {
    timers = new TestTimers();
    sources = [];
    states = [];
    events = [];
    why = null;
    feed = new EventFeed({
      url: () => '/events',
      onEvent: (body, id) => events.push([body, id]),
      onState: (state) => states.push(state),
      open: (url) => {
        const made = new TestSource(url);
        sources.push(made);
        return made;
      },
      timers,
      probe: async () => why,
    });
    feed.start();
  });

  it('hands on what is JSON, with its id', () => {
    sources[0]!.open();
    sources[0]!.event({ type: 'record' }, '0:7');
    sources[0]!.onmessage?.({ data: 'not json', lastEventId: '' });
    expect(events).toEqual([[{ type: 'record' }, '0:7']]);
  });

  it('a short loss is left to the browser', () => {
    sources[0]!.open();
    timers.move(500);
    sources[0]!.fail(0);
    expect(states.at(-1)).toEqual({ state: 'reconnecting', since_ms: 500 });
    timers.move(60_000);
    expect(sources).toHaveLength(1);
    sources[0]!.open();
    expect(states.at(-1)).toEqual({ state: 'open' });
  });

  it('where the browser gives up, it is tried again', async () => {
    sources[0]!.fail(2);
    await settle();
    expect(states.at(-1)!.state).toBe('reconnecting');
    timers.move(250);
    expect(sources).toHaveLength(2);
  });

  it('a refusal is final, at the door or later', async () => {
    why = { type: 'about:blank', title: 'Bad Request', status: 400, detail: 'from: 9 is out of range.', field: 'from' };
    sources[0]!.fail(2);
    await settle();
    expect(states.at(-1)).toEqual({ state: 'refused', problem: why });
    timers.move(60_000);
    expect(sources).toHaveLength(1);
  });

  it('what Kafka does not allow is asked for again until somebody has granted it', async () => {
    why = { type: 'about:blank', title: 'Forbidden', status: 403, detail: 'not allowed to read topic "t"', remedy: 'an administrator grants it with kafka-acls' };
    sources[0]!.fail(2);
    await settle();
    expect(states.at(-1)).toEqual({ state: 'refused', problem: why });
    timers.move(4_999);
    expect(sources).toHaveLength(1);
    timers.move(1);
    sources[1]!.fail(2);
    await settle();
    expect(states.filter(({ state }) => state !== 'refused')).toEqual([{ state: 'connecting' }]);
    timers.move(5_000);
    sources[2]!.open();
    expect(states.at(-1)).toEqual({ state: 'open' });
  });

  it('an end asked for is no loss', () => {
    sources[0]!.open();
    feed.end();
    expect(states.at(-1)).toEqual({ state: 'ended' });
    expect(sources[0]!.readyState).toBe(2);
  });
});
