// The newest value of each key: `/topics/{topic}/latest` as it changes, gathered so that the page is redrawn four times a second
// at most. Knows the protocol; the order of the rows is `rank.ts`'s.

import type { LatestEvent, LatestValue } from '../api';
import { EventFeed, type EventSourceLike } from '../events';
import { systemTimers, type LinkState, type Probe, type Timers } from '../link';
import { routes } from '../routes';

const gather_ms = 250;

export interface LatestFeedOptions {
  topic: string;
  limit?: number;
  onChange: (values: ReadonlyMap<string, LatestValue>, more: boolean) => void;
  onWaiting: (why: string | null) => void;
  onState: (state: LinkState) => void;
  open?: (url: string) => EventSourceLike;
  timers?: Timers;
  probe?: Probe;
}

export class LatestFeed {
  private values = new Map<string, LatestValue>();
  private truncated = false;
  private flushing = 0;
  private readonly timers: Timers;
  private readonly feed: EventFeed;

  constructor(private readonly options: LatestFeedOptions) {
    this.timers = options.timers ?? systemTimers;
    this.feed = new EventFeed({
      url: () => routes.latest(options.topic, options.limit),
      onEvent: (body) => this.receive(body as LatestEvent),
      onState: options.onState,
      timers: this.timers,
      ...(options.open && { open: options.open }),
      ...(options.probe && { probe: options.probe }),
    });
  }

  start(): void {
    this.feed.start();
  }

  stop(): void {
    this.timers.clear(this.flushing);
    this.feed.stop();
  }

  private receive(event: LatestEvent): void {
    switch (event.type) {
      case 'whole':
        this.values = new Map(Object.entries(event.values));
        this.truncated = event.truncated;
        this.flush();
        return;
      case 'changed':
        for (const [key, value] of Object.entries(event.changed)) {
          if (value === null) this.values.delete(key);
          else this.values.set(key, value);
        }
        this.flushing ||= this.timers.set(() => this.flush(), gather_ms);
        return;
      case 'waiting':
        this.options.onWaiting(event.why);
        return;
      case 'reconnected':
        this.options.onWaiting(null);
    }
  }

  private flush(): void {
    this.timers.clear(this.flushing);
    this.flushing = 0;
    this.options.onChange(this.values, this.truncated);
  }
}
