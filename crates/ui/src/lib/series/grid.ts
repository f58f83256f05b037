// The pixel columns of a time axis. They stand still in time: a window that moves shows other columns, never the same ones cut
// differently, so a line does not shimmer and what was drawn stays right.

export interface Grid {
  /** Where column 0 begins. */
  origin_ms: number;
  /** How long a column is. */
  pixel_ms: number;
}

export const columnOf = (grid: Grid, t_ms: number): number => Math.floor((t_ms - grid.origin_ms) / grid.pixel_ms);

/** Where a column begins. */
export const timeOf = (grid: Grid, column: number): number => grid.origin_ms + column * grid.pixel_ms;

/** A time's place in columns, with what is behind the point. */
export const placeOf = (grid: Grid, t_ms: number): number => (t_ms - grid.origin_ms) / grid.pixel_ms;
