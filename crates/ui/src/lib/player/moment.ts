// A moment of a video as it stands in the address: `?t=` with a time or how far in, and where a viewer begins who asks for a
// moment, for a group's place, or for neither. Pure.

import type { Recording } from './recording';
import * as units from '../units';

export type Moment =
  /** A point in time, Unix epoch. */
  | { kind: 'time'; at_ms: number }
  /** So far into the video, its pauses not counted. */
  | { kind: 'into'; into_ms: number };

// RFC 3339; a `+` that nobody escaped has become a space on its way through the address.
const time = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)([Zz]|[+\- ]\d{2}:\d{2})$/;
const into = /^(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,6})?)s?)?$/;

/** Reads `t=`; null where it is no moment. */
export function parseMoment(text: string): Moment | null {
  const asTime = time.exec(text.trim());
  if (asTime) {
    const at_ms = Date.parse(`${asTime[1]}T${asTime[2]}${asTime[3]!.toUpperCase().replace(' ', '+')}`);
    return Number.isNaN(at_ms) ? null : { kind: 'time', at_ms };
  }
  const asInto = into.exec(text.trim());
  if (!asInto || asInto[0] === '') return null;
  const [h, m, s] = [asInto[1], asInto[2], asInto[3]].map((part) => Number(part ?? 0)) as [number, number, number];
  return { kind: 'into', into_ms: Math.round((h * 3600 + m * 60 + s) * 1000) };
}

/** A moment as the address says it: the other way round than `parseMoment`. */
export const formatMoment = (at_ms: number): string => new Date(at_ms).toISOString();

export interface Asked {
  /** `t=` */
  t: string | null;
  /** `from=` */
  from: string | null;
  /** `group=` */
  group: string | null;
}

export interface Start {
  /** For the server's `from=`. */
  from: string;
  /** What the viewer should know: where it goes on, or why it begins elsewhere than asked. */
  note: { text: string; wrong: boolean } | null;
}

const wrong = (text: string): Start['note'] => ({ text, wrong: true });
const known = (text: string): Start['note'] => ({ text, wrong: false });

/** Whether it is a name alone that says where to begin; `from=resume` says no more. */
const byName = ({ from, group }: Asked): boolean => group !== null && (from === null || from === 'resume');

/** Whether the topic's recording must be known before it can be said where to begin. */
export const needsRecording = (asked: Asked): boolean => asked.t !== null || byName(asked);

/** Where to begin. `recording` is null where the server knows none. */
export function startOf(asked: Asked, recording: Recording | null, now_ms: number): Start {
  if (asked.t !== null) return atMoment(asked.t, recording, now_ms);
  if (asked.group !== null && byName(asked)) return asViewer(asked.group, recording, now_ms);
  return { from: asked.from ?? 'live', note: null };
}

function atMoment(t: string, recording: Recording | null, now_ms: number): Start {
  const moment = parseMoment(t);
  if (!moment) {
    const how = 'Give a time such as 2026-01-31T12:00:00Z, or how far in, such as 90 or 1m30s.';
    return { from: 'live', note: wrong(`t=${short(t)} is no moment of a video, so this is the newest picture. ${how}`) };
  }
  if (!recording) {
    if (moment.kind === 'time') return { from: formatMoment(moment.at_ms), note: null };
    return { from: 'start', note: wrong(`It is not known what this topic holds, so t=${short(t)} could not be found: this is its start.`) };
  }
  const at_ms = moment.kind === 'time' ? moment.at_ms : recording.timeAt(moment.into_ms);
  if (moment.kind === 'into' && moment.into_ms > recording.length_ms) {
    const length = units.position(recording.length_ms);
    return { from: 'live', note: wrong(`t=${short(t)} lies behind the end: the video is ${length} long. This is its newest picture.`) };
  }
  if (at_ms > recording.to_ms) {
    const newest = units.when(recording.to_ms, now_ms);
    return { from: 'live', note: wrong(`t=${short(t)} lies behind the newest picture, of ${newest}, which is shown instead.`) };
  }
  if (at_ms < recording.from_ms) {
    const oldest = units.when(recording.from_ms, now_ms);
    return { from: 'start', note: wrong(`t=${short(t)} lies before the oldest picture still there, of ${oldest}, which is shown instead.`) };
  }
  return { from: formatMoment(at_ms), note: null };
}

function asViewer(group: string, recording: Recording | null, now_ms: number): Start {
  if (!recording) return { from: 'resume', note: null };
  const viewer = recording.viewers.find((one) => one.group === group);
  if (!viewer) {
    const where = recording.live ? 'this is live' : 'this is the start';
    return { from: recording.live ? 'live' : 'start', note: known(`${group} has not watched this yet: ${where}. From now on the place is kept.`) };
  }
  if (!recording.live && viewer.at_ms >= recording.to_ms - end_ms) {
    return { from: 'start', note: known(`${group} has seen all of it: from the start again.`) };
  }
  const at = `${units.when(viewer.at_ms, now_ms)}, ${units.position(recording.into(viewer.at_ms))} in`;
  return { from: 'resume', note: known(`${group} goes on at ${at}.`) };
}

/** Whoever stopped so close to the end has seen it. */
const end_ms = 1000;

const short = (text: string): string => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
