// The charts of a page as files: which of them, of when, under what name.

import { csv } from '../series/csv';
import * as units from '../units';
import type { Numbers } from './numbers.svelte';
import { fileName, savePng, saveText } from './save';
import type { ChartView } from './view.svelte';

export interface Files {
  numbers: Numbers;
  view: ChartView;
  name: string;
  legend: readonly { label: string; colour: string; marker: number }[];
  charts: () => readonly { canvas: HTMLCanvasElement | null; title: string }[];
  /** Which series of a topic; all where none is named. */
  series: (topic: number) => readonly string[];
}

async function png({ view, name, legend, charts }: Files): Promise<void> {
  const { from_ms, to_ms } = view.range;
  const style = getComputedStyle(document.documentElement);
  await savePng({
    title: name,
    under: `${units.exactTime(from_ms)} to ${units.exactTime(to_ms)}`,
    charts: charts().flatMap(({ canvas, title }) => (canvas ? [{ canvas, title }] : [])),
    legend: legend.map(({ label, colour, marker }) => ({ name: label, colour: style.getPropertyValue(colour).trim(), marker })),
    style,
    name: fileName(name, to_ms, 'png'),
  });
}

async function savedCsv({ numbers, view, name, series }: Files): Promise<void> {
  const { from_ms, to_ms } = view.range;
  try {
    const parts = await numbers.points(from_ms, to_ms, series);
    saveText(csv(parts, from_ms, to_ms), 'text/csv', fileName(name, to_ms, 'csv'));
  } catch (error) {
    numbers.problem = { type: 'about:blank', title: 'Not saved', status: 0, detail: `The numbers could not be had: ${error instanceof Error ? error.message : String(error)}` };
  }
}

export const savePage = { png, csv: savedCsv };
