// What has come but is not in the source buffer yet, and where on the media element's time line it belongs. The server's time
// line begins anew with each connection; here the pieces are laid end to end, or over what is already there where the same
// records come again. No DOM.

import type { Header } from './header';
import { decodeTime, setLength } from './length';
import type { Timeline } from './timeline';

export type Item =
  | { kind: 'init'; mime: string; bytes: Uint8Array<ArrayBuffer> }
  | { kind: 'fragment'; header: Header; bytes: Uint8Array<ArrayBuffer> }
  /** From here on the fragments' times count from another zero. */
  | { kind: 'rebase' };

/** Media time of the first picture ever: above zero, so that decode times before it stay positive. */
export const origin_s = 1;

/** Between what is buffered and what has nothing to do with it: room for pictures that are shown before their key frame. */
export const apart_s = 1;

/** Beyond this a publisher has paused, and the pause is jumped over. */
const longest_us = 10_000_000;

/** Appended at once at most; keeps one append short. */
const batchBytes = 1 << 20;

export class AppendQueue {
  private items: Item[] = [];
  private mime = '';
  /** When what was taken last has been decoded to its end, on its connection's time line. */
  private decoded_us: { from: number; to: number } | null = null;

  get length(): number {
    return this.items.length;
  }

  opened(): void {
    this.decoded_us = null;
    this.items.push({ kind: 'rebase' });
  }

  setMime(mime: string): void {
    this.mime = mime;
  }

  init(bytes: Uint8Array<ArrayBuffer>): void {
    this.items.push({ kind: 'init', mime: this.mime, bytes });
  }

  fragment(header: Header, bytes: Uint8Array<ArrayBuffer>): void {
    this.items.push({ kind: 'fragment', header, bytes });
  }

  clear(): void {
    this.decoded_us = null;
    this.items = [];
  }

  /** The init segment at the head, taken out; null where something else stands there. */
  takeInit(): Extract<Item, { kind: 'init' }> | null {
    const head = this.items[0];
    if (head?.kind !== 'init') return null;
    this.items.shift();
    return head;
  }

  /**
   * The offset in seconds to add to the fragments' times, where a new time line stands at the head and enough of it has come to
   * tell; the mark is taken out. `end_s` is where the buffer ends now, null while there is none. `elsewhere`: what comes does not
   * go on from what is buffered, and is kept apart from it.
   */
  takeRebase(timeline: Timeline, end_s: number | null, elsewhere = false): number | null {
    if (this.items[0]?.kind !== 'rebase') return null;
    let firstPts_s: number | null = null;
    for (const item of this.items.slice(1)) {
      if (item.kind === 'rebase') {
        // Overtaken by yet another connection.
        this.items.shift();
        return this.takeRebase(timeline, end_s, elsewhere);
      }
      if (item.kind !== 'fragment') continue;
      const pts_s = item.header.pts_us / 1e6;
      firstPts_s ??= pts_s;
      if (elsewhere) {
        this.items.shift();
        return (end_s === null ? origin_s : end_s + apart_s) - firstPts_s;
      }
      const known = timeline.find(item.header.partition, item.header.offset);
      if (known && Math.abs(known.timestamp_ms - item.header.timestamp_ms) < 1) {
        this.items.shift();
        return known.at_s - pts_s;
      }
      if (item.header.preroll) continue;
      this.items.shift();
      // Pictures in front of the position asked for come first; on an empty time line they need room before it.
      return (end_s ?? origin_s + (pts_s - firstPts_s)) - pts_s;
    }
    return null;
  }

  /** True while the head is a new time line of which too little has come. */
  get waitsForRebase(): boolean {
    return this.items[0]?.kind === 'rebase';
  }

  /**
   * Fragments from the head, as many as make one append. `more`: the next one is sure to come soon, so the last one here waits for it
   * to know its length.
   */
  takeFragments(more = false): Extract<Item, { kind: 'fragment' }>[] {
    const taken: Extract<Item, { kind: 'fragment' }>[] = [];
    let total = 0;
    while (this.items[taken.length]?.kind === 'fragment' && total < batchBytes) {
      const item = this.items[taken.length] as Extract<Item, { kind: 'fragment' }>;
      const next = this.items[taken.length + 1];
      if (!next && more) break;
      if (next?.kind === 'fragment') untilNext(item, next);
      taken.push(item);
      total += item.bytes.length;
    }
    this.items.splice(0, taken.length);
    const last = taken[taken.length - 1];
    const at_us = last ? decodeTime(last.bytes) : null;
    if (last && at_us !== null) this.decoded_us = { from: at_us, to: at_us + last.header.duration_us };
    return taken;
  }

  /**
   * By how many seconds what comes next is late, where the publisher had paused: a source buffer drops what leans on pictures from before
   * such a gap, up to the next key frame. Laid right behind what came before it is played as it comes. 0 where nothing is to be closed.
   */
  takeGap(): number {
    const [head] = this.items;
    const { decoded_us } = this;
    if (head?.kind !== 'fragment' || !decoded_us || head.header.key) return 0;
    const at_us = decodeTime(head.bytes);
    if (at_us === null) return 0;
    // Media Source Extensions §3.5.8: a gap is what is longer than two pictures.
    const length_us = decoded_us.to - decoded_us.from;
    if (length_us <= 0 || at_us - decoded_us.from <= 2 * length_us) return 0;
    const gap_us = at_us - decoded_us.to;
    this.decoded_us = null;
    return gap_us / 1e6;
  }

  /** Puts back at the head what could not be appended. */
  putBack(items: Item[]): void {
    this.items.unshift(...items);
  }
}

/** Makes a picture last until the next one: where some were missing, the server's guess was too short, or too long behind them. */
function untilNext(item: Extract<Item, { kind: 'fragment' }>, next: Extract<Item, { kind: 'fragment' }>): void {
  const [at, then] = [decodeTime(item.bytes), decodeTime(next.bytes)];
  if (at === null || then === null) return;
  const length_us = then - at;
  if (length_us <= 0 || length_us > longest_us || length_us === item.header.duration_us) return;
  if (setLength(item.bytes, length_us)) item.header.duration_us = length_us;
}

export function joined(items: { bytes: Uint8Array<ArrayBuffer> }[]): Uint8Array<ArrayBuffer> {
  if (items.length === 1) return items[0]!.bytes;
  const all = new Uint8Array(items.reduce((sum, item) => sum + item.bytes.length, 0));
  let at = 0;
  for (const { bytes } of items) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}
