// What the buttons, the keys and the line can do with a player, whatever it shows the pictures by.

import type { PlayerStatus } from './state';

export interface Plays {
  readonly status: PlayerStatus;
  start(): void;
  stop(): void;
  toggle(): void;
  /** So many seconds on or back, pauses not counted. */
  seekBy(seconds: number): void;
  /** To the picture of a capture time. */
  jumpTo(at_ms: number): void;
  /** 0…1 of all there is. */
  jumpToPart(part: number): void;
  /** One picture on or back; pauses. */
  step(pictures: number): void;
  /** To the live edge. */
  edge(): void;
  /** How fast, of what is not live; not where pictures come one by one. */
  setRate?(rate: number): void;
  /** Sound; not where there is none. */
  toggleMute?(): void;
  setVolume?(volume: number): void;
}
