// Feeds that rest while nobody looks. A browser gives a server six connections over HTTP/1.1, all tabs together, and each
// event source holds one: three forgotten tabs must not keep a fourth from loading.

const patience_ms = 10_000;

/** Runs the feed while the tab is visible or has been hidden for a moment only; the function returned ends it. */
export function whileVisible(feed: { start(): void; stop(): void }): () => void {
  let timer = 0;
  const onChange = (): void => {
    window.clearTimeout(timer);
    if (document.visibilityState === 'visible') feed.start();
    else timer = window.setTimeout(() => feed.stop(), patience_ms);
  };
  feed.start();
  document.addEventListener('visibilitychange', onChange);
  return () => {
    window.clearTimeout(timer);
    document.removeEventListener('visibilitychange', onChange);
    feed.stop();
  };
}
