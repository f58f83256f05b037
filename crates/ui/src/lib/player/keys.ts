// The keys of the player, as YouTube has them.

import type { Key } from '../keys.svelte';
import type { Plays } from './plays';
import { speedBeside } from './speed';

export interface PlayerActions {
  player: () => Plays | null;
  toggle: () => void;
  /** Where its speed can be set. */
  setRate: ((rate: number) => void) | null;
  fullScreen: () => void;
}

export function playerKeys({ player, toggle, setRate, fullScreen }: PlayerActions): Key[] {
  const on = (run: (player: Plays) => void) => () => {
    const p = player();
    if (p) run(p);
  };
  const speed = (by: 1 | -1) => on((p) => setRate?.(speedBeside(p.status.rate, by)));
  const keys: Key[] = [
    { key: ' ', label: 'space or k', does: 'pause and play', run: toggle },
    { key: 'k', label: 'k', run: toggle },
    { key: 'ArrowLeft', label: '← →', does: '5 s back and on', run: on((p) => p.seekBy(-5)) },
    { key: 'ArrowRight', label: '→', run: on((p) => p.seekBy(5)) },
    { key: 'j', label: 'j l', does: '10 s back and on', run: on((p) => p.seekBy(-10)) },
    { key: 'l', label: 'l', run: on((p) => p.seekBy(10)) },
    { key: ',', label: ', .', does: 'picture by picture', run: on((p) => p.step(-1)) },
    { key: '.', label: '.', run: on((p) => p.step(1)) },
    { key: '0', label: '0 – 9', does: 'to a tenth of all there is', run: on((p) => p.jumpToPart(0)) },
    { key: 'Home', label: 'Home End', does: 'to the start and the end', run: on((p) => p.jumpToPart(0)) },
    { key: 'End', label: 'End', run: on((p) => p.edge()) },
    { key: 'e', label: 'e', does: 'to the live edge', run: on((p) => p.edge()) },
    { key: 'f', label: 'f', does: 'full screen', run: fullScreen },
  ];
  // Pictures that come one by one have neither.
  if (setRate) {
    keys.push(
      { key: '<', label: '< >', does: 'slower and faster', run: speed(-1) },
      { key: '>', label: '>', run: speed(1) },
      { key: 'm', label: 'm', does: 'sound on and off', run: on((p) => p.status.sound && p.toggleMute?.()) },
    );
  }
  for (let tenth = 1; tenth <= 9; tenth += 1) {
    keys.push({ key: String(tenth), label: String(tenth), run: on((p) => p.jumpToPart(tenth / 10)) });
  }
  return keys;
}
