// The server's addresses, and the page's own, each made in one place.

const topicPath = (topic: string): string => `/topics/${encodeURIComponent(topic)}`;

function withQuery(path: string, query: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export const routes = {
  overview: '/overview',
  live: (topic: string, from: string, group?: string | null) => withQuery(`${topicPath(topic)}/live`, { from, group }),
  mjpeg: (topic: string, from?: string, group?: string | null) => withQuery(`${topicPath(topic)}/video.mjpeg`, { from, group }),
  mp4: (topic: string) => `${topicPath(topic)}/video.mp4`,
  series: (topic: string, window_s: number) => withQuery(`${topicPath(topic)}/series`, { window: `${window_s}s` }),
  records: (topic: string, query: { from: string; limit?: number; full?: boolean; partition?: number }) =>
    withQuery(`${topicPath(topic)}/records`, query),
  latest: (topic: string, limit?: number) => withQuery(`${topicPath(topic)}/latest`, { limit }),
  page: (topic: string, tab?: string) => withQuery(`/t/${encodeURIComponent(topic)}`, { tab }),
};
