// What each of the five plots is given.

import type { ChartView } from '../../lib/chart/view.svelte';
import type { Chosen } from '../../lib/plots';

export interface PlotProps {
  chosen: Chosen;
  view: ChartView;
  /** The series there are to choose from have become known. */
  onNames: (names: readonly string[]) => void;
}
