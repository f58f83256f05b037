// What the whole page knows of the server: its topics, once a second.

import type { Overview, TopicOverview } from './api';
import { EventFeed } from './events';
import type { LinkState } from './link';
import { routes } from './routes';
import { whileVisible } from './visible';

class OverviewStore {
  link = $state<LinkState>({ state: 'connecting' });
  overview = $state.raw<Overview | null>(null);
  /** The server's clock minus ours. */
  skew_ms = $state(0);
  /** Now by the server's clock, moving once a second at most with what comes. */
  now_ms = $state(Date.now());

  private readonly feed = new EventFeed({
    url: () => routes.overview,
    onEvent: (body) => this.receive(body as Overview),
    onState: (link) => (this.link = link),
  });

  start(): void {
    whileVisible(this.feed);
    // Ages go on counting while the server is away.
    setInterval(() => (this.now_ms = Date.now() + this.skew_ms), 1000);
  }

  topic(name: string): TopicOverview | undefined {
    return this.overview?.topics.find((topic) => topic.name === name);
  }

  private receive(overview: Overview): void {
    this.skew_ms = overview.server_time_ms - Date.now();
    this.now_ms = overview.server_time_ms;
    this.overview = overview;
  }
}

export const overview = new OverviewStore();

/** Records are pictures this page shows by MSE, by `<img>`, or not at all. */
export function playsBy(topic: TopicOverview): 'mse' | 'img' {
  return topic.content_type?.startsWith('image/') ? 'img' : 'mse';
}

/** Which view of a topic answers first. */
export function openingTab(topic: TopicOverview | undefined): 'watch' | 'plot' | 'records' | 'latest' {
  if (topic?.kind === 'video') return 'watch';
  if (topic?.compacted) return 'latest';
  if (topic?.kind === 'numbers') return 'plot';
  return 'records';
}
