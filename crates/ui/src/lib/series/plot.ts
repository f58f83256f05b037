// uPlot set up the way this page draws lines: colours from the tokens, a dash for each series, no legend of its own. The only
// module that names uPlot.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { align, extent, steadyRange } from './align';
import type { Reduced } from './ring';
import * as units from '../units';

/** Told apart without colour too. */
export const dashes: number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [1, 2], [12, 4], [6, 3, 1, 3, 1, 3]];
export const colourCount = 8;
export const colourOf = (index: number): string => `var(--s${(index % colourCount) + 1})`;

export interface Line {
  name: string;
  /** Its place among all series: colour and dash stay when others are hidden. */
  index: number;
}

export class Plot {
  private readonly plot: uPlot;
  private range: [number, number] | null = null;
  private from_s = 0;
  private to_s = 1;

  constructor(
    element: HTMLElement,
    lines: Line[],
    size: { width: number; height: number },
    onCursor: (index: number | null) => void,
  ) {
    const style = getComputedStyle(element);
    const token = (name: string): string => style.getPropertyValue(name).trim();
    const rem = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const axis: uPlot.Axis = {
      stroke: token('--soft'),
      font: `${Math.round(rem * 0.75)}px ${token('--font')}`,
      grid: { stroke: token('--line'), width: 1 },
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      ...size,
      padding: [8, rem * 1.75, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: true, range: () => [this.from_s, this.to_s] },
        y: { range: () => this.range ?? [0, 1] },
      },
      axes: [
        { ...axis, space: rem * 5.5, size: rem * 1.9, values: (_, splits, __, ___, step) => splits.map((s) => timeLabel(s, step)) },
        { ...axis, size: (_, values) => rem * 0.9 + rem * 0.45 * Math.max(3, ...(values ?? []).map((v) => v.length)), values: (_, splits) => splits.map((v) => units.value(v)) },
      ],
      series: [
        {},
        ...lines.map(({ name, index }): uPlot.Series => ({
          label: name,
          stroke: token(`--s${(index % colourCount) + 1}`),
          width: 1.75,
          dash: dashes[index % dashes.length]!,
          points: { show: false },
          spanGaps: false,
        })),
      ],
      hooks: { setCursor: [(u) => onCursor(u.cursor.idx ?? null)] },
    };
    this.plot = new uPlot(options, [[], ...lines.map(() => [])] as unknown as uPlot.AlignedData, element);
    this.plot.root.setAttribute('aria-hidden', 'true');
  }

  /** How many device-independent pixels the lines have across. */
  get columns(): number {
    return Math.max(50, Math.round(this.plot.bbox.width / devicePixelRatio));
  }

  draw(reduced: Reduced[], from_ms: number, to_ms: number): void {
    this.from_s = from_ms / 1000;
    this.to_s = to_ms / 1000;
    this.range = steadyRange(this.range, extent(reduced));
    this.plot.setData(align(reduced) as uPlot.AlignedData, true);
  }

  /** Time and values at a place of the data, for the cursor; a series without a point there shows its last one before. */
  at(index: number): { t_ms: number; v: (number | null)[] } | null {
    const [x, ...ys] = this.plot.data;
    const t = x[index];
    if (t === undefined) return null;
    const v = ys.map((y) => {
      for (let i = index; i >= 0; i -= 1) if (y[i] !== undefined) return y[i] ?? null;
      return null;
    });
    return { t_ms: t * 1000, v };
  }

  resize(width: number, height: number): void {
    this.plot.setSize({ width, height });
  }

  destroy(): void {
    this.plot.destroy();
  }
}

function timeLabel(seconds: number, step_s: number): string {
  const text = units.clockTime(seconds * 1000, step_s < 1);
  return step_s >= 60 ? text.slice(0, 5) : step_s < 1 ? text.slice(3, 10) : text;
}
