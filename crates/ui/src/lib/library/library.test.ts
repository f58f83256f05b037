// What must hold of the library: what a card says and where it leads, and how often the server is asked.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Library, Video } from '../api';
import { settle, TestTimers } from '../stand-ins';
import { cardOf, matching, resumeOf } from './card';
import { LibraryFeed } from './feed';

const video = (more: Partial<Video> = {}): Video => ({
  topic: 'films',
  key: 'alien & co',
  content_type: 'video/h264',
  codec: 'avc1.64001f',
  width: 1280,
  height: 720,
  from_ms: 0,
  to_ms: 2_700_000,
  length_ms: 2_700_000,
  live: false,
  spans: [{ from_ms: 0, to_ms: 2_700_000 }],
  records: 67_500,
  size_bytes: 1_234_000_000,
  viewers: [],
  poster: '/poster',
  ...more,
});

describe('a card', () => {
  it('names the film and its topic, its length and size, and leads to its beginning', () => {
    const card = cardOf(video(), 3_000_000);
    expect(card).toMatchObject({ title: 'alien & co', topic: 'films', length: '45:00', live: false });
    expect(card.href).toBe('/t/films?key=alien+%26+co&t=0');
    expect(card.facts).toContain('1280×720 · 1.2 GB · ');
    expect(card.exact).toContain('avc1.64001f');
  });

  it('of what is live leads to the edge, and one without a key has the name of its topic', () => {
    const card = cardOf(video({ live: true, key: null, width: null, height: null, size_bytes: 0 }), 3_000_000);
    expect(card).toMatchObject({ title: 'films', topic: null, href: '/t/films', live: true });
    expect(card.facts).toMatch(/^h264 · since /);
  });

  it('says why there is no picture where the server makes none', () => {
    expect(cardOf(video({ poster: null, content_type: 'video/h265' }), 0).noPoster).toMatch(/^H\.265 plays/);
  });

  it('stays the same card while its video goes on, and two cameras of a topic are two', () => {
    expect(cardOf(video({ to_ms: 9e6 }), 0).id).toBe(cardOf(video(), 0).id);
    expect(cardOf(video({ key: 'brazil' }), 0).id).not.toBe(cardOf(video(), 0).id);
    expect(cardOf(video({ key: null }), 0).id).not.toBe(cardOf(video(), 0).id);
  });

  it('says where a viewer stopped and leads on from there', () => {
    const at = (part: number, more: Partial<Video> = {}) => resumeOf(video(more), { group: 'ann b', at_ms: 0, offset: 9, partition: 0, part });
    expect(at(0.25)).toEqual({
      group: 'ann b',
      href: '/t/films?key=alien+%26+co&group=ann+b&from=resume',
      percent: 25,
      at: '11:15 of 45:00',
    });
    expect(at(0.9995).at).toBe('seen to the end');
    expect(at(1, { live: true }).at).toBe('45:00 of 45:00');
  });

  it('is found by topic, key and viewer', () => {
    const of = [video(), video({ topic: 'yard', key: null, viewers: [{ group: 'Ann', at_ms: 0, offset: 1, partition: 0, part: 0 }] })];
    expect(matching(of, ' ALIEN ')).toEqual([of[0]]);
    expect(matching(of, 'ann')).toEqual([of[1]]);
    expect(matching(of, '')).toEqual(of);
    expect(matching(of, 'nobody')).toEqual([]);
  });
});

describe('the feed', () => {
  let timers: TestTimers;
  let asked: number;
  let answer: Library | null;
  let got: (Library | null)[];
  let feed: LibraryFeed;
  const empty: Library = { videos: [], truncated: false, pending: 0, problems: [] };

  beforeEach(() => {
    timers = new TestTimers();
    asked = 0;
    answer = empty;
    got = [];
    feed = new LibraryFeed({
      onLibrary: (library) => got.push(library),
      onProblem: () => got.push(null),
      ask: async () => {
        asked += 1;
        return answer && { ok: true, body: answer };
      },
      timers,
    });
    feed.start();
  });

  it('asks again after five seconds, and after one while topics are looked through', async () => {
    await settle();
    expect(got).toEqual([empty]);
    timers.move(4999);
    expect(asked).toBe(1);
    answer = { ...empty, pending: 2 };
    timers.move(1);
    await settle();
    expect(asked).toBe(2);
    timers.move(1000);
    await settle();
    expect(asked).toBe(3);
  });

  it('goes on asking while the server is away', async () => {
    answer = null;
    await settle();
    timers.move(5000);
    await settle();
    answer = empty;
    timers.move(5000);
    await settle();
    expect(got.at(-1)).toEqual(empty);
  });

  it('rests when told to, and an answer that comes afterwards is nobody’s', async () => {
    await settle();
    timers.move(5000);
    feed.stop();
    await settle();
    timers.move(60_000);
    await settle();
    expect([asked, got.length]).toEqual([2, 1]);
    feed.start();
    await settle();
    expect(got.length).toBe(2);
  });
});
