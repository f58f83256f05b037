// The small pictures under the pointer: asked for one at a time, the newest wish counts, and what has been seen is kept for a
// while. No DOM: loading and letting go are passed in.

export interface ThumbsOptions {
  /** Loads the picture at an address; null where there is none. */
  load: (url: string) => Promise<string | null>;
  /** Frees what was loaded. */
  free: (picture: string) => void;
  /** The picture for the newest wish has come, or an older one that is nearer than what is shown. */
  onPicture: (picture: string) => void;
}

const kept = 60;

export class Thumbs {
  private readonly pictures = new Map<string, string>();
  private wanted: string | null = null;
  private isLoading = false;
  private stopped = false;

  constructor(private readonly options: ThumbsOptions) {}

  /** The picture at this address is wanted now, and no other. */
  want(url: string): void {
    this.wanted = url;
    const known = this.pictures.get(url);
    if (known !== undefined) {
      this.wanted = null;
      this.options.onPicture(known);
    } else if (!this.isLoading) void this.load(url);
  }

  /** Nothing is wanted any more; what is under way is still kept. */
  rest(): void {
    this.wanted = null;
  }

  stop(): void {
    this.stopped = true;
    for (const picture of this.pictures.values()) this.options.free(picture);
    this.pictures.clear();
  }

  private async load(url: string): Promise<void> {
    this.isLoading = true;
    const picture = await this.options.load(url);
    this.isLoading = false;
    if (picture !== null) this.keep(url, picture);
    const next = this.wanted;
    if (this.stopped || next === null) return;
    if (next === url) this.wanted = null;
    // While the pointer moves on, what has come on the way is better than what stood there.
    if (picture !== null) this.options.onPicture(picture);
    if (next !== url) this.want(next);
  }

  private keep(url: string, picture: string): void {
    if (this.stopped) {
      this.options.free(picture);
      return;
    }
    this.pictures.set(url, picture);
    for (const [oldest, old] of this.pictures) {
      if (this.pictures.size <= kept) return;
      this.pictures.delete(oldest);
      this.options.free(old);
    }
  }
}

const grains_ms = [200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000];

/** A place on the line, rounded to what a pixel of it can tell apart: the same picture is asked for by the same address. */
export function roundPlace(into_ms: number, length_ms: number, width_px: number): number {
  const pixel_ms = length_ms / Math.max(1, width_px);
  const grain_ms = grains_ms.findLast((grain) => grain <= pixel_ms) ?? grains_ms[0]!;
  return Math.floor(into_ms / grain_ms) * grain_ms;
}
