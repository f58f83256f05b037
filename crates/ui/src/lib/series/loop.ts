// When a moving chart is drawn: at most once an animation frame, for new data or when time has moved by a pixel; once a second
// where motion is not wanted.

export interface LoopOptions {
  /** Something has changed since it was last asked. */
  dirty: () => boolean;
  /** Milliseconds after which a moving window has moved by a pixel; infinite while it stands still. */
  step_ms: () => number;
  draw: (t: number) => void;
}

/** Starts the loop; the function returned ends it. */
export function drawLoop({ dirty, step_ms, draw }: LoopOptions): () => void {
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let frame = 0;
  let drawn_ms = Number.NEGATIVE_INFINITY;
  const loop = (t: number): void => {
    frame = requestAnimationFrame(loop);
    const since_ms = t - drawn_ms;
    if (calm.matches && since_ms < 1000) return;
    if (since_ms < Math.max(33, step_ms()) && !dirty()) return;
    drawn_ms = t;
    draw(t);
  };
  frame = requestAnimationFrame(loop);
  return () => cancelAnimationFrame(frame);
}
