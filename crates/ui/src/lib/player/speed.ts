// How fast a recording plays: the speeds there are, and the next one either way. Pure.

export const speeds: readonly number[] = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];

/** The next faster (1) or slower (-1) speed; the last one stays. */
export function speedBeside(rate: number, by: 1 | -1): number {
  const next = by > 0 ? speeds.find((speed) => speed > rate + 0.001) : speeds.findLast((speed) => speed < rate - 0.001);
  return next ?? rate;
}

/** `speed=` in the address; null where it is none of those there are. */
export function parseSpeed(text: string | null): number | null {
  const rate = Number(text);
  return text !== null && speeds.includes(rate) ? rate : null;
}

export const speedText = (rate: number): string => `${rate}×`;
