// Which series of a chart are shown, and how an address says it: all but some (`hide=`), or only some (`series=`). Pure.

export interface Selection {
  /** Only these, where there are any. */
  only: readonly string[];
  /** Not these. */
  hidden: readonly string[];
}

export const everything: Selection = { only: [], hidden: [] };

export const shows = ({ only, hidden }: Selection, name: string): boolean => (only.length === 0 || only.includes(name)) && !hidden.includes(name);

export const isEverything = ({ only, hidden }: Selection): boolean => only.length === 0 && hidden.length === 0;

/** Shows what was hidden and hides what was shown. The last one of a few that is taken away brings all back. */
export function toggle(selection: Selection, name: string): Selection {
  const { only, hidden } = selection;
  if (only.length > 0) return { only: only.includes(name) ? only.filter((n) => n !== name) : [...only, name], hidden };
  return { only, hidden: hidden.includes(name) ? hidden.filter((n) => n !== name) : [...hidden, name] };
}

/** Only this one; all again where it was alone already. */
export function alone(selection: Selection, name: string): Selection {
  return selection.only.length === 1 && selection.only[0] === name ? everything : { only: [name], hidden: [] };
}

export const readSelection = (query: URLSearchParams): Selection => ({ only: query.getAll('series'), hidden: query.getAll('hide') });

export const writeSelection = ({ only, hidden }: Selection): { series: readonly string[]; hide: readonly string[] } => ({
  series: only,
  hide: hidden,
});
