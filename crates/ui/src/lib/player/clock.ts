// The server's clock as seen from here. Each `clock` message shows it a little late, by the time it was under way; the least
// late one of the last minute is the best estimate, so the offset is the largest difference seen.

export class ServerClock {
  private readonly seen: { offset_ms: number; at_ms: number }[] = [];

  constructor(private readonly now: () => number) {}

  /** A `clock` message that has just arrived. */
  heard(server_time_ms: number): void {
    const at_ms = this.now();
    this.seen.push({ offset_ms: server_time_ms - at_ms, at_ms });
    while (this.seen.length > 60 || (this.seen[0] && at_ms - this.seen[0].at_ms > 60_000)) this.seen.shift();
  }

  get offset_ms(): number {
    if (this.seen.length === 0) return 0;
    return Math.max(...this.seen.map((s) => s.offset_ms));
  }

  now_ms(): number {
    return this.now() + this.offset_ms;
  }
}
