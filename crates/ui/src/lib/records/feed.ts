// Records as events: `/topics/{topic}/records`, gathered for a moment before they are handed on, so that a thousand a second
// cost four updates. Knows the protocol; keeps no list.

import type { RecordsEvent, RecordView } from '../api';
import { EventFeed, type EventSourceLike } from '../events';
import { systemTimers, type LinkState, type Probe, type Timers } from '../link';
import { routes } from '../routes';

const gather_ms = 200;
/** More than a list keeps is not gathered: the newest stand. */
const mostGathered = 5000;

export interface RecordsFeedOptions {
  topic: string;
  from: string;
  limit?: number;
  onRecords: (records: RecordView[]) => void;
  onWaiting: (why: string | null) => void;
  onLive: () => void;
  onState: (state: LinkState) => void;
  open?: (url: string) => EventSourceLike;
  timers?: Timers;
  probe?: Probe;
}

export class RecordsFeed {
  private readonly feed: EventFeed;
  private readonly timers: Timers;
  private gathered: RecordView[] = [];
  private flushing = 0;

  constructor(private readonly options: RecordsFeedOptions) {
    this.timers = options.timers ?? systemTimers;
    this.feed = new EventFeed({
      url: () => routes.records(options.topic, { from: options.from, ...(options.limit && { limit: options.limit }) }),
      onEvent: (body) => this.receive(body as RecordsEvent),
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
    this.flushing = 0;
    this.feed.stop();
  }

  private receive(event: RecordsEvent): void {
    switch (event.type) {
      case 'record': {
        this.gathered.push(event);
        if (this.gathered.length > mostGathered && !this.options.limit) this.gathered.shift();
        this.flushing ||= this.timers.set(() => this.flush(), gather_ms);
        return;
      }
      case 'end':
        this.flush();
        this.feed.end();
        return;
      case 'live':
        this.flush();
        this.options.onLive();
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
    const records = this.gathered;
    this.gathered = [];
    if (records.length > 0) this.options.onRecords(records);
  }
}
