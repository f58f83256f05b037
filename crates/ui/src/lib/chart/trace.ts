// A line of a chart: which numbers it draws and what it looks like. Colours are names of tokens here, and colours once it is drawn.

import { colourName, markerOf } from './marks';
import type { Look } from './painter';

export interface Trace {
  /** Which of the topics. */
  topic: number;
  /** The ring of its points. */
  ring: string;
  /** Its name for people. */
  label: string;
  colour: string;
  marker: number;
  /** Points alone, or a line through them. */
  line: boolean;
  /** Of points by their mark. */
  marked?: ReadonlyMap<number, { colour: string; marker: number }>;
}

/** The line of a series by its place among all: colour and marker stay when others are hidden. */
export const traceOf = (ring: string, index: number, topic = 0, label = ring): Trace => ({
  topic,
  ring,
  label,
  colour: colourName(index),
  marker: markerOf(index),
  line: true,
});

export function lookOf({ colour, marker, line, marked }: Trace, style: CSSStyleDeclaration): Look {
  const token = (name: string): string => style.getPropertyValue(name).trim();
  const marks = marked && new Map([...marked].map(([bits, as]) => [bits, { colour: token(as.colour), marker: as.marker }]));
  return { colour: token(colour), marker, line, ...(marks && { marked: marks }) };
}
