// When a moving chart is drawn: once an animation frame, if it has moved by a pixel or has anything new; once a second where motion
// is not wanted, but at once for what a hand does.

export interface LoopOptions {
  /** A hand has done something. */
  urgent: () => boolean;
  draw: () => void;
}

/** Starts the loop; the function returned ends it. */
export function drawLoop({ urgent, draw }: LoopOptions): () => void {
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let frame = 0;
  let drawn_ms = Number.NEGATIVE_INFINITY;
  const loop = (t: number): void => {
    frame = requestAnimationFrame(loop);
    if (calm.matches && t - drawn_ms < 1000 && !urgent()) return;
    drawn_ms = t;
    draw();
  };
  frame = requestAnimationFrame(loop);
  return () => cancelAnimationFrame(frame);
}
