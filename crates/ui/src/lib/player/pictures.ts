// Plays a topic's pictures one by one, as `video.mjpeg` sends them, in an image: each says which record it is, so that there is a
// position, a pause and a way to any moment. The server keeps the pace; a pause lets go of the connection.

import { Backoff, isFinal, isProblem, systemTimers } from '../link';
import { routes } from '../routes';
import { PartReader, type Part } from './parts';
import type { Plays } from './plays';
import type { Recording } from './recording';
import { initialStatus, type PlayerStatus } from './state';

const tick_ms = 250;
/** No picture for this long, or for five times as long as the last one took, is a publisher that paused. */
const quiet_ms = 3000;
/** A publisher that has sent nothing for so long is done, as far as anybody can tell. */
const over_ms = 10_000;
/** So close behind now a viewer has arrived at the live edge. */
const arrived_ms = 1500;
/** Whoever goes so close to the newest picture wants that one. */
const near_ms = 500;
/** How often the picture in front of one is asked for: other records may lie between them. */
const backTries = 10;

export interface PicturesOptions {
  image: HTMLImageElement;
  topic: string;
  from: string;
  group?: string | null;
  camera?: string | null;
  recording?: () => Recording | null;
  onStatus: (status: PlayerStatus) => void;
  onMoved?: () => void;
}

export class PicturePlayer implements Plays {
  readonly status: PlayerStatus;
  private going: AbortController | null = null;
  private readonly backoff = new Backoff(Math.random);
  private retry = 0;
  private ticker = 0;
  private from: string;
  /** When the last picture was shown, and how long the one before it stood. */
  private shown_ms = 0;
  private stood_ms = 0;
  private url = '';
  /** What the server's clock is ahead of this one, as far as a header in seconds tells. */
  private ahead_ms = 0;
  private stopped = false;

  constructor(private readonly options: PicturesOptions) {
    this.from = options.from;
    this.status = initialStatus(options.from === 'live');
  }

  start(): void {
    this.ticker = window.setInterval(() => this.tick(), tick_ms);
    document.addEventListener('visibilitychange', this.onVisible);
    const at_ms = this.from.includes('T') ? Date.parse(this.from) : Number.NaN;
    if (Number.isNaN(at_ms)) this.open(this.from);
    else void this.land(at_ms);
  }

  stop(): void {
    this.stopped = true;
    this.letGo();
    window.clearInterval(this.ticker);
    document.removeEventListener('visibilitychange', this.onVisible);
    this.options.image.removeAttribute('src');
    URL.revokeObjectURL(this.url);
  }

  toggle(): void {
    if (this.status.paused) this.play();
    else this.pause();
  }

  seekBy(seconds: number): void {
    const { status } = this;
    const from_ms = status.jumpingTo_ms ?? status.picture?.timestamp_ms;
    if (from_ms === undefined || (seconds > 0 && status.follow)) return;
    this.jumpTo(this.recording?.on(from_ms, seconds * 1000) ?? from_ms + seconds * 1000);
  }

  jumpTo(at_ms: number): void {
    const newest_ms = this.recording?.to_ms;
    if (newest_ms !== undefined && at_ms >= newest_ms - near_ms) {
      this.edge();
      return;
    }
    this.leaveEdge();
    void this.land(at_ms);
    this.options.onMoved?.();
  }

  jumpToPart(part: number): void {
    const { recording } = this;
    if (recording) this.jumpTo(recording.timeAt(part * recording.length_ms));
  }

  step(pictures: number): void {
    const { picture } = this.status;
    if (!this.status.paused) this.pause();
    if (!picture || this.status.jumpingTo_ms !== null) return;
    if (pictures > 0) this.open(String(picture.offset + 1));
    else void this.stepBack(picture.offset);
  }

  edge(): void {
    const { status } = this;
    status.follow = true;
    status.paused = false;
    status.delay_ms = null;
    this.open('live', this.recording?.to_ms ?? null);
    this.options.onMoved?.();
  }

  private pause(): void {
    this.letGo();
    this.status.paused = true;
    this.leaveEdge();
    this.options.onMoved?.();
    this.tell();
  }

  private play(): void {
    const { status } = this;
    const { picture } = status;
    status.paused = false;
    if (status.jumpingTo_ms !== null) void this.land(status.jumpingTo_ms);
    // Behind the picture on the screen.
    else this.open(picture ? new Date(picture.timestamp_ms + 1).toISOString() : this.from);
  }

  /** Shows the picture of a time, the newest captured by then, and goes on behind it. */
  private async land(at_ms: number): Promise<void> {
    const { status } = this;
    const from = new Date(at_ms).toISOString();
    const going = this.begin(from, at_ms);
    const part = await this.still(from, going).catch(() => null);
    if (going.signal.aborted) return;
    const isShown = part !== null && (await this.show(part));
    if (going.signal.aborted || (isShown && status.paused)) return;
    this.open(isShown ? new Date(part.timestamp_ms + 1).toISOString() : from);
  }

  private leaveEdge(): void {
    const { status } = this;
    status.follow = false;
    status.ended_ms = status.quiet_ms = null;
    this.delayed();
  }

  private get recording(): Recording | null {
    return this.options.recording?.() ?? null;
  }

  private letGo(): void {
    this.going?.abort();
    this.going = null;
    window.clearTimeout(this.retry);
  }

  /** Goes on from elsewhere; the picture of before stays until the first one comes. */
  private open(from: string, to_ms: number | null = null): void {
    const going = this.begin(from, to_ms);
    void this.read(from, going).catch(() => {
      if (!going.signal.aborted) this.lost();
    });
    this.tell();
  }

  private begin(from: string, to_ms: number | null): AbortController {
    this.letGo();
    this.from = from;
    const { status } = this;
    if (to_ms !== null) {
      status.jumpingTo_ms = to_ms;
      status.jumpingSince_ms ??= Date.now();
    }
    this.shown_ms = Date.now();
    this.going = new AbortController();
    return this.going;
  }

  private async read(from: string, going: AbortController): Promise<void> {
    const { topic, group, camera } = this.options;
    const address = routes.mjpeg(topic, from === 'live' ? undefined : from, group, camera);
    const response = await fetch(address, { signal: going.signal });
    if (!response.ok) {
      const problem: unknown = await response.json();
      if (!isProblem(problem) || !isFinal(problem)) throw new Error('not just now');
      this.status.link = { state: 'refused', problem };
      this.tell();
      return;
    }
    this.clock(response);
    this.status.link = { state: 'open' };
    this.backoff.reset();
    this.tell();
    const reader = response.body!.getReader();
    const parts = new PartReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error('it has ended');
      for (const part of parts.push(value)) {
        const shown = await this.show(part);
        if (going.signal.aborted) return;
        // In a pause one picture is all that is wanted.
        if (shown && this.status.paused) {
          this.letGo();
          return;
        }
      }
    }
  }

  /** Shows a picture; `false` where the browser cannot. */
  private async show(part: Omit<Part, 'partition'> & { partition?: number }): Promise<boolean> {
    const { status } = this;
    const { image } = this.options;
    const going = this.going;
    const url = URL.createObjectURL(new Blob([part.data], { type: part.type }));
    const next = new Image();
    next.src = url;
    try {
      await next.decode();
    } catch {
      URL.revokeObjectURL(url);
      status.skipped += 1;
      return false;
    }
    if (this.stopped || going !== this.going) {
      URL.revokeObjectURL(url);
      return true;
    }
    image.src = url;
    URL.revokeObjectURL(this.url);
    this.url = url;
    const now_ms = Date.now();
    this.stood_ms = now_ms - this.shown_ms;
    this.shown_ms = now_ms;
    const { partition = 0, offset, timestamp_ms } = part;
    status.picture = { at_s: 0, duration_s: 0, partition, offset, timestamp_ms };
    status.shown = true;
    status.width = next.naturalWidth;
    status.height = next.naturalHeight;
    status.codec = part.type === 'image/png' ? 'PNG' : 'JPEG';
    status.quiet_ms = status.ended_ms = null;
    if (status.jumpingTo_ms !== null || status.moves === 0) status.moves += 1;
    status.jumpingTo_ms = status.jumpingSince_ms = null;
    if (!status.paused && this.isAtEdge(timestamp_ms)) status.follow = true;
    this.delayed();
    this.tell();
    return true;
  }

  private isAtEdge(timestamp_ms: number): boolean {
    const { recording } = this;
    if (recording && !recording.live) return timestamp_ms >= recording.to_ms;
    return this.now_ms() - timestamp_ms < arrived_ms;
  }

  private delayed(): void {
    const { follow, picture } = this.status;
    this.status.delay_ms = follow || !picture ? null : Math.max(0, this.now_ms() - picture.timestamp_ms);
  }

  /** The picture in front of an offset, of the same camera. */
  private async stepBack(offset: number): Promise<void> {
    this.letGo();
    const going = new AbortController();
    this.going = going;
    try {
      let back = 1;
      let found: Part | null = null;
      for (let tries = 0; tries < backTries && !found; tries += 1) {
        const at = Math.max(0, offset - back);
        const part = await this.still(String(at), going);
        if (part && part.offset < offset) found = part;
        else if (at === 0) return;
        else back *= 2;
      }
      // Between there and here may be nearer ones.
      while (found && back > 1) {
        const nearer: Part | null = await this.still(String(found.offset + 1), going);
        if (!nearer || nearer.offset >= offset) break;
        found = nearer;
      }
      if (found && !going.signal.aborted) await this.show(found);
      this.options.onMoved?.();
    } catch {
      // The picture stays where it is.
    }
  }

  /** One picture: at a time or an offset. */
  private async still(at: string, going: AbortController): Promise<Part | null> {
    const { topic, camera } = this.options;
    const response = await fetch(routes.still(topic, at, camera), { signal: going.signal });
    if (!response.ok) return null;
    this.clock(response);
    this.status.link = { state: 'open' };
    const value = (name: string): string => response.headers.get(name) ?? '';
    return {
      type: value('content-type'),
      partition: this.status.picture?.partition ?? 0,
      offset: Number(value('weir-offset')),
      timestamp_ms: Number(value('weir-timestamp-ms')),
      data: new Uint8Array(await response.arrayBuffer()),
    };
  }

  private lost(): void {
    const { status } = this;
    this.going = null;
    if (this.stopped) return;
    if (status.link.state !== 'reconnecting') status.link = { state: 'reconnecting', since_ms: Date.now() };
    const { picture } = status;
    const again = status.follow || !picture || status.jumpingTo_ms !== null ? this.from : new Date(picture.timestamp_ms + 1).toISOString();
    this.retry = systemTimers.set(() => this.open(status.follow ? 'live' : again), this.backoff.next_ms());
    this.tell();
  }

  /** A page that nobody sees lets go of its connection, and goes on where it was. */
  private readonly onVisible = (): void => {
    if (this.status.paused) return;
    if (document.visibilityState === 'hidden') this.letGo();
    else if (this.status.follow) this.open('live');
    else this.play();
  };

  private tick(): void {
    const { status } = this;
    const { picture } = status;
    if (status.paused || !picture || status.jumpingTo_ms !== null || status.link.state !== 'open') return;
    const since_ms = Date.now() - this.shown_ms;
    const atEnd = status.follow || this.isAtEdge(picture.timestamp_ms);
    if (!atEnd || since_ms < Math.max(quiet_ms, 5 * this.stood_ms)) return;
    const age_ms = this.now_ms() - picture.timestamp_ms;
    status.follow = true;
    status.delay_ms = null;
    status.quiet_ms = since_ms;
    status.ended_ms = age_ms > over_ms && !this.recording?.live ? age_ms : null;
    this.tell();
  }

  private clock(response: Response): void {
    const server_ms = Date.parse(response.headers.get('date') ?? '');
    const ahead_ms = Number.isNaN(server_ms) ? 0 : server_ms - Date.now();
    // The header's second may be almost over.
    this.ahead_ms = Math.abs(ahead_ms) > 2000 ? ahead_ms : 0;
  }

  private now_ms(): number {
    return Date.now() + this.ahead_ms;
  }

  private tell(): void {
    this.options.onStatus(this.status);
  }
}
