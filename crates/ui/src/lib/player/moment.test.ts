// What must hold of moments, of the line of all there is, and of what stands around it.
import { describe, expect, it } from 'vitest';
import { settle } from '../stand-ins';
import { formatMoment, needsRecording, parseMoment, startOf, type Asked } from './moment';
import { Recording } from './recording';
import { wayTo } from './seek';
import { parseSpeed, speedBeside, speeds } from './speed';
import { Thumbs, roundPlace } from './thumbs';
import { ticksOf } from './ticks';
import { Timeline } from './timeline';

const noon = Date.parse('2026-01-31T12:00:00Z');
const min = 60_000;
/** Two stretches of a minute and two, an hour apart. */
const two = {
  live: false,
  spans: [
    { from_ms: noon, to_ms: noon + min },
    { from_ms: noon + 61 * min, to_ms: noon + 63 * min },
  ],
  viewers: [
    { group: 'anna', at_ms: noon + 61 * min + 30_000 },
    { group: 'ben', at_ms: noon + 63 * min - 500 },
  ],
};

describe('a moment in the address', () => {
  it.each([
    ['2026-01-31T12:00:00Z', noon],
    ['2026-01-31T13:00:00.250+01:00', noon + 250],
    ['2026-01-31T13:00:00 01:00', noon],
    ['2026-01-31t12:00:00z', noon],
  ])('%s is a time', (text, at_ms) => expect(parseMoment(text)).toEqual({ kind: 'time', at_ms }));

  it.each([
    ['90', 90],
    ['90s', 90],
    ['1m30s', 90],
    ['1m30', 90],
    ['2m', 120],
    ['1h2m3.5s', 3723.5],
    ['1h', 3600],
    ['0', 0],
  ])('%s is so far in', (text, s) => expect(parseMoment(text)).toEqual({ kind: 'into', into_ms: s * 1000 }));

  it.each(['', ' ', 'soon', '-5', '1e9', 's', '1s2m', '2026-01-31', '2026-01-31T12:00:00', '2026-13-41T99:00:00Z', '٣', '9'.repeat(30)])(
    '“%s” is none',
    (text) => expect(parseMoment(text)).toBeNull(),
  );

  it('is written as it is read', () => expect(parseMoment(formatMoment(noon + 7))).toEqual({ kind: 'time', at_ms: noon + 7 }));
});

describe('all that a topic holds, as one line', () => {
  const recording = new Recording(two);

  it('pauses take no room', () => {
    expect(recording.length_ms).toBe(3 * min);
    expect(recording.joints).toEqual([1 / 3]);
    expect(recording.into(noon + 62 * min)).toBe(2 * min);
    expect(recording.timeAt(2 * min)).toBe(noon + 62 * min);
  });

  it('a time in a pause is where the pause was left out, and one outside is an end', () => {
    expect(recording.into(noon + 30 * min)).toBe(min);
    expect(recording.into(0)).toBe(0);
    expect(recording.into(noon + 1000 * min)).toBe(3 * min);
    expect(recording.timeAt(-5)).toBe(noon);
    expect(recording.timeAt(1e12)).toBe(noon + 63 * min);
  });

  it('where two stretches meet the later one begins', () => expect(recording.timeAt(min)).toBe(noon + 61 * min));

  it('so far on from a moment leaves pauses out, both ways', () => {
    expect(recording.on(noon + 55_000, 10_000)).toBe(noon + 61 * min + 5000);
    expect(recording.on(noon + 61 * min + 5000, -10_000)).toBe(noon + 55_000);
    expect(recording.on(noon, -10_000)).toBe(noon);
  });

  it('grows with the newest picture; after a pause a new stretch begins', () => {
    expect(new Recording(two, noon + 63 * min + 5000).length_ms).toBe(3 * min + 5000);
    expect(new Recording(two, noon + 64 * min).spans).toHaveLength(3);
    expect(new Recording(two, noon).length_ms).toBe(3 * min);
  });

  it('stretches out of order or over one another are put right, and none are no line', () => {
    const mixed = new Recording({ ...two, spans: [{ from_ms: 50, to_ms: 90 }, { from_ms: 0, to_ms: 60 }, { from_ms: 20, to_ms: 10 }] });
    expect(mixed.spans).toEqual([{ from_ms: 0, to_ms: 90 }]);
    const none = new Recording({ ...two, spans: [] });
    expect([none.length_ms, none.into(5), none.timeAt(5), none.joints]).toEqual([0, 0, 0, []]);
  });
});

describe('where a viewer begins', () => {
  const asked = (over: Partial<Asked>): Asked => ({ t: null, from: null, group: null, ...over });
  const recording = new Recording(two);
  const start = (over: Partial<Asked>, of: Recording | null = recording) => startOf(asked(over), of, noon);

  it('live without anything, and where from= says', () => {
    expect(start({})).toEqual({ from: 'live', note: null });
    expect(start({ from: 'start' })).toEqual({ from: 'start', note: null });
    expect(needsRecording(asked({ from: '5' }))).toBe(false);
    expect(needsRecording(asked({ t: '5' }))).toBe(true);
  });

  it('at the moment of t=, which counts more than from= and a name', () => {
    expect(start({ t: '2026-01-31T12:00:10Z', from: 'start', group: 'anna' })).toEqual({ from: '2026-01-31T12:00:10.000Z', note: null });
    expect(start({ t: '1m30s' })).toEqual({ from: '2026-01-31T13:01:30.000Z', note: null });
  });

  it('a moment that is none is named, with what would be one, and the newest picture is shown', () => {
    const { from, note } = start({ t: 'soon' });
    expect(from).toBe('live');
    expect(note).toMatchObject({ wrong: true });
    expect(note!.text).toMatch(/t=soon .*1m30s/);
    expect(start({ t: 'x'.repeat(1000) }).note!.text.length).toBeLessThan(300);
  });

  it.each([
    ['1h', 'live', 'the video is 3:00 long'],
    ['2026-02-01T00:00:00Z', 'live', 'behind the newest picture'],
    ['2026-01-01T00:00:00Z', 'start', 'before the oldest picture'],
  ])('t=%s, outside of what there is, begins at the end that is nearer and says so', (t, from, text) => {
    expect(start({ t }).from).toBe(from);
    expect(start({ t }).note!.text).toContain(text);
  });

  it('without knowing what there is a time is asked for as it is, and how far in is the start', () => {
    expect(start({ t: '2026-01-31T12:00:10Z' }, null)).toEqual({ from: '2026-01-31T12:00:10.000Z', note: null });
    expect(start({ t: '5' }, null)).toMatchObject({ from: 'start', note: { wrong: true } });
  });

  it('a name goes on where it stopped, and says where', () => {
    expect(start({ group: 'anna' }).from).toBe('resume');
    expect(start({ group: 'anna' }).note!.text).toMatch(/^anna goes on at .*1:30 in\.$/);
    expect(start({ group: 'anna', from: 'resume' })).toEqual(start({ group: 'anna' }));
    expect(start({ group: 'anna', from: '42' })).toEqual({ from: '42', note: null });
    expect(start({ group: 'anna' }, null)).toEqual({ from: 'resume', note: null });
  });

  it('a name that has seen all of it begins again, unless it is live', () => {
    expect(start({ group: 'ben' }).from).toBe('start');
    expect(start({ group: 'ben' }, new Recording({ ...two, live: true })).from).toBe('resume');
  });

  it('a new name begins at the start, or live', () => {
    expect(start({ group: 'carla' }).from).toBe('start');
    expect(start({ group: 'carla' }, new Recording({ ...two, live: true })).from).toBe('live');
  });
});

describe('the times under the line', () => {
  const of = (length_ms: number) => new Recording({ ...two, spans: [{ from_ms: noon + 400, to_ms: noon + 400 + length_ms }] });

  it.each([10, 65, 600, 3600, 6 * 3600, 24 * 3600, 30 * 24 * 3600])('for %d s they are round and there is room for each', (s) => {
    for (const width_px of [300, 1200, 3000]) {
      const ticks = ticksOf(of(s * 1000), width_px, () => 0);
      expect(ticks.length).toBeGreaterThan(0);
      expect(ticks.length).toBeLessThanOrEqual(width_px / 72);
      for (const [i, tick] of ticks.entries()) if (i > 0) expect((tick.at - ticks[i - 1]!.at) * width_px).toBeGreaterThanOrEqual(71.9);
    }
  });

  it('days begin at the reader’s midnight', () => {
    const ticks = ticksOf(of(10 * 24 * 60 * min), 700, () => 60 * min);
    const first_ms = ticks[0]!.at * 10 * 24 * 60 * min + noon + 400;
    expect(Math.round(first_ms + 60 * min) % (24 * 60 * min)).toBe(0);
  });

  it('nothing to show and no room have none; a thousand stretches have no more than fit', () => {
    expect(ticksOf(new Recording({ ...two, spans: [] }), 800)).toEqual([]);
    expect(ticksOf(of(10_000), 0)).toEqual([]);
    const spans = Array.from({ length: 1000 }, (_, i) => ({ from_ms: noon + i * 60 * min, to_ms: noon + i * 60 * min + 20_000 }));
    expect(ticksOf(new Recording({ ...two, spans }), 720).length).toBeLessThanOrEqual(10);
  });
});

describe('how a moment is reached', () => {
  const timeline = new Timeline();
  const add = (at_s: number, timestamp_ms: number): void => timeline.add({ at_s, duration_s: 0.04, partition: 0, offset: timestamp_ms, timestamp_ms });
  for (let i = 0; i < 100; i += 1) add(1 + i * 0.04, noon + i * 40);
  for (let i = 0; i < 100; i += 1) add(5 + i * 0.04, noon + 60 * min + i * 40);

  it('within what is buffered, by the picture that was shown then', () => {
    expect(wayTo(noon + 45, timeline, 1, 9)).toEqual({ to: 'buffer', at_s: expect.closeTo(1.041) });
    expect(wayTo(noon + 60 * min, timeline, 1, 9)).toEqual({ to: 'buffer', at_s: expect.closeTo(5.001) });
    expect(wayTo(noon + 30 * min, timeline, 1, 9)).toEqual({ to: 'buffer', at_s: expect.closeTo(5.001) });
  });

  it('by the server where it is not there, or no longer', () => {
    expect(wayTo(noon - 1, timeline, 1, 9)).toEqual({ to: 'server', from: '2026-01-31T11:59:59.999Z' });
    expect(wayTo(noon + 70 * min, timeline, 1, 9).to).toBe('server');
    expect(wayTo(noon + 45, timeline, 4, 9).to).toBe('server');
    expect(wayTo(noon, new Timeline(), 0, 0).to).toBe('server');
  });
});

describe('how fast', () => {
  it('the next faster and slower, the last one stays', () => {
    expect([speedBeside(1, 1), speedBeside(1, -1), speedBeside(4, 1), speedBeside(0.25, -1), speedBeside(1.03, -1)]).toEqual([1.25, 0.75, 4, 0.25, 1]);
    expect(speeds).toContain(1);
  });

  it('only speeds there are stand in the address', () => {
    expect(['2', '0.25', '17', 'fast', '', null].map(parseSpeed)).toEqual([2, 0.25, null, null, null, null]);
  });
});

describe('the small pictures under the pointer', () => {
  const set = () => {
    const asked: string[] = [];
    const answers: ((picture: string | null) => void)[] = [];
    const shown: string[] = [];
    const freed: string[] = [];
    const thumbs = new Thumbs({
      load: (url) => (asked.push(url), new Promise((done) => answers.push(done))),
      free: (picture) => freed.push(picture),
      onPicture: (picture) => shown.push(picture),
    });
    return { thumbs, asked, answers, shown, freed };
  };

  it('one is asked for at a time, and of those wanted meanwhile only the newest', async () => {
    const { thumbs, asked, answers, shown } = set();
    for (const url of ['a', 'b', 'c', 'd']) thumbs.want(url);
    expect(asked).toEqual(['a']);
    answers[0]!('A');
    await settle();
    expect(asked).toEqual(['a', 'd']);
    answers[1]!('D');
    await settle();
    expect(shown).toEqual(['A', 'D']);
  });

  it('what has been seen is not asked for again, and one that failed leaves the old one', async () => {
    const { thumbs, asked, answers, shown } = set();
    thumbs.want('a');
    answers[0]!('A');
    await settle();
    thumbs.want('b');
    answers[1]!(null);
    await settle();
    thumbs.want('a');
    expect(asked).toEqual(['a', 'b']);
    expect(shown).toEqual(['A', 'A']);
  });

  it('what is kept is freed in the end, what comes later at once, and no more than some is kept', async () => {
    const { thumbs, answers, freed, shown } = set();
    for (let i = 0; i < 70; i += 1) {
      thumbs.want(`u${i}`);
      answers[i]!(`p${i}`);
      await settle();
    }
    expect(freed).toHaveLength(10);
    thumbs.want('late');
    thumbs.stop();
    answers[70]!('late');
    await settle();
    expect(freed).toHaveLength(71);
    expect(shown).not.toContain('late');
  });

  it('places that a pixel cannot tell apart have one picture', () => {
    expect(roundPlace(1234, 10_000, 1000)).toBe(1200);
    expect(roundPlace(86_000_123, 86_400_000, 1000)).toBe(85_980_000);
  });
});
