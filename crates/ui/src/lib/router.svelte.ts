// The address bar as state: where we are, and how to go elsewhere without loading the page anew.

class Router {
  path = $state(location.pathname);
  query = $state(new URLSearchParams(location.search));

  constructor() {
    window.addEventListener('popstate', () => this.read());
    document.addEventListener('click', (event) => this.onClick(event));
  }

  private read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }

  go(url: string): void {
    history.pushState(null, '', url);
    this.read();
    window.scrollTo(0, 0);
  }

  /** Changes the query in place; null takes a name out, several texts repeat it. */
  set(changes: Record<string, string | null | readonly string[]>): void {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      query.delete(name);
      for (const one of typeof value === 'string' ? [value] : (value ?? [])) query.append(name, one);
    }
    const text = query.toString();
    history.replaceState(null, '', text ? `?${text}` : location.pathname);
    this.query = query;
  }

  /** The page's own links are followed here; everything else is the browser's. */
  private onClick(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || link.origin !== location.origin || link.target || link.hasAttribute('download')) return;
    if (pageAt(link.pathname).page === 'none') return;
    event.preventDefault();
    this.go(link.href);
  }
}

export const router = new Router();

export type Page =
  | { page: 'home' }
  | { page: 'topic'; topic: string }
  | { page: 'library' }
  | { page: 'plots' }
  | { page: 'plot'; plot: number }
  | { page: 'cluster' }
  | { page: 'none' };

export function pageAt(path: string): Page {
  if (path === '/') return { page: 'home' };
  if (/^\/library\/?$/.test(path)) return { page: 'library' };
  const plot = /^\/plots(?:\/([1-5]))?\/?$/.exec(path);
  if (plot) return plot[1] === undefined ? { page: 'plots' } : { page: 'plot', plot: Number(plot[1]) };
  if (/^\/cluster\/?$/.test(path)) return { page: 'cluster' };
  const match = /^\/t\/([^/]+)\/?$/.exec(path);
  if (!match) return { page: 'none' };
  try {
    return { page: 'topic', topic: decodeURIComponent(match[1]!) };
  } catch {
    return { page: 'none' };
  }
}
