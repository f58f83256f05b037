// The player's state, and how it is said: one word for the dot, one short text. Pure.

import type { Problem } from '../api';
import type { LinkState } from '../link';
import * as units from '../units';
import type { Picture } from './timeline';

export interface PlayerStatus {
  link: LinkState;
  /** A picture has been on the screen. */
  shown: boolean;
  paused: boolean;
  /** Autoplay was refused by the browser: a key press or a click must start it. */
  blocked: boolean;
  /** Stays at the edge by itself. */
  follow: boolean;
  /** Capture to screen, of the picture shown; at the edge the median of the last ones. */
  delay_ms: number | null;
  /** Since the newest picture came; null while they keep coming. */
  quiet_ms: number | null;
  /** Nothing more has come for long: how old the last picture is. */
  ended_ms: number | null;
  /** The server has nothing to send just now, in its words. */
  waiting: string | null;
  waitingSince_ms: number;
  skipped: number;
  /** The record keys of the topic's pictures, where there are several, and the one that is shown. */
  cameras: string[];
  camera: string;
  picture: Picture | null;
  codec: string;
  width: number;
  height: number;
  start_s: number;
  end_s: number;
  current_s: number;
  /** How fast; 1 at the live edge. */
  rate: number;
  /** There is sound to be heard, and how loud it is: 0 while it is off, to 1. */
  sound: boolean;
  volume: number;
  /** Capture times of the first and last picture that are here. */
  held: { from_ms: number; to_ms: number } | null;
  /** Everything up to the newest picture has come. */
  caughtUp: boolean;
  /** The moment that has been asked for and is not on the screen yet; null too where nobody knows of when the newest picture is. */
  jumpingTo_ms: number | null;
  jumpingSince_ms: number | null;
  /** How often the viewer went elsewhere, and arrived there. */
  moves: number;
  /** Why this cannot be played by Media Source Extensions here; the page shows `video.mjpeg` instead. */
  unsupported: string | null;
}

export const initialStatus = (follow: boolean): PlayerStatus => ({
  link: { state: 'connecting' },
  shown: false,
  paused: false,
  blocked: false,
  follow,
  delay_ms: null,
  quiet_ms: null,
  ended_ms: null,
  waiting: null,
  waitingSince_ms: 0,
  skipped: 0,
  cameras: [],
  camera: '',
  picture: null,
  codec: '',
  width: 0,
  height: 0,
  start_s: 0,
  end_s: 0,
  current_s: 0,
  rate: 1,
  sound: false,
  volume: 0,
  held: null,
  caughtUp: false,
  jumpingTo_ms: null,
  jumpingSince_ms: null,
  moves: 0,
  unsupported: null,
});

/** What is to be shown at once when it changes; the rest are numbers that move all the time. */
export const stateOf = (s: PlayerStatus): string =>
  JSON.stringify([s.link.state, s.shown, s.paused, s.blocked, s.follow, s.waiting, s.quiet_ms === null, s.ended_ms === null, s.skipped, s.camera, s.cameras.length, s.rate, s.sound, s.volume, s.moves]);

export type Tone = 'idle' | 'live' | 'warn' | 'bad';

export interface Said {
  tone: Tone;
  text: string;
  /** The exact or longer form, for hovering. */
  title?: string;
  /** There is somewhere to go: the live edge. */
  edge?: boolean;
  /** What is on the screen is old: grey it. */
  stale?: boolean;
  problem?: Problem;
}

/** A jump that takes no longer is not spoken of. */
const patience_ms = 400;

export function say(s: PlayerStatus, now_ms: number): Said {
  const { link } = s;
  if (link.state === 'refused') return { tone: 'bad', text: link.problem.title, problem: link.problem };
  if (link.state === 'reconnecting') {
    return { tone: 'warn', text: `Reconnecting, ${units.duration(Math.max(0, now_ms - link.since_ms))}`, stale: true };
  }
  if (s.blocked) return { tone: 'idle', text: 'Press space to play' };
  if (s.jumpingSince_ms !== null && now_ms - s.jumpingSince_ms > patience_ms) return { tone: 'idle', text: 'Loading', stale: true };
  const exact = s.delay_ms === null ? {} : { title: `${Math.round(s.delay_ms)} ms from capture to screen` };
  const behind = s.delay_ms === null ? '' : ` · ${units.duration(s.delay_ms)} behind`;
  if (s.paused) return { tone: 'warn', text: `Paused${behind}`, edge: true, ...exact };
  if (s.waiting !== null) {
    return { tone: 'warn', text: `Waiting, ${units.duration(now_ms - s.waitingSince_ms)}`, title: s.waiting, stale: s.shown };
  }
  if (!s.shown) return { tone: 'idle', text: 'Loading' };
  if (s.ended_ms !== null) {
    return { tone: 'idle', text: `Ended · last picture ${units.ago(s.ended_ms)}`, title: 'Nothing more has been published; what comes is shown.' };
  }
  if (s.quiet_ms !== null) {
    return { tone: 'idle', text: `No new picture for ${units.duration(s.quiet_ms)}`, title: 'The publisher has stopped or paused.' };
  }
  if (!s.follow) return { tone: 'warn', text: s.delay_ms === null ? 'Playing' : `${units.duration(s.delay_ms)} behind`, edge: true, ...exact };
  return { tone: 'live', text: s.delay_ms === null ? 'Live' : `Live · ${units.duration(s.delay_ms)}`, ...exact };
}
