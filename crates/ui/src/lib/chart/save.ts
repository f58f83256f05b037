// A chart as a file: a picture that says what it is of, or text.

import * as units from '../units';
import { mark } from './painter';

/** Hands a file to the browser. */
function save(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}

/** `sensors 2026-01-31 12.00.00.png`, in UTC; what file systems do not take is left out. */
export const fileName = (what: string, to_ms: number, ending: string): string =>
  `${what} ${units.exactTime(to_ms).slice(0, 19).replace('T', ' ').replaceAll(':', '.')}.${ending}`.replaceAll(/[/\\:*?"<>|]/g, '_');

export interface Sheet {
  title: string;
  /** What is under the title. */
  under: string;
  charts: readonly { canvas: HTMLCanvasElement; title: string }[];
  legend: readonly { name: string; colour: string; marker: number }[];
  style: CSSStyleDeclaration;
  name: string;
}

/** All charts of a page as one PNG, under each other, with their names and colours. */
export async function savePng({ title, under, charts, legend, style, name }: Sheet): Promise<void> {
  const token = (wanted: string): string => style.getPropertyValue(wanted).trim();
  const scale = devicePixelRatio;
  const em = 16 * scale;
  const width = Math.max(...charts.map(({ canvas }) => canvas.width)) + 2 * em;
  const sheet = document.createElement('canvas');
  const context = sheet.getContext('2d')!;
  const font = (size: number, weight = 400): void => void (context.font = `${weight} ${size * em}px ${token('--font')}`);
  font(0.85);
  const rows: { name: string; colour: string; marker: number; x: number; y: number }[] = [];
  let [x, y] = [em, 0];
  for (const entry of legend) {
    const taken = 2 * em + context.measureText(entry.name).width + em;
    if (x + taken > width && x > em) [x, y] = [em, y + 1.5 * em];
    rows.push({ ...entry, x, y });
    x += taken;
  }
  const heads = charts.map(({ title: head }) => (head === '' ? 0 : 1.75 * em));
  const body = charts.reduce((sum, { canvas }, i) => sum + canvas.height + heads[i]!, 0);
  sheet.width = width;
  sheet.height = 4 * em + body + (rows.length > 0 ? y + 2.25 * em : 0.5 * em);
  context.fillStyle = token('--card');
  context.fillRect(0, 0, sheet.width, sheet.height);
  const text = (words: string, at: number, down: number, size: number, colour: string, weight = 400): void => {
    font(size, weight);
    context.fillStyle = token(colour);
    context.fillText(words, at, down);
  };
  text(title, em, 1.75 * em, 1.1, '--text', 600);
  text(under, em, 3.1 * em, 0.85, '--soft');
  let top = 3.75 * em;
  charts.forEach(({ canvas, title: head }, i) => {
    if (head !== '') text(head, em, top + 1.2 * em, 0.9, '--text', 600);
    top += heads[i]!;
    context.drawImage(canvas, em, top);
    top += canvas.height;
  });
  for (const entry of rows) {
    const middle = top + entry.y + 1.2 * em;
    context.fillStyle = entry.colour;
    context.fillRect(entry.x, middle - scale, 1.5 * em, 2 * scale);
    mark(context, entry.marker, entry.x + 0.75 * em, middle, 4 * scale);
    text(entry.name, entry.x + 2 * em, middle + 0.3 * em, 0.85, '--text');
  }
  const blob = await new Promise<Blob | null>((done) => sheet.toBlob(done, 'image/png'));
  if (!blob) return;
  const url = URL.createObjectURL(blob);
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Text as a file. */
export function saveText(text: string, type: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
