// The server's addresses, and the page's own, each made in one place.

const iso = (ms: number): string => new Date(ms).toISOString();

const topicPath = (topic: string): string => `/topics/${encodeURIComponent(topic)}`;

type Value = string | number | boolean | null | undefined;

function withQuery(path: string, query: Record<string, Value | readonly string[]>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value as Value]) {
      if (one !== null && one !== undefined && one !== '') search.append(name, String(one));
    }
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export const routes = {
  overview: '/overview',
  sources: '/sources',
  cluster: '/cluster',
  library: '/library',
  live: (topic: string, from: string, group?: string | null, key?: string | null, sound = false) =>
    withQuery(`${topicPath(topic)}/live`, { from, group, key, sound: sound ? 'true' : null }),
  mjpeg: (topic: string, from?: string, group?: string | null, key?: string | null) =>
    withQuery(`${topicPath(topic)}/video.mjpeg`, { from, group, key }),
  /** All that the topic holds of a camera's video, or of the one there is. */
  timeline: (topic: string, key?: string | null) => withQuery(`${topicPath(topic)}/timeline`, { key }),
  /** A small picture of about this time, cheap to make: the key frame in front of it. */
  thumbnail: (topic: string, at_ms: number, key?: string | null) =>
    withQuery(`${topicPath(topic)}/snapshot.jpg`, { at: iso(at_ms), key, width: 320, near: 'key' }),
  /** The picture shown at a time, or of the record at an offset. */
  still: (topic: string, at: string, key?: string | null) => withQuery(`${topicPath(topic)}/snapshot.jpg`, { at, key }),
  mp4: (topic: string) => `${topicPath(topic)}/video.mp4`,
  /** As it comes, from the start of a window on. */
  series: (topic: string, { from_ms, window_ms, columns }: { from_ms: number; window_ms: number; columns: number | null }) =>
    withQuery(`${topicPath(topic)}/series`, { from: iso(from_ms), window: `${window_ms}ms`, columns }),
  /** A stretch of time, once. */
  seriesOnce: (topic: string, asked: { from_ms: number; to_ms: number; columns?: number | null; series?: readonly string[] }) =>
    withQuery(`${topicPath(topic)}/series`, {
      from: iso(asked.from_ms),
      to: iso(asked.to_ms),
      columns: asked.columns,
      series: asked.series,
    }),
  /** The same for a notebook: of the newest window, or of a stretch. */
  seriesCsv: (topic: string, of: { window: string } | { from_ms: number; to_ms: number }, series: string | null) =>
    withQuery(`${topicPath(topic)}/series`, {
      ...('window' in of ? { window: of.window } : { from: iso(of.from_ms), to: iso(of.to_ms) }),
      series,
      format: 'csv',
    }),
  records: (topic: string, query: { from: string; limit?: number; full?: boolean; partition?: number }) =>
    withQuery(`${topicPath(topic)}/records`, query),
  latest: (topic: string, limit?: number) => withQuery(`${topicPath(topic)}/latest`, { limit }),
  plot: (n?: number) => (n === undefined ? '/plots' : `/plots/${n}`),
  topic: topicPath,
  /** The player on its page, at a moment or as a named viewer. */
  watch: (topic: string, at: { key?: string | null; t?: string; group?: string; from?: string }) => withQuery(`/t/${encodeURIComponent(topic)}`, at),
  page: (topic: string, tab?: string) => withQuery(`/t/${encodeURIComponent(topic)}`, { tab }),
};
