// The keys of the player, as YouTube has them.

import type { Key } from '../keys.svelte';
import type { MsePlayer } from './mse';

export function playerKeys(player: () => MsePlayer | null, fullScreen: () => void): Key[] {
  const on = (run: (player: MsePlayer) => void) => () => {
    const p = player();
    if (p) run(p);
  };
  const keys: Key[] = [
    { key: ' ', label: 'space or k', does: 'pause and play', run: on((p) => p.toggle()) },
    { key: 'k', label: 'k', run: on((p) => p.toggle()) },
    { key: 'ArrowLeft', label: '← →', does: '5 s back and on', run: on((p) => p.seekBy(-5)) },
    { key: 'ArrowRight', label: '→', run: on((p) => p.seekBy(5)) },
    { key: 'j', label: 'j l', does: '10 s back and on', run: on((p) => p.seekBy(-10)) },
    { key: 'l', label: 'l', run: on((p) => p.seekBy(10)) },
    { key: ',', label: ', .', does: 'picture by picture', run: on((p) => p.step(-1)) },
    { key: '.', label: '.', run: on((p) => p.step(1)) },
    { key: '0', label: '0 – 9', does: 'tenths of what is buffered', run: on((p) => p.seekToPart(0)) },
    { key: 'e', label: 'e', does: 'to the live edge', run: on((p) => p.edge()) },
    { key: 'f', label: 'f', does: 'full screen', run: fullScreen },
  ];
  for (let tenth = 1; tenth <= 9; tenth += 1) {
    keys.push({ key: String(tenth), label: String(tenth), run: on((p) => p.seekToPart(tenth / 10)) });
  }
  return keys;
}
