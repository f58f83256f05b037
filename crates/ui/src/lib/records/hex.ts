// Bytes as people read them: sixteen a row, in hexadecimal and as text.

import type { TextOrHex } from '../api';

export interface HexRow {
  at: string;
  hex: string;
  text: string;
}

export function bytesOf(value: TextOrHex): Uint8Array {
  if (value.encoding === 'utf-8') return new TextEncoder().encode(value.text);
  const pairs = Math.floor(value.text.length / 2);
  const bytes = new Uint8Array(pairs);
  for (let i = 0; i < pairs; i += 1) bytes[i] = Number.parseInt(value.text.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

export function hexRows(bytes: Uint8Array, mostRows = 4096): HexRow[] {
  const rows: HexRow[] = [];
  for (let at = 0; at < bytes.length && rows.length < mostRows; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0'));
    rows.push({
      at: at.toString(16).padStart(6, '0'),
      hex: `${hex.slice(0, 8).join(' ')}  ${hex.slice(8).join(' ')}`.padEnd(48),
      text: row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join(''),
    });
  }
  return rows;
}

/** One line of a value for a list: whitespace folded, never longer than `most` characters. */
export function preview(value: TextOrHex | null, most = 300): string {
  if (value === null) return '';
  if (value.encoding === 'hex') {
    const shown = value.text.slice(0, 64).replace(/../g, '$& ').trimEnd();
    return value.text.length > 64 ? `${shown} …` : shown;
  }
  const text = value.text.slice(0, most + 1).replace(/\s+/g, ' ').trim();
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** JSON set out in lines; other text as it is. */
export function pretty(text: string): string {
  const first = text.trimStart()[0];
  if (first !== '{' && first !== '[') return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
