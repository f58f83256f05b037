// What hands do to a chart: fingers that drag and pinch it, a wheel that zooms or moves it. Knows the events, not the chart.

export interface Range {
  from_ms: number;
  to_ms: number;
}

/** What is held by its fingers: the moments under them stay under them. Places are parts of the width, 0 to 1. */
export function dragged({ from_ms, to_ms }: Range, before: readonly number[], now: readonly number[]): Range {
  const span_ms = to_ms - from_ms;
  const [a, b] = before;
  const [x, y] = now;
  if (a === undefined || x === undefined) return { from_ms, to_ms };
  const first_ms = from_ms + a * span_ms;
  if (b === undefined || y === undefined || Math.abs(y - x) < 0.01 || (y - x) * (b - a) <= 0) {
    return { from_ms: first_ms - x * span_ms, to_ms: first_ms + (1 - x) * span_ms };
  }
  const now_ms = ((b - a) / (y - x)) * span_ms;
  return { from_ms: first_ms - x * now_ms, to_ms: first_ms + (1 - x) * now_ms };
}

export interface Hands {
  /** What is shown when a drag begins. */
  range: () => Range;
  onDrag: (range: Range) => void;
  /** So many times as much time around a place. */
  onZoom: (factor: number, at: number) => void;
  /** Later by a part of what is shown. */
  onPan: (part: number) => void;
}

/** Listens on an element; the function returned stops it. */
export function listen(element: HTMLElement, hands: Hands): () => void {
  const down = new Map<number, number>();
  let before: number[] = [];
  let range: Range | null = null;
  const placeOf = (event: { clientX: number }): number => {
    const { left, width } = element.getBoundingClientRect();
    return (event.clientX - left) / Math.max(1, width);
  };
  const begin = (): void => {
    before = [...down.values()];
    range = hands.range();
  };
  const onDown = (event: PointerEvent): void => {
    // The mouse alone marks a stretch to zoom into.
    if (event.pointerType === 'mouse' && !event.shiftKey) return;
    down.set(event.pointerId, placeOf(event));
    element.setPointerCapture(event.pointerId);
    begin();
  };
  const onMove = (event: PointerEvent): void => {
    if (!down.has(event.pointerId) || !range) return;
    down.set(event.pointerId, placeOf(event));
    hands.onDrag(dragged(range, before, [...down.values()]));
  };
  const onUp = (event: PointerEvent): void => {
    if (down.delete(event.pointerId)) begin();
  };
  const onWheel = (event: WheelEvent): void => {
    const lines = event.deltaMode === 1 ? 16 : 1;
    const [x, y] = [event.deltaX * lines, event.deltaY * lines];
    // A pinch on a touchpad comes as a wheel with Ctrl.
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      hands.onZoom(Math.exp(Math.min(200, Math.max(-200, y)) * 0.0025), placeOf(event));
    } else if (event.shiftKey || Math.abs(x) > Math.abs(y)) {
      event.preventDefault();
      hands.onPan((x || y) / Math.max(1, element.clientWidth));
    }
  };
  const listeners = [
    ['pointerdown', onDown],
    ['pointermove', onMove],
    ['pointerup', onUp],
    ['pointercancel', onUp],
    ['wheel', onWheel],
  ] as const;
  for (const [name, run] of listeners) element.addEventListener(name, run as EventListener, { passive: false });
  return () => {
    for (const [name, run] of listeners) element.removeEventListener(name, run as EventListener);
  };
}
