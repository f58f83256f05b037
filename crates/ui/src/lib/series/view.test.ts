// What must hold of the stretch of time a chart shows, of the series it shows, and of what an address says of both.
import { describe, expect, it } from 'vitest';
import { alone, everything, readSelection, shows, toggle, writeSelection, type Selection } from './selection';
import { live, longestWindow_ms, pan, rangeOf, readView, spanOf, still, writeView, zoom, type View } from './view';

const now = Date.parse('2026-01-31T12:00:00Z');
const minute: View = { live: true, window_ms: 60_000 };
const stood: View = { live: false, from_ms: now - 60_000, to_ms: now };

describe('zooming and moving', () => {
  it('a window that moves goes on moving when it is zoomed without a place', () => {
    expect(zoom(minute, now, 0.5, null)).toEqual({ live: true, window_ms: 30_000 });
    expect(zoom(live(10_000), now, 0.5, null)).toEqual({ live: true, window_ms: 10_000 });
    expect(zoom(live(longestWindow_ms), now, 2, null)).toEqual({ live: true, window_ms: longestWindow_ms });
  });

  it('the moment under the pointer stays where it is', () => {
    for (const part of [0, 0.2, 0.5, 0.9]) {
      const at = now - 60_000 + part * 60_000;
      const view = rangeOf(zoom(stood, now, 0.5, at), now);
      expect((at - view.from_ms) / (view.to_ms - view.from_ms)).toBeCloseTo(part, 3);
    }
  });

  it('nothing is shown beyond the newest moment, and no stretch becomes too long or too short to show', () => {
    let view: View = stood;
    for (let i = 0; i < 30; i += 1) view = zoom(view, now, 2, now - 60_000);
    expect(rangeOf(view, now)).toEqual({ from_ms: now - longestWindow_ms, to_ms: now });
    for (let i = 0; i < 60; i += 1) view = zoom(view, now, 0.5, now - 5000);
    expect(spanOf(view)).toBe(20);
  });

  it('earlier is without end, later ends at the newest moment', () => {
    expect(pan(minute, now, -0.5)).toEqual({ live: false, from_ms: now - 90_000, to_ms: now - 30_000 });
    expect(pan(pan(minute, now, -0.5), now, 3)).toEqual(stood);
    expect(pan(stood, now, 1)).toEqual(stood);
  });

  it('there and back is where it began', () => {
    const there = zoom(stood, now, 0.25, now - 40_000);
    expect(zoom(there, now, 4, now - 40_000)).toEqual(stood);
  });

  it('a stretch is of whole milliseconds, so that an address can say it', () => {
    const view = still(now - 1000.4, now - 3.7, now);
    expect(Object.values(view).every((n) => typeof n === 'boolean' || Number.isInteger(n))).toBe(true);
  });
});

describe('the address', () => {
  const query = (view: View, window_ms = 60_000): URLSearchParams => {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(writeView(view, window_ms))) if (value !== null) search.set(name, value);
    return search;
  };

  it('says what is shown, and what is usual is left out', () => {
    expect(query(minute).toString()).toBe('');
    expect(query(live(90_000), 90_000).toString()).toBe('window=90s');
    expect(query(live(300_000), 300_000).toString()).toBe('window=5m');
    expect(query(stood, 3_600_000).get('window')).toBe('1h');
  });

  it('what it says is what is read', () => {
    for (const view of [live(10_000), live(90_000), live(21_600_000), stood, still(now - 33, now - 5, now)]) {
      const window_ms = view.live ? view.window_ms : 300_000;
      expect(readView(query(view, window_ms))).toEqual({ view, window_ms, wrong: null });
    }
  });

  it.each(['window=5', 'window=5s', 'window=25h', 'window=-1m', 'window=1e9h', 'window=soon', 'from=yesterday&to=now', 'from=2026-01-31T12:00:00Z&to=2026-01-31T12:00:00Z', 'from=2026-01-01T12:00:00Z&to=2026-01-31T12:00:00Z'])(
    'of %s it says what is wrong, and shows what is usual',
    (text) => {
      const read = readView(new URLSearchParams(text));
      expect(read.view).toEqual(minute);
      expect(read.wrong).toContain(text.slice(text.indexOf('=') + 1).split('&')[0]);
    },
  );

  it('names of series come back whatever is in them', () => {
    const selection: Selection = { only: ['a & b', 'c=d', 'ä,"'], hidden: ['#?'] };
    const search = new URLSearchParams();
    for (const [name, texts] of Object.entries(writeSelection(selection))) for (const text of texts) search.append(name, text);
    expect(readSelection(new URLSearchParams(search.toString()))).toEqual(selection);
  });
});

describe('which series are shown', () => {
  const names = ['a', 'b', 'c'];
  const shown = (selection: Selection): string[] => names.filter((name) => shows(selection, name));

  it('a press hides one and shows it again; one that comes later is shown', () => {
    const without = toggle(everything, 'b');
    expect(shown(without)).toEqual(['a', 'c']);
    expect(shows(without, 'new')).toBe(true);
    expect(shown(toggle(without, 'b'))).toEqual(names);
  });

  it('one alone, others added, and all again when the last goes', () => {
    const one = alone(toggle(everything, 'a'), 'b');
    expect(shown(one)).toEqual(['b']);
    expect(shown(toggle(one, 'c'))).toEqual(['b', 'c']);
    expect(shown(toggle(one, 'b'))).toEqual(names);
    expect(shown(alone(one, 'b'))).toEqual(names);
  });
});
