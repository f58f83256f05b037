// A few words beside a point of a chart, kept within it.

import type { Drawing } from './plot';

/** Above (-1) or below (1) a place; on a ground of the card's colour, so that a line behind it does not cross the words. */
export function label(drawing: Drawing, words: string, x: number, y: number, side: -1 | 1, colour: string): void {
  const { context, box, scale } = drawing;
  const size = Math.round(13 * scale);
  const pad = 4 * scale;
  context.font = `600 ${size}px ${drawing.font}`;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const width = context.measureText(words).width + 2 * pad;
  const height = size + pad;
  const left = Math.min(Math.max(box.left, x - width / 2), box.left + box.width - width);
  const away = side * (height / 2 + 8 * scale);
  // Where there is no room on its side, it stands on the other.
  const fits = y + away - height / 2 >= box.top && y + away + height / 2 <= box.top + box.height;
  const middle = y + (fits ? away : -away);
  context.fillStyle = drawing.token('--card');
  context.globalAlpha = 0.85;
  context.fillRect(left, middle - height / 2, width, height);
  context.globalAlpha = 1;
  context.fillStyle = drawing.token(colour);
  context.fillText(words, left + pad, middle);
}
