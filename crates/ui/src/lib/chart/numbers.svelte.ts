// The numbers behind the charts of a page: of one topic or several, as they come, or of a stretch that stands still. What changes
// many times a second is asked for by who draws; what people read is told four times a second.

import type { Problem, SeriesAnswer } from '../api';
import { isProblem, systemTimers, type LinkState } from '../link';
import { overview } from '../overview.svelte';
import { routes } from '../routes';
import { inArrivalOrder } from '../series/arrivals';
import type { Part } from '../series/csv';
import { columnOf, timeOf, type Grid } from '../series/grid';
import { SeriesFeed } from '../series/feed';
import type { SeriesRing } from '../series/ring';
import { StillFetch, stretchFor, type Stretch } from '../series/still';
import { byCreation, Store, type Sorter } from '../series/store';
import type { View } from '../series/view';
import type { ChartView } from './view.svelte';

export interface NumbersOptions {
  topics: readonly string[];
  view: ChartView;
  /** What becomes of a point; another one for each topic. Values against creation time otherwise. */
  sorter?: (topic: number) => () => Sorter;
  /** Every point is needed, not what can be seen of it: a bounded number of the newest is then kept. */
  whole?: boolean;
  /** What came before the page was opened is of use. */
  past?: boolean;
  /** The series a ring is of, where it is called otherwise. */
  nameOf?: (ring: string) => string;
}

/** What is known of the numbers, for people. */
export interface Told {
  caughtUp: boolean;
  waiting: string | null;
  newest_ms: number | null;
  /** From creation to arrival, of what came last. */
  delay_ms: number | null;
  passedOver: number;
  reasons: ReadonlyMap<string, number>;
  leftOut: number;
  ahead: number;
  version: number;
}

const nothing: Told = {
  caughtUp: false,
  waiting: null,
  newest_ms: null,
  delay_ms: null,
  passedOver: 0,
  reasons: new Map(),
  leftOut: 0,
  ahead: 0,
  version: 0,
};

const told_ms = 250;
/** A little more than the window is held, so that its left end is never bare. */
const spare = 1.1;
/** What came while the page was open is held so long where it can be had nowhere else. */
const heldWithoutPast_ms = 900_000;
const settled_ms = 400;
/** Points of one series where every point is needed. */
const mostWhole = 50_000;

export class Numbers {
  links = $state.raw<LinkState[]>([]);
  /** The series of each topic by name. */
  names = $state.raw<string[][]>([]);
  told = $state.raw<Told>(nothing);
  problem = $state.raw<Problem | null>(null);

  private readonly feeds: SeriesFeed[];
  private readonly fetch: StillFetch;
  private grid: Grid = { origin_ms: 0, pixel_ms: 1 };
  /** The columns by which the past of what comes is thinned. */
  private liveGrid: Grid = this.grid;
  private columns = 0;
  private asked: View | null = null;
  private stretch: Stretch | null = null;
  private settling: ReturnType<typeof setTimeout> | undefined;
  /** What was asked for of a stretch that stands still, once it has come. */
  private kept: Store[] | null = null;
  private changes = 0;

  constructor(private readonly options: NumbersOptions) {
    const { topics, sorter, past = true } = options;
    this.links = topics.map(() => ({ state: 'connecting' }));
    this.names = topics.map(() => []);
    const makeStore = (topic: number): Store => new Store((sorter ?? (() => () => byCreation))(topic)());
    this.feeds = topics.map(
      (topic, index) =>
        new SeriesFeed({
          topic,
          ask: () => this.ask(),
          makeStore: () => makeStore(index),
          now: this.now,
          onState: (state) => (this.links = this.links.with(index, state)),
        }),
    );
    this.fetch = new StillFetch({
      topics: past ? topics : [],
      timers: systemTimers,
      onAnswers: (answers) => {
        this.kept = answers.map(({ series, passed_over, reasons }, index) => {
          const store = makeStore(index);
          store.passOver(passed_over, reasons);
          store.add(options.whole ? series.map(inArrivalOrder) : series, true);
          return store;
        });
        this.problem = null;
        this.changes += 1;
      },
      onProblem: (problem) => (this.problem = problem),
    });
  }

  /** Begins; the function returned ends it. */
  start(): () => void {
    this.options.view.edge = () => this.edge();
    const timer = setInterval(() => this.tell(), told_ms);
    return () => {
      clearInterval(timer);
      clearTimeout(this.settling);
      this.fetch.cancel();
      for (const feed of this.feeds) feed.stop();
    };
  }

  readonly now = (): number => Date.now() + overview.skew_ms;

  /** Where a window that moves ends. */
  edge(): number {
    const { window_ms } = this.options.view;
    const edges = this.feeds.filter(({ store }) => store.rings.size > 0).map(({ edge }) => edge.at(this.now(), window_ms));
    return edges.length > 0 ? Math.max(...edges) : this.now();
  }

  ring(topic: number, name: string): SeriesRing | undefined {
    return this.stores[topic]?.rings.get(name);
  }

  /** What a chart of so many columns shows now. Of several charts the leading one says how many. */
  scene(columns: number, leads: boolean): { grid: Grid; right: number; fixed: boolean; version: number } | null {
    const { view } = this.options.view;
    if (leads) this.want(columns);
    if (this.columns === 0) return null;
    this.trim();
    // The first numbers are told as they are drawn: which charts there are depends on their names.
    if (this.told.newest_ms === null && this.feeds.some(({ store }) => store.rings.size > 0)) this.tell();
    const { grid, version } = this;
    if (view.live) return { grid, right: columnOf(grid, this.edge()) + 1, fixed: false, version };
    return { grid, right: this.stretch?.right ?? columns, fixed: true, version };
  }

  /** Another version, other numbers. */
  get version(): number {
    return this.stores.reduce((sum, { version }) => sum + version, this.changes * 1e9);
  }

  private get stores(): Store[] {
    return this.kept ?? this.feeds.map(({ store }) => store);
  }

  /** Asks the server where what is here does not do. */
  private want(columns: number): void {
    const { view } = this.options.view;
    if (view === this.asked && columns === this.columns) return;
    // A chart that is being made wider or narrower is drawn with what there is until that ends.
    const resized = view === this.asked;
    this.asked = view;
    this.columns = columns;
    this.problem = null;
    this.changes += 1;
    clearTimeout(this.settling);
    this.fetch.cancel();
    if (view.live) {
      this.kept = this.stretch = null;
      this.grid = { origin_ms: Math.floor(this.edge() - view.window_ms), pixel_ms: view.window_ms / columns };
      this.liveGrid = this.grid;
      if (resized) this.settling = setTimeout(() => this.restart(), settled_ms);
      else this.restart();
    } else {
      this.stretch = stretchFor(view.from_ms, view.to_ms, columns, this.options.whole === true);
      this.grid = this.stretch.grid;
      if (this.options.past !== false) this.fetch.ask(this.stretch);
    }
  }

  /** Asks again after a refusal. */
  retry(): void {
    this.asked = null;
  }

  /** Every point of a stretch, from the log; what came while the page was open from here, where only it knows when. */
  async points(from_ms: number, to_ms: number, series: (topic: number) => readonly string[]): Promise<Part[]> {
    const { topics, whole, past, nameOf = (ring: string) => ring } = this.options;
    if (whole || past === false) {
      return topics.map((topic, index) => ({
        topic,
        series: series(index).flatMap((name) => this.ring(index, name)?.columns(nameOf(name)) ?? []),
      }));
    }
    const { from_ms: from, to_ms: to } = stretchFor(from_ms, to_ms, 1, true);
    return Promise.all(
      topics.map(async (topic, index) => {
        const response = await fetch(routes.seriesOnce(topic, { from_ms: from, to_ms: to, series: series(index) }));
        const body: unknown = await response.json();
        if (!response.ok) throw new Error(isProblem(body) ? body.detail : `The server answered ${response.status}.`);
        return { topic, series: (body as SeriesAnswer).series };
      }),
    );
  }

  private restart(): void {
    for (const feed of this.feeds) {
      // What came while the page was open can be had nowhere else.
      if (this.options.past !== false || !feed.isRunning) feed.restart();
    }
  }

  private ask(): { from_ms: number; window_ms: number; columns: number | null } {
    const { window_ms } = this.options.view;
    // The log is sought by the records' times, which the clock says, whatever times the numbers themselves give.
    const from_ms = this.now() - window_ms;
    if (this.options.whole) return { from_ms: Math.floor(from_ms), window_ms, columns: null };
    return { from_ms: Math.floor(timeOf(this.liveGrid, columnOf(this.liveGrid, from_ms))), window_ms, columns: this.columns };
  }

  /** Holds what the window shows, and while a stretch that was just left standing has not come from the server, that. */
  private trim(): void {
    const { window_ms, view } = this.options.view;
    const { past = true, whole = false } = this.options;
    const hold_ms = past ? window_ms * spare : Math.max(window_ms * spare, heldWithoutPast_ms);
    for (const { store, edge } of this.feeds) {
      const newest_ms = edge.newest(window_ms);
      if (newest_ms === null) continue;
      const shown_ms = view.live || this.kept ? Number.POSITIVE_INFINITY : Math.max(view.from_ms, newest_ms - 3 * hold_ms);
      store.trim(Math.min(shown_ms, newest_ms - hold_ms), whole ? null : this.liveGrid, this.columns);
      if (whole) store.keep(mostWhole);
    }
  }

  private tell(): void {
    const stores = this.stores;
    const names = stores.map(({ rings }) => [...rings.keys()].sort((a, b) => a.localeCompare(b, undefined, { numeric: true })));
    if (JSON.stringify(names) !== JSON.stringify(this.names)) this.names = names;
    const newest = this.feeds.map(({ edge }) => edge.newest(this.options.view.window_ms)).filter((t) => t !== null);
    const reasons = new Map<string, number>();
    for (const store of stores) for (const [why, n] of store.reasons) reasons.set(why, (reasons.get(why) ?? 0) + n);
    this.told = {
      caughtUp: this.kept !== null || this.feeds.every(({ caughtUp }) => caughtUp),
      waiting: this.feeds.find(({ waiting }) => waiting !== null)?.waiting ?? null,
      newest_ms: newest.length > 0 ? Math.max(...newest) : null,
      delay_ms: this.feeds.map(({ delay_ms }) => delay_ms).find((delay) => delay !== null) ?? null,
      passedOver: stores.reduce((sum, { passedOver }) => sum + passedOver, 0),
      reasons,
      leftOut: stores.reduce((sum, { leftOut }) => sum + leftOut.size, 0),
      ahead: stores.reduce((sum, { ahead }) => sum + ahead, 0),
      version: this.version,
    };
  }
}
