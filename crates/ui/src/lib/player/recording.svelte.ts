// What a topic holds of a video, asked for again as it grows.

import { routes } from '../routes';
import { whileVisible } from '../visible';
import { Recording, type Told } from './recording';

/** Between two looks, while it grows and while it does not. */
const live_ms = 5000;
const still_ms = 10_000;
/** Nobody waits longer than this to begin. */
const patience_ms = 3000;

export class RecordingFeed {
  video = $state.raw<Told | null>(null);
  /** When that was so. */
  private at_ms = 0;
  private timer = 0;
  private running = false;
  private readonly heard: (() => void)[] = [];
  private hasAnswer = false;

  constructor(
    private readonly topic: string,
    private readonly key: string | null,
  ) {}

  /** Asks while the page is visible; the function returned ends it. */
  run(): () => void {
    return whileVisible(this);
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    void this.ask();
  }

  stop(): void {
    this.running = false;
    window.clearTimeout(this.timer);
  }

  /** What is known once the server has answered, or has not for too long. */
  async first(): Promise<Recording | null> {
    if (!this.hasAnswer) {
      await new Promise<void>((done) => {
        this.heard.push(done);
        window.setTimeout(done, patience_ms);
      });
    }
    return this.now(null);
  }

  /** All there is now; `newest_ms` is the newest picture known besides. While it is live it grows between two looks too. */
  now(newest_ms: number | null): Recording | null {
    if (!this.video) return null;
    const grown_ms = this.video.live && newest_ms === null ? this.newest_ms() + Math.min(live_ms, Date.now() - this.at_ms) : newest_ms;
    return new Recording(this.video, grown_ms);
  }

  private newest_ms(): number {
    return this.video?.spans[this.video.spans.length - 1]?.to_ms ?? 0;
  }

  private async ask(): Promise<void> {
    try {
      const answer = await fetch(routes.timeline(this.topic, this.key), { headers: { accept: 'application/json' } });
      // Where the topic holds no video, or the server is away, what was known stays.
      if (answer.ok) {
        this.video = (await answer.json()) as Told;
        this.at_ms = Date.now();
      }
    } catch {
      // As above.
    }
    this.hasAnswer = true;
    for (const done of this.heard.splice(0)) done();
    if (this.running) this.timer = window.setTimeout(() => void this.ask(), this.video?.live ? live_ms : still_ms);
  }
}
