// The times under the line of a recording: round ones by the reader's clock, as many as there is room for, and where a later
// stretch begins that one's own. Pure.

import type { Recording } from './recording';
import * as units from '../units';

export interface Tick {
  /** 0…1 of the line. */
  at: number;
  text: string;
}

const s = 1000;
const min = 60 * s;
const h = 60 * min;
const steps_ms = [s, 2 * s, 5 * s, 10 * s, 15 * s, 30 * s, min, 2 * min, 5 * min, 10 * min, 15 * min, 30 * min, h, 2 * h, 3 * h, 6 * h, 12 * h, 24 * h, 48 * h, 168 * h];

/** A label and the room around it. */
const room_px = 72;
/** More are never looked at, however many stretches there are. */
const most = 200;

/** `zone_ms`: what the reader's clock is ahead of UTC at a time. */
export function ticksOf(recording: Recording, width_px: number, zone_ms: (at_ms: number) => number = zoneOf): Tick[] {
  const { length_ms } = recording;
  if (length_ms <= 0 || width_px <= 0) return [];
  const step_ms = steps_ms.find((step) => (step / length_ms) * width_px >= room_px) ?? 168 * h;
  const room = room_px / width_px;
  const withSeconds = step_ms < min;
  const label = (at_ms: number): string =>
    step_ms >= 24 * h ? units.dayOf(at_ms) : withSeconds ? units.clockTime(at_ms) : units.clockTime(at_ms).slice(0, 5);
  const ticks: Tick[] = [];
  let free = 0;
  const put = (at_ms: number, into_ms: number): void => {
    const at = into_ms / length_ms;
    // Centred on its place, a label must stay on the line.
    if (at < free || at < room / 2 || at > 1 - room / 2) return;
    ticks.push({ at, text: label(at_ms) });
    free = at + room;
  };
  let begins_ms = 0;
  for (const span of recording.spans) {
    const ahead_ms = zone_ms(span.from_ms);
    let at_ms = Math.ceil((span.from_ms + ahead_ms) / step_ms) * step_ms - ahead_ms;
    for (; at_ms <= span.to_ms && ticks.length < most; at_ms += step_ms) put(at_ms, begins_ms + at_ms - span.from_ms);
    begins_ms += span.to_ms - span.from_ms;
  }
  return ticks;
}

const zoneOf = (at_ms: number): number => -new Date(at_ms).getTimezoneOffset() * min;
