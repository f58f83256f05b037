// What the charts of a page have in common, and what its address says of them: the stretch of time, the series shown, the cursor.

import { router } from '../router.svelte';
import { readSelection, writeSelection, type Selection } from '../series/selection';
import { live, pan, rangeOf, readView, still, writeView, zoom, type View } from '../series/view';

/** Browsers allow an address to change a few times a second only; a drag changes it more often. */
const settled_ms = 300;

export interface Cursor {
  t_ms: number;
  chart: string;
  /** Set by keys: it stays until the pointer moves. */
  held?: boolean;
}

export class ChartView {
  view = $state.raw<View>({ live: true, window_ms: 60_000 });
  /** The window to go back to. */
  window_ms = $state(60_000);
  selection = $state.raw<Selection>({ only: [], hidden: [] });
  /** What of the address could not be read. */
  wrong = $state<string | null>(null);
  /** Where somebody points, and in which chart; drawn, not read, so nothing waits for it. */
  cursor: Cursor | null = null;
  /** Where a window that moves ends; told by the numbers that are shown. */
  edge: () => number = () => Date.now();
  private timer = 0;
  private written: URLSearchParams | null = null;

  /** Follows the address, also when one goes back in the browser; to be called from an effect. */
  read(query: URLSearchParams): void {
    if (query === this.written) return;
    const { view, window_ms, wrong } = readView(query);
    this.view = view;
    this.window_ms = window_ms;
    this.wrong = wrong;
    this.selection = readSelection(query);
  }

  get range(): { from_ms: number; to_ms: number } {
    return rangeOf(this.view, this.edge());
  }

  get isLive(): boolean {
    return this.view.live;
  }

  set(view: View): void {
    this.view = view;
    if (view.live) this.window_ms = view.window_ms;
    this.wrong = null;
    this.write();
  }

  choose(window_ms: number): void {
    this.window_ms = window_ms;
    this.set(this.view.live ? live(window_ms) : still(this.view.to_ms - window_ms, this.view.to_ms, this.view.to_ms));
  }

  goLive = (): void => this.set(live(this.window_ms));

  togglePause = (): void => {
    if (!this.view.live) return this.goLive();
    const { from_ms, to_ms } = this.range;
    this.set(still(from_ms, to_ms, to_ms));
  };

  zoom(factor: number, at_ms: number | null = null): void {
    this.set(zoom(this.view, this.edge(), factor, at_ms));
  }

  pan(part: number): void {
    if (this.view.live && part > 0) return;
    this.set(pan(this.view, this.edge(), part));
  }

  show(from_ms: number, to_ms: number): void {
    this.set(still(from_ms, to_ms, Math.max(this.edge(), this.view.live ? 0 : this.view.to_ms)));
  }

  select(selection: Selection): void {
    this.selection = selection;
    this.write();
  }

  private write(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      router.set({ ...writeView(this.view, this.window_ms), ...writeSelection(this.selection) });
      this.written = router.query;
    }, settled_ms);
  }

  /** Writes nothing more: the page is another. */
  leave(): void {
    window.clearTimeout(this.timer);
  }
}
