// The keys that mean something just now. A part of the page adds its own while it is shown; `?` lists what there is.

import { untrack } from 'svelte';

export interface Key {
  /** As `KeyboardEvent.key`. */
  key: string;
  /** As it is shown. */
  label: string;
  /** Left out where another key's line says it too. */
  does?: string;
  run: () => void;
}

class Keys {
  active = $state.raw<Key[]>([]);
  helpOpen = $state(false);

  constructor() {
    document.addEventListener('keydown', (event) => this.onKey(event));
  }

  /** One line a meaning, for the list. */
  get listed(): { label: string; does: string }[] {
    const lines = new Map<string, string>();
    for (const { label, does } of this.active) if (does) lines.set(label, does);
    return [...lines].map(([label, does]) => ({ label, does }));
  }

  toggleHelp(): void {
    this.helpOpen = !this.helpOpen;
  }

  /** Adds keys; the function returned takes them away again. */
  add(keys: Key[]): () => void {
    // Called from effects, which must not run again because somebody else's keys changed.
    this.active = untrack(() => [...this.active, ...keys]);
    return () => (this.active = untrack(() => this.active.filter((key) => !keys.includes(key))));
  }

  private onKey(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target;
    if (on instanceof HTMLElement) {
      // Typing is typing; and a focused button, list or slider keeps the keys it uses itself.
      if (on.isContentEditable || on.matches('textarea, select, input:not([type=range])')) return;
      if (event.key === ' ' && on.closest('button, a, summary, [role=tab]')) return;
      if (event.key.startsWith('Arrow') && on.matches('input[type=range], [role=tab]')) return;
    }
    const found = this.active.findLast((key) => key.key === event.key);
    if (!found) return;
    event.preventDefault();
    found.run();
  }
}

export const keys = new Keys();
