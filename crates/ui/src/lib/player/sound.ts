// The sound beside a topic's pictures: a source buffer of its own under the same media element, laid on the same time line as the
// pictures of the same connection. The pictures lead: until it is known where they belong, sound waits, and without sound, or where this
// browser cannot play it, they play all the same.

import { joined } from './queue';
import type { PlayerEvent } from './socket';

/** The pictures of a topic that has sound wait so long for it: both buffers must be there before the first of anything is in them. */
const patience_ms = 1000;
/** Appended at once at most. */
const batchBytes = 1 << 18;

type Bytes = Uint8Array<ArrayBuffer>;
type Item =
  | { kind: 'init'; mime: string; bytes: Bytes }
  /** `offset_s` is added to its time; null while it is not known where the pictures of its connection belong. */
  | { kind: 'fragment'; bytes: Bytes; offset_s: number | null };

export class Sound {
  /** Sound came when the pictures had begun without it: they are to begin anew, with it. */
  cameLate = false;
  private items: Item[] = [];
  private offset_s: number | null = null;
  private mime = '';
  private buffer: SourceBuffer | null = null;
  private bufferMime = '';
  private removeTo_s = 0;
  private off: boolean;
  private waitingSince_ms: number | null = null;

  constructor(
    wanted: boolean,
    private readonly onAppended: () => void,
    private readonly now: () => number = () => performance.now(),
    private readonly supports: (mime: string) => boolean = (mime) => MediaSource.isTypeSupported(mime),
  ) {
    this.off = !wanted;
  }

  /** It is heard, or would be if the viewer wanted. */
  get isPlaying(): boolean {
    return this.buffer !== null;
  }

  /** A connection has just opened: what comes is on a time line of its own. */
  opened(): void {
    this.items = this.items.filter((item) => item.kind === 'init' || item.offset_s !== null);
    this.offset_s = null;
  }

  /** Takes what is sound's; false of anything else. */
  receive(event: PlayerEvent): boolean {
    if (event.type === 'init' && event.sound) {
      if (!this.off && !this.supports(event.mime)) this.off = true;
      this.mime = event.mime;
    } else if (event.type === 'initBytes' && event.sound) {
      if (!this.off) this.items.push({ kind: 'init', mime: this.mime, bytes: event.bytes });
    } else if (event.type === 'fragment' && event.header.sound) {
      if (!this.off) this.items.push({ kind: 'fragment', bytes: event.bytes, offset_s: this.offset_s });
    } else return false;
    return true;
  }

  /** Whether the first pictures are to wait for it. */
  get isAwaited(): boolean {
    if (this.off || this.buffer || this.items.some((item) => item.kind === 'init')) return false;
    this.waitingSince_ms ??= this.now();
    return this.now() - this.waitingSince_ms < patience_ms;
  }

  /** The pictures' buffer has just been made: now or never. */
  open(source: MediaSource): void {
    const init = this.items.find((item) => item.kind === 'init');
    if (this.off || !init) return;
    try {
      this.buffer = source.addSourceBuffer(init.mime);
    } catch {
      this.off = true;
      return;
    }
    this.bufferMime = init.mime;
    this.buffer.addEventListener('updateend', () => {
      this.pump();
      this.onAppended();
    });
  }

  /** The media source has gone. */
  close(): void {
    this.buffer = null;
    this.removeTo_s = 0;
    this.waitingSince_ms = null;
    this.cameLate = false;
    this.clear();
  }

  /** Forgets what is not in the buffer yet, but for what later sound needs. */
  clear(): void {
    this.items = this.items.filter((item) => item.kind === 'init').slice(-1);
    this.offset_s = null;
  }

  /** Where the pictures of this connection belong. */
  place(offset_s: number): void {
    this.offset_s = offset_s;
    for (const item of this.items) if (item.kind === 'fragment') item.offset_s ??= offset_s;
  }

  /** Where the sound ends that is in the buffer; null where there is none in it. */
  get end_s(): number | null {
    const ranges = this.buffer?.buffered;
    return ranges && ranges.length > 0 ? ranges.end(ranges.length - 1) : null;
  }

  dropBefore(until_s: number): void {
    this.removeTo_s = Math.max(this.removeTo_s, until_s);
    this.pump();
  }

  /** Moves what has come into the buffer, one append at a time. `begun`: the pictures have a buffer already. */
  pump(begun = true): void {
    const { buffer } = this;
    if (!buffer) {
      if (begun && !this.off && this.items.some((item) => item.kind === 'init')) this.cameLate = true;
      return;
    }
    if (buffer.updating) return;
    try {
      if (this.removeTo_s > 0 && buffer.buffered.length > 0 && buffer.buffered.start(0) < this.removeTo_s) {
        buffer.remove(0, this.removeTo_s);
        this.removeTo_s = 0;
        return;
      }
      this.append(buffer);
    } catch {
      // Full, or taken away meanwhile: what is left is tried again when something has been removed.
    }
  }

  private append(buffer: SourceBuffer): void {
    const head = this.items[0];
    if (!head) return;
    if (head.kind === 'init') {
      if (head.mime !== this.bufferMime) buffer.changeType(head.mime);
      this.bufferMime = head.mime;
      buffer.appendBuffer(head.bytes);
      this.items.shift();
      return;
    }
    const { offset_s } = head;
    if (offset_s === null) return;
    const taken: Bytes[] = [];
    let total = 0;
    for (const item of this.items) {
      if (item.kind !== 'fragment' || item.offset_s !== offset_s || total > batchBytes) break;
      taken.push(item.bytes);
      total += item.bytes.length;
    }
    if (buffer.timestampOffset !== offset_s) buffer.timestampOffset = offset_s;
    buffer.appendBuffer(joined(taken.map((bytes) => ({ bytes }))));
    this.items.splice(0, taken.length);
  }
}

const volumeKey = 'weir-volume';

/** How loud the viewer last had it, 0…1. */
export function rememberedVolume(storage: Pick<Storage, 'getItem'> = localStorage): number {
  const kept = Number.parseFloat(storage.getItem(volumeKey) ?? '');
  return kept > 0 && kept <= 1 ? kept : 1;
}

export function rememberVolume(volume: number, storage: Pick<Storage, 'setItem'> = localStorage): void {
  if (volume > 0) storage.setItem(volumeKey, String(Math.round(volume * 100) / 100));
}
