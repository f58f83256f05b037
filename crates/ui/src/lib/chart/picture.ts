// A drawing of several series that moves with time: a canvas whose columns are reused as the window moves on, so that a frame costs
// what is new in it and not what is shown. A drawing that has to be made anew is made a piece a frame, beside the one on the screen.

import { columnOf, timeOf, type Grid } from '../series/grid';
import type { SeriesRing } from '../series/ring';
import { manner, paint, type Look, type Pen, type Place } from './painter';

export interface Drawn {
  ring: SeriesRing;
  look: Look;
}

/** What a drawing is of; another one needs another drawing. */
export interface Frame {
  grid: Grid;
  /** Across, and down, in canvas pixels. */
  columns: number;
  height: number;
  scale: number;
  low: number;
  high: number;
  series: readonly Drawn[];
  /** The column behind the last one. */
  right: number;
  /** It stands still: the line goes on to the first point beyond its right end. */
  fixed: boolean;
}

/** A canvas to draw on, as high as the frame and a little wider. */
export interface Sheet {
  context: Pen & Pick<CanvasRenderingContext2D, 'save' | 'restore' | 'clip' | 'rect' | 'clearRect' | 'drawImage'>;
  image: CanvasImageSource;
}

interface Progress {
  /** The number of the next point to draw. */
  next: number;
  edits: number;
  gap_ms: number;
  way: string;
}

/** Markers and round line ends reach so many CSS pixels beyond their point. */
const overhang = 7;
/** Redrawing more than this for points that came late is not done within a frame. */
const mostRedrawn = 20_000;

/** So many columns more than are shown does a sheet have. */
export const spareColumns = ({ fixed, scale }: Pick<Frame, 'fixed' | 'scale'>): number => (fixed ? 0 : Math.ceil(overhang * scale));

const mod = (n: number, by: number): number => ((n % by) + by) % by;

export class Picture {
  /** Everything there is has been drawn. */
  complete = false;
  /** It can no longer be mended: a new one is needed. */
  spoiled = false;
  private right: number;
  private readonly progress: Progress[];

  constructor(
    readonly frame: Frame,
    private readonly sheet: Sheet,
  ) {
    this.right = frame.right;
    this.progress = frame.series.map(({ ring, look }) => ({
      next: ring.numberAt(timeOf(frame.grid, this.left) - this.overhang_ms),
      edits: ring.edits,
      gap_ms: ring.gapAfter_ms(),
      way: manner(ring, look, this.place(0)),
    }));
  }

  private get left(): number {
    return this.right - this.frame.columns;
  }

  private get overhang_ms(): number {
    return overhang * this.frame.scale * this.frame.grid.pixel_ms;
  }

  /** Behind the last column shown there is room for what reaches beyond it. */
  private get spare(): number {
    return spareColumns(this.frame);
  }

  private get around(): number {
    return this.frame.columns + this.spare;
  }

  /** What is on it, in time. */
  get range(): { from_ms: number; to_ms: number } {
    return { from_ms: timeOf(this.frame.grid, this.left), to_ms: timeOf(this.frame.grid, this.right) };
  }

  /** Whether a drawing of this frame could be made by moving this one on. */
  isOf(frame: Frame): boolean {
    const { frame: mine } = this;
    const sameSeries =
      mine.series.length === frame.series.length &&
      mine.series.every(({ ring, look }, i) => ring === frame.series[i]!.ring && look === frame.series[i]!.look);
    return (
      sameSeries &&
      mine.grid === frame.grid &&
      mine.columns === frame.columns &&
      mine.height === frame.height &&
      mine.scale === frame.scale &&
      mine.low === frame.low &&
      mine.high === frame.high &&
      mine.fixed === frame.fixed &&
      frame.right >= this.right &&
      (!frame.fixed || frame.right === this.right)
    );
  }

  /** Moves on to a column and draws what is new, about `most` rectangles of it. */
  advance(right: number, most: number): void {
    this.move(right);
    this.mend();
    if (this.spoiled) return;
    const jobs: { index: number; from: number; to: number }[] = [];
    let planned = 0;
    this.complete = true;
    this.frame.series.forEach(({ ring }, index) => {
      const progress = this.progress[index]!;
      // Thinning gives points other numbers: there it begins anew, which draws over what is drawn.
      const known = progress.next < ring.settled ? ring.first : progress.next;
      const from = Math.max(known, ring.numberAt(timeOf(this.frame.grid, this.left) - this.overhang_ms));
      const end = ring.numberAt(timeOf(this.frame.grid, this.right));
      const to = this.frame.fixed ? Math.min(ring.next, end + 1) : end;
      if (from >= to) return;
      if (planned > most) {
        this.complete = false;
        return;
      }
      const each = progress.way === 'bars' ? 1 : progress.way === 'strokes' ? 4 : 12;
      planned += (to - from) * each;
      jobs.push({ index, from, to });
      progress.next = to;
    });
    this.draw(jobs, this.left);
  }

  /** Copies it onto another canvas, its left upper corner at (x, y), each column `step` wide. */
  show(context: Pick<CanvasRenderingContext2D, 'drawImage'>, x: number, y: number, step: number): void {
    for (const piece of this.pieces(this.left, this.right)) {
      const { height } = this.frame;
      const from = piece.x + piece.left - this.left;
      context.drawImage(this.sheet.image, piece.x, 0, piece.width, height, x + from * step, y, piece.width * step, height);
    }
  }

  private move(right: number): void {
    if (right <= this.right) return;
    this.clear(Math.max(this.right + this.spare, right - this.frame.columns), right + this.spare);
    this.right = right;
  }

  /** Points that came late, and lines that are now drawn in another way. */
  private mend(): void {
    let from_ms = Number.POSITIVE_INFINITY;
    this.frame.series.forEach(({ ring, look }, index) => {
      const progress = this.progress[index]!;
      if (progress.gap_ms !== ring.gapAfter_ms() || progress.way !== manner(ring, look, this.place(0))) this.spoiled = true;
      from_ms = Math.min(from_ms, ring.editedSince(progress.edits));
      progress.edits = ring.edits;
    });
    if (this.spoiled || from_ms === Number.POSITIVE_INFINITY) return;
    const { grid, series } = this.frame;
    const from = Math.max(this.left, columnOf(grid, from_ms - this.overhang_ms));
    if (from >= this.right) return;
    if ((this.right - from) * series.length > mostRedrawn) {
      this.spoiled = true;
      return;
    }
    this.clear(from, this.right + this.spare);
    // Only what had been drawn: the rest is drawn with what is new.
    const jobs = series.map(({ ring }, index) => ({
      index,
      from: ring.numberAt(timeOf(grid, from) - this.overhang_ms),
      to: Math.min(this.progress[index]!.next, ring.next),
    }));
    this.draw(jobs, from);
  }

  private draw(jobs: readonly { index: number; from: number; to: number }[], from: number): void {
    if (jobs.length === 0) return;
    for (const piece of this.pieces(from, this.right + this.spare)) {
      const { context } = this.sheet;
      context.save();
      context.beginPath();
      context.rect(piece.x, 0, piece.width, this.frame.height);
      context.clip();
      const place = this.place(piece.left);
      for (const job of jobs) {
        const { ring, look } = this.frame.series[job.index]!;
        paint(context, ring, look, place, job.from, job.to, this.around);
      }
      context.restore();
    }
  }

  private clear(from: number, to: number): void {
    for (const { x, width } of this.pieces(from, to)) this.sheet.context.clearRect(x, 0, width, this.frame.height);
  }

  private place(left: number): Place {
    const { grid, low, high, height, scale } = this.frame;
    return { grid, left, low, high, height, scale };
  }

  /** Where columns lie on the sheet, which they go around: one piece or two. `left` is the column that would lie at x = 0. */
  private pieces(from: number, to: number): { x: number; width: number; left: number }[] {
    const x = mod(from, this.around);
    const width = Math.min(to - from, this.around - x);
    const pieces = [{ x, width, left: from - x }];
    if (width < to - from) pieces.push({ x: 0, width: to - from - width, left: from + width });
    return pieces;
  }
}
