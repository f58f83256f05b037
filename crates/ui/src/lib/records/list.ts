// The record list: newest on top while it follows, and still while somebody reads. What comes meanwhile is counted and kept
// aside. No DOM.

import type { RecordView } from '../api';

export const mostShown = 500;
const mostAside = 5000;

export type RecordId = string;
export const idOf = (record: RecordView): RecordId => `${record.partition}:${record.offset}`;

export class RecordList {
  /** What is on the page, in the order in which it stands there. */
  shown: RecordView[] = [];
  private aside: RecordView[] = [];
  private readonly ids = new Set<RecordId>();
  private lost = 0;

  /** `newest` on top for a tail, `oldest` for reading from a position on. */
  constructor(readonly top: 'newest' | 'oldest') {}

  /** Takes records in as they come; `hold` keeps them aside. One that is there already is passed over. */
  add(records: RecordView[], hold: boolean): void {
    const fresh = records.filter((record) => !this.ids.has(idOf(record)));
    for (const record of fresh) this.ids.add(idOf(record));
    if (this.top === 'oldest') {
      this.shown = [...this.shown, ...fresh];
      return;
    }
    if (hold) {
      this.aside.push(...fresh);
      // Nobody reads five thousand: the oldest of what waits makes room.
      const over = this.aside.length - mostAside;
      if (over > 0) {
        for (const record of this.aside.splice(0, over)) this.ids.delete(idOf(record));
        this.lost += over;
      }
      return;
    }
    this.show([...this.aside, ...fresh]);
  }

  /** How many wait to be shown. */
  get waiting(): number {
    return this.aside.length + this.lost;
  }

  /** Shows what waited. */
  release(): void {
    this.show(this.aside);
  }

  private show(records: RecordView[]): void {
    this.aside = [];
    this.lost = 0;
    if (records.length === 0) return;
    const all = [...[...records].reverse(), ...this.shown];
    for (const record of all.slice(mostShown)) this.ids.delete(idOf(record));
    this.shown = all.slice(0, mostShown);
  }
}
