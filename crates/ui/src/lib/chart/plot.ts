// One chart on the screen: uPlot's axes, scales and selection around a picture of the series. The only module that names uPlot.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import * as units from '../units';
import { timeOf, type Grid } from '../series/grid';
import { yOf } from './painter';
import { Picture, spareColumns, type Drawn, type Frame, type Sheet } from './picture';
import { around, roomy, steady, type Span } from './scale';

/** What a chart is to show now. */
export interface Scene {
  grid: Grid;
  right: number;
  fixed: boolean;
  series: readonly Drawn[];
  /** Anything has changed since the last time that may change the least or greatest value. */
  fresh: boolean;
  /** Values that are always on the y axis. */
  span: Span | null;
  /** Draws on top of the series. */
  decorate?: ((drawing: Drawing) => void) | undefined;
  /** A line down the chart. */
  cursor_ms: number | null;
}

/** What decorations are drawn with; lengths in canvas pixels. */
export interface Drawing {
  context: CanvasRenderingContext2D;
  box: { left: number; top: number; width: number; height: number };
  scale: number;
  font: string;
  token: (name: string) => string;
  x: (t_ms: number) => number;
  y: (v: number) => number;
  range: { from_ms: number; to_ms: number };
}

export interface PlotOptions {
  /** What the numbers on the y axis are; plain numbers otherwise. */
  format?: ((v: number) => string) | undefined;
  /** The y axis is as wide as that of the other charts of the page. */
  aligned?: boolean | undefined;
  onCursor: (t_ms: number | null, v: number | null) => void;
  onSelect: (from_ms: number, to_ms: number) => void;
}

const mostColumns = 4096;
/** Rectangles drawn a frame: a drawing of 100 series is made in about ten frames, none of them late. */
const workPerFrame = 8_000;

export class Plot {
  private readonly plot: uPlot;
  private readonly style: CSSStyleDeclaration;
  private front: Picture | null = null;
  private back: Picture | null = null;
  private range: Span | null = null;
  private scene: Scene | null = null;

  constructor(
    element: HTMLElement,
    size: { width: number; height: number },
    private readonly options: PlotOptions,
  ) {
    this.style = getComputedStyle(element);
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const axis: uPlot.Axis = {
      stroke: this.token('--soft'),
      font: `${Math.round(rem * 0.75)}px ${this.token('--font')}`,
      grid: { stroke: this.token('--line'), width: 1 },
      ticks: { show: false },
    };
    const format = options.format ?? units.value;
    const width = (labels: string[] | null): number => rem * 0.9 + rem * 0.45 * Math.max(options.aligned ? 6 : 3, ...(labels ?? []).map((v) => v.length));
    this.plot = new uPlot(
      {
        ...size,
        padding: [8, rem * 1.75, 0, 0],
        legend: { show: false },
        cursor: {
          x: false,
          y: false,
          points: { show: false },
          drag: { x: true, y: false, setScale: false, dist: 4 },
          bind: {
            // With Shift, a drag moves the chart.
            mousedown: (_u, _on, mark) => (event) => (event.shiftKey ? null : mark(event)),
            dblclick: () => () => null,
          },
        },
        scales: { x: { time: true, range: () => this.shownX() }, y: { range: () => this.shownY() } },
        axes: [
          { ...axis, space: rem * 5.5, size: rem * 1.9, values: (_, splits, __, ___, step) => timeLabels(splits, step) },
          { ...axis, size: (_, values) => width(values), values: (_, splits) => splits.map(format) },
        ],
        series: [{}, { paths: () => null, points: { show: false } }],
        hooks: {
          draw: [() => this.drawSeries()],
          setSelect: [({ select }) => this.selected(select.left, select.width)],
        },
      },
      [[0, 1], [0, 1]],
      element,
    );
    this.plot.root.setAttribute('aria-hidden', 'true');
    this.over.addEventListener('pointermove', this.point);
    this.over.addEventListener('pointerleave', () => options.onCursor(null, null));
  }

  /** The part with the lines, where hands are. */
  get over(): HTMLElement {
    return this.plot.over;
  }

  get canvas(): HTMLCanvasElement {
    return this.plot.ctx.canvas;
  }

  /** Columns of pixels across. */
  get columns(): number {
    return Math.max(50, Math.floor(this.plot.bbox.width / this.step));
  }

  /** Canvas pixels a column is wide: one, but on very wide screens. */
  private get step(): number {
    return Math.ceil(this.plot.bbox.width / mostColumns);
  }

  /** What is on the screen now, which may lag behind what is asked for. */
  get shown(): { from_ms: number; to_ms: number } | null {
    return this.front?.range ?? null;
  }

  /** Whether the drawing of what was asked for is still being made. */
  get isBusy(): boolean {
    return this.back !== null || (this.front !== null && !this.front.complete);
  }

  draw(scene: Scene): void {
    this.scene = scene;
    if (scene.fresh || !this.range) this.range = this.rangeFor(scene);
    const frame: Frame = {
      grid: scene.grid,
      columns: this.columns,
      height: Math.round(this.plot.bbox.height),
      scale: devicePixelRatio,
      low: this.range.low,
      high: this.range.high,
      series: scene.series,
      right: scene.right,
      fixed: scene.fixed,
    };
    if (!this.front?.isOf(frame) || this.front.spoiled) {
      if (!this.back?.isOf(frame) || this.back.spoiled) this.back = new Picture(frame, sheet(frame.columns + spareColumns(frame), frame.height));
    } else this.back = null;
    if (this.back) {
      this.back.advance(scene.right, workPerFrame);
      if (this.back.complete || !this.front) {
        this.front = this.back;
        this.back = null;
      }
    }
    // What is on the screen moves on meanwhile.
    if (this.front && this.front.frame.grid === scene.grid && !this.front.frame.fixed) this.front.advance(scene.right, workPerFrame);
    else if (this.front && !this.front.complete) this.front.advance(this.front.frame.right, workPerFrame);
    this.redraw();
  }

  /** The scene again, with another cursor. */
  private redraw(): void {
    const [from_s, to_s] = this.shownX();
    const [low, high] = this.shownY();
    this.plot.setData([[from_s, to_s], [low, high]], true);
  }

  resize(width: number, height: number): void {
    this.plot.setSize({ width, height });
  }

  destroy(): void {
    this.plot.destroy();
  }

  private readonly point = (event: PointerEvent): void => {
    const { left, top } = this.over.getBoundingClientRect();
    this.options.onCursor(this.plot.posToVal(event.clientX - left, 'x') * 1000, this.plot.posToVal(event.clientY - top, 'y'));
  };

  private selected(left: number, width: number): void {
    if (width < 4) return;
    const [from_s, to_s] = [this.plot.posToVal(left, 'x'), this.plot.posToVal(left + width, 'x')];
    this.plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.options.onSelect(from_s * 1000, to_s * 1000);
  }

  private rangeFor({ series, grid, right, span }: Scene): Span {
    const [from_ms, to_ms] = [timeOf(grid, right - this.columns), timeOf(grid, right)];
    const extremes = series.map(({ ring }) => {
      const found = ring.extremes(from_ms, to_ms);
      return found && { low: found.low.v, high: found.high.v };
    });
    const drawn = around(extremes);
    if (span) {
      const all = around([span, drawn])!;
      return drawn && (drawn.low < span.low || drawn.high > span.high) ? roomy(all) : all;
    }
    return steady(this.range, drawn);
  }

  private shownX(): [number, number] {
    const range = this.front?.range;
    return range ? [range.from_ms / 1000, range.to_ms / 1000] : [0, 1];
  }

  private shownY(): [number, number] {
    return this.front ? [this.front.frame.low, this.front.frame.high] : [0, 1];
  }

  private token(name: string): string {
    return this.style.getPropertyValue(name).trim();
  }

  private drawSeries(): void {
    const { front, scene, plot } = this;
    if (!front || !scene) return;
    const { ctx, bbox } = plot;
    front.show(ctx, bbox.left, bbox.top, this.step);
    const range = front.range;
    const drawing: Drawing = {
      context: ctx,
      box: bbox,
      scale: devicePixelRatio,
      font: this.token('--font'),
      token: (name) => this.token(name),
      x: (t_ms) => bbox.left + ((t_ms - range.from_ms) / (range.to_ms - range.from_ms)) * bbox.width,
      y: (v) => bbox.top + yOf({ ...front.frame, left: 0, height: bbox.height }, v),
      range,
    };
    ctx.save();
    if (scene.cursor_ms !== null && scene.cursor_ms >= range.from_ms && scene.cursor_ms <= range.to_ms) {
      ctx.fillStyle = this.token('--control');
      ctx.fillRect(Math.round(drawing.x(scene.cursor_ms)), bbox.top, Math.max(1, Math.round(devicePixelRatio)), bbox.height);
    }
    scene.decorate?.(drawing);
    ctx.restore();
  }
}

function sheet(width: number, height: number): Sheet {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = Math.max(1, height);
  return { context: canvas.getContext('2d')!, image: canvas };
}

function timeLabels(splits: number[], step_s: number): string[] {
  return splits.map((s) => {
    const ms = s * 1000;
    const text = units.clockTime(ms, step_s < 1);
    if (step_s < 1) return text.slice(3, step_s < 0.1 ? 12 : 10);
    if (step_s < 60) return text;
    return text.startsWith('00:00') || step_s >= 86_400 ? units.dayOf(ms) : text.slice(0, 5);
  });
}
