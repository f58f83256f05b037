// What must hold of the drawing: no column without its least and greatest value, gaps left open, and the same picture whether it
// was drawn at once or as the points came. The canvas is one of plain cells.
import { describe, expect, it } from 'vitest';
import { columnOf, timeOf } from '../series/grid';
import { SeriesRing } from '../series/ring';
import { manner, yOf, type Look } from './painter';
import { Picture, spareColumns, type Frame, type Sheet } from './picture';

/** A canvas of cells: how often each has been drawn on. Strokes and outlines are filled roughly, bars exactly. */
class Cells {
  readonly cells: Uint8Array;
  readonly width: number;
  private clipped: [number, number] = [0, Number.POSITIVE_INFINITY];
  private path: [number, number][] = [];
  private pending: [number, number] = this.clipped;
  drawn = 0;

  constructor(
    shown: number,
    readonly height: number,
    fixed = false,
  ) {
    this.width = shown + spareColumns({ fixed, scale: 1 });
    this.cells = new Uint8Array(this.width * height);
  }

  private fill(x0: number, y0: number, x1: number, y1: number, to: number): void {
    const [left, right] = this.clipped;
    for (let x = Math.max(0, left, Math.ceil(x0 - 0.5)); x < Math.min(this.width, right, x1 - 0.5 + 1e-9); x += 1) {
      for (let y = Math.max(0, Math.ceil(y0 - 0.5)); y < Math.min(this.height, y1 - 0.5 + 1e-9); y += 1) this.cells[x * this.height + y] = to;
    }
  }

  readonly sheet = (): Sheet => {
    const cells = this;
    const context = {
      fillStyle: '',
      strokeStyle: '',
      lineWidth: 1,
      lineJoin: 'round',
      lineCap: 'round',
      save() {},
      restore() {
        cells.clipped = [0, Number.POSITIVE_INFINITY];
      },
      beginPath() {
        cells.path = [];
      },
      rect(x: number, _y: number, width: number) {
        cells.pending = [x, x + width];
      },
      clip() {
        cells.clipped = cells.pending;
      },
      clearRect: (x: number, y: number, w: number, h: number) => cells.fill(x, y, x + w, y + h, 0),
      fillRect: (x: number, y: number, w: number, h: number) => {
        cells.drawn += 1;
        cells.fill(x, y, x + w, y + h, 1);
      },
      moveTo: (x: number, y: number) => void cells.path.push([x, y]),
      lineTo: (x: number, y: number) => void cells.path.push([x, y]),
      closePath() {},
      fill() {
        const xs = cells.path.map(([x]) => x);
        const ys = cells.path.map(([, y]) => y);
        cells.fill(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), 1);
      },
      stroke() {
        cells.path.slice(1).forEach(([x1, y1], i) => {
          const [x0, y0] = cells.path[i]!;
          const steps = Math.ceil(Math.hypot(x1 - x0, y1 - y0)) || 1;
          for (let s = 0; s <= steps; s += 1) {
            const [x, y] = [x0 + ((x1 - x0) * s) / steps, y0 + ((y1 - y0) * s) / steps];
            cells.fill(x - 0.5, y - 0.5, x + 0.5, y + 0.5, 1);
          }
        });
      },
      drawImage() {},
    };
    return { context: context as unknown as Sheet['context'], image: cells as unknown as CanvasImageSource };
  };

  /** What is on a column of the window, from the top: [first, last] row drawn on; null where there is nothing. */
  column(column: number): [number, number] | null {
    const x = ((column % this.width) + this.width) % this.width;
    const rows = this.cells.subarray(x * this.height, (x + 1) * this.height);
    const first = rows.indexOf(1);
    return first < 0 ? null : [first, rows.lastIndexOf(1)];
  }

  get text(): string {
    return Array.from({ length: this.height }, (_, y) => Array.from({ length: this.width }, (_, x) => (this.cells[x * this.height + y] ? '#' : '.')).join('')).join('\n');
  }
}

const look: Look = { colour: 'red', marker: 1, line: true };
const width = 200;
const height = 100;
const grid = { origin_ms: 1000, pixel_ms: 50 };
const frame = (ring: SeriesRing, more: Partial<Frame> = {}): Frame => ({
  grid,
  columns: width,
  height,
  scale: 1,
  low: -100,
  high: 100,
  series: [{ ring, look }],
  right: width,
  fixed: false,
  ...more,
});
/** Numbers that look like chance and are always the same. */
const chance = (seed: number): (() => number) => () => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed / 2147483648;
};

describe('a drawing', () => {
  it('has in every column the least and the greatest value of it, however many points there are', () => {
    for (const perColumn of [1.5, 3, 10, 400]) {
      const ring = new SeriesRing();
      const next = chance(42);
      const extremes = new Map<number, [number, number]>();
      const step = grid.pixel_ms / perColumn;
      for (let t = grid.origin_ms; t < timeOf(grid, width); t += step) {
        const v = next() < 0.01 ? (next() - 0.5) * 190 : Math.sin(t / 900) * 20;
        ring.add(t, v);
        const column = columnOf(grid, t);
        const [low, high] = extremes.get(column) ?? [v, v];
        extremes.set(column, [Math.min(low, v), Math.max(high, v)]);
      }
      const cells = new Cells(width, height);
      const picture = new Picture(frame(ring), cells.sheet());
      picture.advance(width, Number.POSITIVE_INFINITY);
      expect(picture.complete).toBe(true);
      const place = { grid, left: 0, low: -100, high: 100, height, scale: 1 };
      for (const [column, [low, high]] of extremes) {
        const [top, bottom] = cells.column(column)!;
        expect(top, `${perColumn} a column, top of ${column}`).toBeLessThanOrEqual(Math.round(yOf(place, high)));
        expect(bottom, `${perColumn} a column, bottom of ${column}`).toBeGreaterThanOrEqual(Math.round(yOf(place, low)) - 1);
      }
    }
  });

  it('has nothing in a column that the line does not reach', () => {
    const ring = new SeriesRing();
    for (let t = grid.origin_ms; t < timeOf(grid, width); t += 5) ring.add(t, columnOf(grid, t) === 100 ? 90 : 0);
    const cells = new Cells(width, height);
    new Picture(frame(ring, { series: [{ ring, look: { ...look, marker: 0 } }] }), cells.sheet()).advance(width, 1e9);
    expect(cells.column(100)![0]).toBeLessThan(7);
    for (const column of [90, 98, 103, 110]) expect(cells.column(column)![0], `column ${column}`).toBeGreaterThan(43);
  });

  it('leaves a silence open, and shows a point that stands alone in it', () => {
    const ring = new SeriesRing();
    for (let t = 1000; t < 3000; t += 10) ring.add(t, 0);
    ring.add(6000, 50);
    for (let t = 9000; t < 11_000; t += 10) ring.add(t, 0);
    const cells = new Cells(width, height);
    new Picture(frame(ring), cells.sheet()).advance(width, 1e9);
    for (const column of [45, 60, 90, 110, 150]) expect(cells.column(column), `column ${column}`).toBeNull();
    expect(cells.column(100)).not.toBeNull();
    expect(cells.column(170)).not.toBeNull();
  });

  it('is the same drawn at once or piece by piece as points come and time moves on', () => {
    for (const [step, way] of [[7, 'bars'], [200, 'strokes'], [700, 'points']] as const) {
      const next = chance(step);
      const all: [number, number][] = [];
      for (let t = 1000; t < 40_000; t += step) if (next() < 0.97) all.push([t + Math.floor(next() * 3), Math.sin(t / 700) * 80]);
      const whole = new SeriesRing();
      all.forEach(([t, v]) => whole.add(t, v));
      const right = columnOf(grid, 40_000);
      const once = new Cells(width, height);
      new Picture(frame(whole, { right }), once.sheet()).advance(right, 1e9);

      const ring = new SeriesRing();
      // Long enough that what is usual is known.
      let taken = 0;
      for (; taken < 40 && taken < all.length / 4; taken += 1) ring.add(...all[taken]!);
      const cells = new Cells(width, height);
      let at = columnOf(grid, all[taken - 1]![0]) + 1;
      let picture = new Picture(frame(ring, { right: at }), cells.sheet());
      while (at < right) {
        at = Math.min(right, at + 1 + Math.floor(next() * 5));
        while (taken < all.length && all[taken]![0] < timeOf(grid, at) - 30) ring.add(...all[taken++]!);
        picture.advance(at, 50);
        if (picture.spoiled) {
          cells.cells.fill(0);
          picture = new Picture(frame(ring, { right: at }), cells.sheet());
        }
      }
      while (taken < all.length) ring.add(...all[taken++]!);
      for (let i = 0; i < 200 && !(picture.complete && i > 0); i += 1) picture.advance(right, 50);
      expect(manner(ring, look, { grid, left: 0, low: 0, high: 1, height, scale: 1 })).toBe(way);
      expect(cells.text, way).toBe(once.text);
    }
  });

  it('is mended where points come late', () => {
    const next = chance(3);
    const all: [number, number][] = [];
    for (let t = 1000; t < 11_000; t += 7) all.push([t, next() * 150 - 75]);
    const whole = new SeriesRing();
    all.forEach(([t, v]) => whole.add(t, v));
    const once = new Cells(width, height);
    new Picture(frame(whole), once.sheet()).advance(width, 1e9);

    const ring = new SeriesRing();
    const cells = new Cells(width, height);
    const held = all.filter((_, i) => i % 50 === 20);
    for (const point of all) if (!held.includes(point)) ring.add(...point);
    const picture = new Picture(frame(ring), cells.sheet());
    picture.advance(width, 1e9);
    expect(cells.text).not.toBe(once.text);
    for (const point of held.reverse()) {
      ring.add(...point);
      picture.advance(width, 1e9);
      expect(picture.spoiled).toBe(false);
    }
    expect(cells.text).toBe(once.text);
  });

  it('costs what is new in a frame, not what is shown', () => {
    const ring = new SeriesRing();
    for (let t = 1000; t < 11_000; t += 1) ring.add(t, Math.sin(t) * 90);
    const cells = new Cells(width, height);
    const picture = new Picture(frame(ring), cells.sheet());
    picture.advance(width, 1e9);
    const before = cells.drawn;
    for (let t = 11_000; t < 11_100; t += 1) ring.add(t, Math.sin(t) * 90);
    picture.advance(width + 2, 1e9);
    expect(cells.drawn - before).toBeLessThanOrEqual(4);
  });

  it('of many series is made a piece a frame, until it is whole', () => {
    const rings = Array.from({ length: 50 }, (_, n) => {
      const ring = new SeriesRing();
      for (let t = 1000; t < 11_000; t += 10) ring.add(t, Math.sin(t / 100 + n) * 90);
      return ring;
    });
    const cells = new Cells(width, height);
    const picture = new Picture(frame(rings[0]!, { series: rings.map((ring) => ({ ring, look })) }), cells.sheet());
    let frames = 0;
    for (; !picture.complete; frames += 1) picture.advance(width, 5000);
    expect(frames).toBeGreaterThan(5);
    expect(frames).toBeLessThan(20);
  });

  it('standing still, the line goes on to the first point beyond its end', () => {
    const ring = new SeriesRing();
    for (let t = 0; t < 20_000; t += 900) ring.add(t, 0);
    const cells = new Cells(width, height, true);
    new Picture(frame(ring, { fixed: true }), cells.sheet()).advance(width, 1e9);
    expect(cells.column(0)).not.toBeNull();
    expect(cells.column(width - 1)).not.toBeNull();
  });

  it('is right after the past has been thinned', () => {
    const points = Array.from({ length: 10_000 }, (_, i): [number, number] => [1000 + i, Math.sin(i * 12.9898) * 90]);
    const [whole, thin] = [new SeriesRing(), new SeriesRing()];
    for (const point of points) {
      whole.add(...point);
      thin.add(...point);
    }
    thin.thin(grid, 10_000);
    const [a, b] = [new Cells(width, height), new Cells(width, height)];
    new Picture(frame(whole), a.sheet()).advance(width, 1e9);
    new Picture(frame(thin), b.sheet()).advance(width, 1e9);
    expect(b.text).toBe(a.text);
  });
});
