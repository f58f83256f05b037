// Plays a topic's fragments through Media Source Extensions. The one module of the player that touches the DOM: it moves pieces
// from the queue into the source buffer, keeps the picture near the edge, trims what lies behind, and says how it stands.

import { chase, overHole, Target } from './chase';
import { ServerClock } from './clock';
import { apart_s, AppendQueue, joined, type Item } from './queue';
import { Place } from './place';
import type { Plays } from './plays';
import type { Recording } from './recording';
import { wayTo } from './seek';
import { PlayerSocket, type PlayerEvent } from './socket';
import { rememberedVolume, rememberVolume, Sound } from './sound';
import { initialStatus, type PlayerStatus } from './state';
import { Timeline } from './timeline';

/** How much of the past is kept for going back. */
const keepBack_s = 60;
/** A viewer away from the edge asks for no more than this ahead, and for more again when it has shrunk to a quarter. */
const keepAhead_s = 40;
const tick_ms = 100;
/** No picture for this long, or for five of its lengths, is a publisher that paused. */
const quiet_ms = 3000;
/** A publisher that has sent nothing for so long is done, as far as anybody can tell. */
const over_ms = 10_000;
/** So close behind the newest picture a viewer has arrived at it. */
const arrived_s = 0.3;
/** Whoever goes so close to the newest picture wants that one. */
const near_ms = 500;
/** Asked for with a picture that is stepped back to. */
const stepBack_ms = 2000;

export interface MseOptions {
  video: HTMLVideoElement;
  topic: string;
  from: string;
  group?: string | null;
  camera?: string | null;
  /** The topic has sound beside its pictures. */
  sound?: boolean;
  /** How fast, away from the live edge. */
  rate?: number;
  /** All that the topic holds, where that is known. */
  recording?: () => Recording | null;
  onStatus: (status: PlayerStatus) => void;
  /** The viewer went elsewhere, or stopped. */
  onMoved?: () => void;
}

export class MsePlayer implements Plays {
  readonly status: PlayerStatus;
  private readonly video: HTMLVideoElement;
  private readonly socket: PlayerSocket;
  private readonly place: Place | null;
  private readonly queue = new AppendQueue();
  private readonly timeline = new Timeline();
  private readonly target = new Target();
  private readonly clock = new ServerClock(() => Date.now());
  private readonly sound: Sound;
  private source: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;
  private objectUrl = '';
  private mime = '';
  private ticker = 0;
  private ticks = 0;
  private caughtUp = false;
  private parked = false;
  private userPaused = false;
  private toEdge = false;
  private settled = false;
  private restarts = 0;
  private lastRestart_ms = 0;
  private newest_ms = 0;
  private newestDuration_ms = 0;
  private delays: number[] = [];
  private stopped = false;
  /** Nothing is on the screen yet of what was asked for: the last picture of before stays meanwhile. */
  private starting = true;
  /** Media time of the first picture that was asked for. */
  private startAt: number | null = null;
  /** The capture time to begin at, where more than that was asked for. */
  private landAt_ms: number | null = null;
  /** What comes next has nothing to do with what is buffered. */
  private elsewhere = false;
  /** Media time where what is of use begins: what lies before it was left by a jump. */
  private usefulFrom_s = 0;

  constructor(private readonly options: MseOptions) {
    this.video = options.video;
    this.status = initialStatus(options.from === 'live');
    if (!this.status.follow) this.status.rate = options.rate ?? 1;
    this.toEdge = options.from === 'live';
    const { topic, group, camera = null } = options;
    this.place = group ? new Place({ topic, group, camera }) : null;
    this.sound = new Sound(options.sound ?? false, () => this.appended());
    this.socket = new PlayerSocket({
      topic: options.topic,
      from: options.from,
      group: options.group ?? null,
      camera: options.camera ?? null,
      sound: options.sound ?? false,
      onEvent: (event) => this.receive(event),
      onState: (link) => {
        this.status.link = link;
        this.tell();
      },
    });
  }

  start(): void {
    this.socket.start();
    this.openSource();
    this.ticker = window.setInterval(() => this.tick(), tick_ms);
    this.video.addEventListener('playing', this.onPlaying);
    this.video.addEventListener('waiting', this.onWaiting);
    this.video.addEventListener('error', this.onError);
    document.addEventListener('visibilitychange', this.onVisible);
    this.watchFrames();
  }

  stop(): void {
    this.stopped = true;
    this.socket.stop();
    this.place?.stop();
    window.clearInterval(this.ticker);
    this.video.removeEventListener('playing', this.onPlaying);
    this.video.removeEventListener('waiting', this.onWaiting);
    this.video.removeEventListener('error', this.onError);
    document.removeEventListener('visibilitychange', this.onVisible);
    this.closeSource();
    this.video.removeAttribute('src');
    this.video.load();
  }

  // What the viewer does.

  toggle(): void {
    if (this.status.paused || this.status.blocked) this.play();
    else this.pause();
  }

  pause(): void {
    this.userPaused = true;
    this.leaveEdge();
    this.video.pause();
    this.status.paused = true;
    this.moved();
  }

  play(): void {
    this.userPaused = false;
    this.status.paused = false;
    // On the way elsewhere what is left behind does not go on.
    if (!this.isJumping) {
      void this.video.play().then(
        () => (this.status.blocked = false),
        (error: unknown) => (this.status.blocked = error instanceof DOMException && error.name === 'NotAllowedError'),
      );
    }
    this.tell();
  }

  /** So many seconds on or back, pauses not counted. */
  seekBy(seconds: number): void {
    const at_s = this.video.currentTime + seconds;
    const { start_s, end_s, picture, jumpingTo_ms } = this.status;
    const from_ms = jumpingTo_ms ?? picture?.timestamp_ms;
    if (from_ms === undefined) return;
    if (!this.isJumping && at_s >= Math.max(start_s, this.usefulFrom_s) && at_s < end_s - 0.05) {
      this.leaveEdge();
      // Where pictures are missing the one before them stands.
      const there = this.timeline.at(at_s);
      this.video.currentTime = there ? Math.min(at_s, there.at_s + there.duration_s / 2) : at_s;
      this.moved();
    } else if (!this.isJumping && seconds > 0 && this.caughtUp && !this.parked) this.edge();
    else this.jumpTo(this.recording?.on(from_ms, seconds * 1000) ?? from_ms + seconds * 1000);
  }

  /** 0…1 of all there is; of what is buffered where no more is known. */
  jumpToPart(part: number): void {
    const { recording } = this;
    const { held } = this.status;
    if (recording) this.jumpTo(recording.timeAt(part * recording.length_ms));
    else if (held) this.jumpTo(held.from_ms + part * (held.to_ms - held.from_ms));
  }

  /** To the picture of a capture time: at once where it is buffered, else by asking for it. */
  jumpTo(at_ms: number): void {
    const { recording, status } = this;
    const newest_ms = recording?.to_ms ?? (this.caughtUp ? status.held?.to_ms : undefined);
    if (newest_ms !== undefined && at_ms >= newest_ms - near_ms) {
      this.edge();
      return;
    }
    this.leaveEdge();
    const way = wayTo(at_ms, this.timeline, Math.max(status.start_s, this.usefulFrom_s), status.end_s);
    // On the way elsewhere the connection is elsewhere too.
    if (way.to === 'buffer' && !this.isJumping) this.video.currentTime = way.at_s;
    else this.reopen(new Date(at_ms).toISOString(), at_ms);
    this.moved();
  }

  /** One picture on or back; pauses. */
  step(pictures: number): void {
    if (!this.status.paused) this.pause();
    if (this.isJumping) return;
    const shown = this.timeline.at(this.video.currentTime);
    const picture = this.timeline.step(this.video.currentTime, pictures);
    const isFirst = shown !== null && picture === shown && pictures < 0;
    if (isFirst && shown.timestamp_ms > (this.recording?.from_ms ?? Number.NEGATIVE_INFINITY)) {
      // The picture before it is not here: asked for with some more, for whoever goes on stepping.
      const before_ms = shown.timestamp_ms - 1;
      this.reopen(new Date(before_ms - stepBack_ms).toISOString(), before_ms, before_ms);
    } else if (picture) this.video.currentTime = picture.at_s + Math.min(0.001, picture.duration_s / 2);
    this.moved();
  }

  /** To the live edge, by what is buffered where that reaches it, else by asking for it. */
  edge(): void {
    this.follow();
    this.userPaused = false;
    this.status.paused = false;
    if (this.caughtUp && !this.parked && !this.isJumping) {
      this.jumpToEnd();
      this.play();
    } else {
      this.toEdge = true;
      this.reopen('live', this.recording?.to_ms ?? null);
    }
    this.moved();
  }

  /** How fast, for what has been recorded: at the live edge there is nothing to go faster with, and a slower viewer leaves it. */
  setRate(rate: number): void {
    const { status } = this;
    if (status.follow && rate < 1) this.leaveEdge();
    status.rate = status.follow ? 1 : rate;
    if (!status.follow) this.video.playbackRate = rate;
    this.tell();
  }

  /** Sound off and on; browsers let a page make noise only once somebody has touched it, so it begins without. */
  toggleMute(): void {
    this.setVolume(this.video.muted ? rememberedVolume() : 0);
  }

  /** 0…1 */
  setVolume(volume: number): void {
    const { video } = this;
    video.muted = volume <= 0;
    if (volume > 0) {
      video.volume = Math.min(1, volume);
      rememberVolume(video.volume);
    }
    this.tell();
  }

  private get recording(): Recording | null {
    return this.options.recording?.() ?? null;
  }

  /** Something else is on the screen than what was asked for. */
  private get isJumping(): boolean {
    return this.starting && this.status.shown;
  }

  /** Leaves what is buffered for something else; the last picture stays until that comes. */
  private reopen(from: string, to_ms: number | null, landAt_ms: number | null = null): void {
    this.starting = true;
    this.startAt = null;
    this.landAt_ms = landAt_ms;
    this.elsewhere = true;
    this.parked = false;
    this.caughtUp = false;
    this.status.jumpingTo_ms = to_ms;
    this.status.jumpingSince_ms ??= Date.now();
    this.status.delay_ms = null;
    this.status.skipped = 0;
    this.queue.clear();
    this.sound.clear();
    this.video.pause();
    this.socket.restart(from);
  }

  private follow(): void {
    this.status.follow = true;
    this.status.rate = 1;
    this.delays = [];
  }

  private leaveEdge(): void {
    this.status.follow = false;
    this.toEdge = false;
    this.socket.leaveEdge();
    this.video.playbackRate = this.status.rate;
    this.delays = [];
  }

  private moved(): void {
    this.options.onMoved?.();
    this.arrived();
  }

  /** Something else is on the screen, or about to be. */
  private arrived(): void {
    this.status.moves += 1;
    this.measure(this.bufferedEnd());
    this.tell();
  }

  // What comes.

  private receive(event: PlayerEvent): void {
    const { status } = this;
    if (this.sound.receive(event)) {
      this.pump();
      return;
    }
    switch (event.type) {
      case 'opened':
        this.sound.opened();
        this.queue.opened();
        this.target.restart();
        this.caughtUp = false;
        this.settled = false;
        return;
      case 'init':
        status.codec = event.codec;
        status.width = event.width;
        status.height = event.height;
        if (!MediaSource.isTypeSupported(event.mime)) {
          this.giveUp(`This browser cannot play ${event.codec} by itself.`);
          return;
        }
        this.queue.setMime(event.mime);
        return;
      case 'initBytes':
        this.queue.init(event.bytes);
        break;
      case 'fragment':
        this.newest_ms = Date.now();
        this.newestDuration_ms = event.header.duration_us / 1000;
        status.waiting = null;
        this.target.picture(event.header.pts_us);
        this.queue.fragment(event.header, event.bytes);
        break;
      case 'live':
        this.caughtUp = true;
        break;
      case 'skipped':
        status.skipped += event.pictures;
        break;
      case 'clock':
        this.clock.heard(event.server_time_ms);
        break;
      case 'waiting':
        if (status.waiting === null) status.waitingSince_ms = Date.now();
        status.waiting = event.why;
        this.tell();
        break;
      case 'reconnected':
        status.waiting = null;
        break;
      case 'keys':
        status.cameras = event.keys;
        status.camera = event.shown;
        this.tell();
        break;
    }
    this.pump();
  }

  private openSource(): void {
    const source = new MediaSource();
    this.source = source;
    this.objectUrl = URL.createObjectURL(source);
    this.video.src = this.objectUrl;
    source.addEventListener('sourceopen', () => this.pump(), { once: true });
  }

  private closeSource(): void {
    this.source = null;
    this.buffer = null;
    this.sound.close();
    this.mime = '';
    if (this.objectUrl) URL.revokeObjectURL(this.objectUrl);
    this.objectUrl = '';
  }

  /** Moves what has come into the source buffer, one append at a time. */
  private pump(): void {
    if (this.stopped || this.source?.readyState !== 'open') return;
    this.sound.pump(this.buffer !== null);
    if (this.sound.cameLate) {
      this.recover();
      return;
    }
    if (this.buffer?.updating || (!this.buffer && this.queue.length > 0 && this.sound.isAwaited)) return;
    // Not while a picture is being looked for: Chromium would go on at the next key frame instead.
    if (!this.starting && !this.video.seeking && this.dropBefore(this.usefulFrom_s)) return;
    const end_s = this.picturesEnd();
    const offset_s = this.queue.takeRebase(this.timeline, end_s, this.elsewhere);
    if (this.queue.waitsForRebase) return;
    if (offset_s !== null) this.sound.place(offset_s);
    if (offset_s !== null && this.elsewhere) {
      this.elsewhere = false;
      this.usefulFrom_s = end_s === null ? 0 : end_s + apart_s / 2;
    }
    let taken: Item[] = [];
    let gap_s = 0;
    try {
      const init = this.queue.takeInit();
      if (init) {
        taken = [init];
        this.prepareBuffer(init.mime);
      } else {
        gap_s = this.queue.takeGap();
        taken = this.queue.takeFragments(!this.caughtUp);
      }
      // Whole fragments were appended, so that the buffer stands between two and its offset may be changed.
      if (offset_s !== null && this.buffer) this.buffer.timestampOffset = offset_s;
      // Sound went on meanwhile, perhaps: the pictures stay with it.
      if (gap_s > 0 && this.buffer && !this.sound.isPlaying) this.buffer.timestampOffset -= gap_s;
      if (taken.length === 0 || !this.buffer) return;
      this.note(taken, this.buffer.timestampOffset);
      this.buffer.appendBuffer(joined(taken as Extract<Item, { bytes: unknown }>[]));
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError') {
        this.queue.putBack(taken);
        this.makeRoom();
      } else this.recover();
    }
  }

  private prepareBuffer(mime: string): void {
    if (!this.source) return;
    if (!this.buffer) {
      this.buffer = this.source.addSourceBuffer(mime);
      this.buffer.addEventListener('updateend', () => this.appended());
      this.sound.open(this.source);
    } else if (mime !== this.mime) this.buffer.changeType(mime);
    this.mime = mime;
  }

  private note(items: Item[], offset_s: number): void {
    for (const item of items) {
      if (item.kind !== 'fragment') continue;
      const { header } = item;
      this.timeline.add({
        at_s: header.pts_us / 1e6 + offset_s,
        duration_s: header.duration_us / 1e6,
        partition: header.partition,
        offset: header.offset,
        timestamp_ms: header.timestamp_ms,
      });
      if (!header.preroll && this.startAt === null) this.startAt = header.pts_us / 1e6 + offset_s;
    }
  }

  private appended(): void {
    if (this.starting && this.startAt !== null && (this.bufferedEnd() ?? 0) > this.startAt) this.begin(this.startAt);
    if (this.toEdge && this.caughtUp && this.queue.length === 0) this.jumpToEnd();
    this.pump();
  }

  /** Shows the first picture at once; at the edge the newest one, for what came with it is only there to decode it. */
  private begin(first_s: number): void {
    const { video, status } = this;
    let at_s = first_s;
    if (this.landAt_ms !== null) {
      const last_ms = this.timeline.last?.timestamp_ms ?? 0;
      if (last_ms <= this.landAt_ms && !this.caughtUp) return;
      at_s = this.timeline.shownAt(this.landAt_ms)?.at_s ?? first_s;
    }
    this.starting = false;
    this.landAt_ms = null;
    const end_s = this.bufferedEnd() ?? first_s;
    video.currentTime = status.follow ? Math.max(first_s, end_s - this.target.seconds(performance.now())) : at_s + 0.0005;
    status.shown = true;
    status.jumpingTo_ms = null;
    status.jumpingSince_ms = null;
    this.timeline.dropBefore(this.usefulFrom_s);
    if (!this.userPaused) this.play();
    this.arrived();
  }

  private jumpToEnd(): void {
    const end_s = this.bufferedEnd();
    this.toEdge = false;
    if (end_s !== null) this.video.currentTime = Math.max(0, end_s - this.target.seconds(performance.now()));
  }

  /** Where what can be played ends: the pictures, or the sound where that has not come as far. */
  private bufferedEnd(): number | null {
    const end_s = this.picturesEnd();
    if (end_s === null || !this.sound.isPlaying) return end_s;
    const heard_s = this.sound.end_s;
    return heard_s === null ? null : Math.min(end_s, heard_s);
  }

  private picturesEnd(): number | null {
    const ranges = this.buffer?.buffered;
    return ranges && ranges.length > 0 ? ranges.end(ranges.length - 1) : null;
  }

  // What time brings.

  /** Where starting took long the edge has moved on meanwhile: one more jump, and the rate does the rest. */
  private readonly onPlaying = (): void => {
    if (this.settled || !this.status.follow) return;
    this.settled = true;
    const end_s = this.bufferedEnd();
    if (end_s !== null && end_s - this.video.currentTime > 0.6) this.jumpToEnd();
  };
  private readonly onWaiting = (): void => this.target.stalled(performance.now());
  private readonly onError = (): void => this.recover();
  private readonly onVisible = (): void => {
    if (document.visibilityState !== 'visible' || this.userPaused) return;
    if (this.status.follow && this.caughtUp) this.jumpToEnd();
    if (this.video.paused) this.play();
  };

  /** A broken decoder starts anew, a few times in a row; then the server's pictures have to do. */
  private recover(): void {
    if (this.stopped || this.status.unsupported) return;
    const now_ms = performance.now();
    if (now_ms - this.lastRestart_ms > 30_000) this.restarts = 0;
    this.lastRestart_ms = now_ms;
    this.restarts += 1;
    if (this.restarts > 3) {
      this.giveUp(`This browser's decoder failed${this.video.error?.message ? `: ${this.video.error.message}` : ''}.`);
      return;
    }
    this.closeSource();
    this.queue.clear();
    this.timeline.dropBefore(Number.POSITIVE_INFINITY);
    this.usefulFrom_s = 0;
    this.starting = true;
    this.startAt = null;
    this.status.shown = false;
    this.openSource();
    this.socket.goOn();
  }

  private giveUp(why: string): void {
    this.socket.stop();
    this.status.unsupported = why;
    this.tell();
  }

  private makeRoom(): void {
    const { buffer, video } = this;
    if (!buffer || buffer.updating || buffer.buffered.length === 0) return;
    const start_s = buffer.buffered.start(0);
    const until_s = video.currentTime - 5;
    if (until_s > start_s + 1) {
      buffer.remove(start_s, until_s);
      this.sound.dropBefore(until_s);
    } else this.park();
  }

  private trim(): void {
    const { video } = this;
    if (video.currentTime - this.status.start_s < keepBack_s * 1.2) return;
    this.dropBefore(video.currentTime - keepBack_s);
  }

  /** Forgets what lies before a media time; false where nothing does. */
  private dropBefore(until_s: number): boolean {
    const { buffer } = this;
    if (!buffer || buffer.updating || buffer.buffered.length === 0 || buffer.buffered.start(0) >= until_s) return false;
    this.timeline.dropBefore(until_s);
    buffer.remove(0, until_s);
    this.sound.dropBefore(until_s);
    return true;
  }

  /** Enough is buffered: let the server keep the rest until it is needed. */
  private park(): void {
    if (this.parked) return;
    this.parked = true;
    this.caughtUp = false;
    this.socket.stop();
  }

  private tick(): void {
    const { video, status } = this;
    const end_s = this.bufferedEnd();
    if (end_s !== null && status.shown && !this.starting) {
      const ahead_s = end_s - video.currentTime;
      if (status.follow && !status.paused && !this.toEdge) {
        const { rate, seek_s } = chase(video.currentTime, end_s, this.target.seconds(performance.now()));
        if (seek_s !== null) video.currentTime = seek_s;
        else if (Math.abs(video.playbackRate - rate) > 0.005) video.playbackRate = rate;
      } else if (this.caughtUp && !this.parked && !status.paused && status.rate >= 1 && ahead_s < arrived_s) {
        this.follow();
        this.moved();
      } else if (!this.parked && ahead_s > keepAhead_s) this.park();
      else if (this.parked && ahead_s < keepAhead_s / 4 && !status.paused) {
        this.parked = false;
        this.socket.goOn();
      }
      if (!status.follow && video.playbackRate !== status.rate) video.playbackRate = status.rate;
      this.jumpHole();
      this.trim();
    }
    this.measure(end_s);
    this.ticks += 1;
    if (this.ticks % 10 === 0) this.tellPlace();
    this.pump();
    this.tell();
  }

  /** What is on the screen is where a named viewer goes on; while the connection rests it is told now and then, and in a pause at once. */
  private tellPlace(): void {
    const { picture, paused } = this.status;
    if (!picture || this.starting) return;
    if (!this.parked) this.socket.shown(picture.partition, picture.offset);
    else if (paused || this.ticks % 50 === 0) this.place?.tell(picture.partition, picture.offset);
  }

  private jumpHole(): void {
    const { video } = this;
    if (video.paused || video.readyState > 2) return;
    const ranges = Array.from({ length: video.buffered.length }, (_, i) => ({
      start_s: video.buffered.start(i),
      end_s: video.buffered.end(i),
    }));
    const to_s = overHole(ranges, video.currentTime, video.playbackRate);
    if (to_s !== null) video.currentTime = to_s;
  }

  private measure(end_s: number | null): void {
    const { video, status } = this;
    status.sound = this.sound.isPlaying;
    status.volume = video.muted ? 0 : video.volume;
    status.current_s = video.currentTime;
    status.end_s = end_s ?? 0;
    status.start_s = video.buffered.length > 0 ? video.buffered.start(0) : 0;
    const [first, last] = [this.timeline.first, this.timeline.last];
    status.held = first && last && !this.starting ? { from_ms: first.timestamp_ms, to_ms: last.timestamp_ms } : null;
    status.caughtUp = this.caughtUp;
    status.picture = status.shown ? this.timeline.at(video.currentTime) : null;
    const silence_ms = Date.now() - this.newest_ms;
    const atEnd = end_s !== null && end_s - video.currentTime < 0.5;
    const isQuiet = status.shown && atEnd && !this.parked && silence_ms > Math.max(quiet_ms, 5 * this.newestDuration_ms);
    status.quiet_ms = isQuiet ? silence_ms : null;
    const age_ms = last ? this.clock.now_ms() - last.timestamp_ms : 0;
    status.ended_ms = isQuiet && this.caughtUp && !(this.recording?.live ?? age_ms < over_ms) ? Math.max(0, age_ms) : null;
    // What is on the screen is not what was asked for.
    if (this.isJumping) return;
    if ((!status.follow || this.delays.length === 0) && status.picture) {
      status.delay_ms = Math.max(0, this.clock.now_ms() - status.picture.timestamp_ms);
    } else if (this.delays.length > 0) {
      status.delay_ms = [...this.delays].sort((a, b) => a - b)[this.delays.length >> 1] ?? null;
    }
  }

  /** The delay is taken at the moment a picture reaches the screen, where the browser says so. */
  private watchFrames(): void {
    if (!('requestVideoFrameCallback' in this.video)) return;
    const onFrame = (now: number, frame: VideoFrameCallbackMetadata): void => {
      if (this.stopped) return;
      const picture = this.timeline.at(frame.mediaTime);
      if (picture && this.status.follow) {
        const shownIn_ms = frame.expectedDisplayTime - now;
        // Until a second clock message has come, the estimate may be late by as much as the first one was.
        this.delays.push(Math.max(0, this.clock.now_ms() + shownIn_ms - picture.timestamp_ms));
        if (this.delays.length > 25) this.delays.shift();
      }
      this.video.requestVideoFrameCallback(onFrame);
    };
    this.video.requestVideoFrameCallback(onFrame);
  }

  private tell(): void {
    this.options.onStatus(this.status);
  }
}
