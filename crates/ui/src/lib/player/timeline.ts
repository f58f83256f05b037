// Which picture stands at which media time: the way back from what the browser shows to the record it came from. Entries are
// kept in order of time and dropped with the buffer.

export interface Picture {
  /** Seconds in the media element's own time. */
  at_s: number;
  duration_s: number;
  partition: number;
  offset: number;
  timestamp_ms: number;
}

/** Rounding in the browser's clocks: a picture is shown at a time that is off by less than this. */
const slack_s = 0.002;
/** Capture times farther apart have a pause between them. */
const pause_ms = 10_000;

export class Timeline {
  private pictures: Picture[] = [];

  add(picture: Picture): void {
    const list = this.pictures;
    let at = list.length;
    // Decoding order: with B-frames a picture lands a few places before the end.
    while (at > 0 && list[at - 1]!.at_s > picture.at_s + slack_s) at -= 1;
    const same = at > 0 && Math.abs(list[at - 1]!.at_s - picture.at_s) <= slack_s;
    list.splice(same ? at - 1 : at, same ? 1 : 0, picture);
  }

  /** The picture on the screen at this time; null before the first one. */
  at(time_s: number): Picture | null {
    return this.pictures[this.indexAt(time_s)] ?? null;
  }

  /** The picture that was the newest at a capture time, or the next one where that lies in a pause; null where it is not here. */
  shownAt(at_ms: number): Picture | null {
    for (let i = this.pictures.length - 1; i >= 0; i -= 1) {
      const picture = this.pictures[i]!;
      const next = this.pictures[i + 1];
      if (picture.timestamp_ms > at_ms) continue;
      if (!next) return at_ms < picture.timestamp_ms + picture.duration_s * 1000 ? picture : null;
      if (next.timestamp_ms > at_ms) return at_ms - picture.timestamp_ms > pause_ms ? next : picture;
    }
    return null;
  }

  /** The picture `steps` before or after the one shown; the first or last where there are fewer. */
  step(time_s: number, steps: number): Picture | null {
    const at = Math.max(0, this.indexAt(time_s)) + steps;
    return this.pictures[Math.min(Math.max(at, 0), this.pictures.length - 1)] ?? null;
  }

  find(partition: number, offset: number): Picture | null {
    for (let i = this.pictures.length - 1; i >= 0; i -= 1) {
      const p = this.pictures[i]!;
      if (p.offset === offset && p.partition === partition) return p;
    }
    return null;
  }

  get first(): Picture | null {
    return this.pictures[0] ?? null;
  }

  get last(): Picture | null {
    return this.pictures[this.pictures.length - 1] ?? null;
  }

  dropBefore(time_s: number): void {
    const keep = this.pictures.findIndex((p) => p.at_s + p.duration_s > time_s);
    if (keep > 0) this.pictures.splice(0, keep);
    else if (keep < 0) this.pictures = [];
  }

  private indexAt(time_s: number): number {
    let low = 0;
    let high = this.pictures.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.pictures[middle]!.at_s <= time_s + slack_s) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
