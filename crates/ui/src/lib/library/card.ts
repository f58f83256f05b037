// One video as its card says it: names, lengths, where it leads. Pure.

import type { Video, VideoViewer } from '../api';
import { routes } from '../routes';
import * as units from '../units';

export interface Card {
  /** The same for one video from look to look. */
  id: string;
  title: string;
  /** The topic, where the title is not its name. */
  topic: string | null;
  /** What a click opens: the start of a recording, the edge of what is live. */
  href: string;
  live: boolean;
  /** How long it takes to watch; nothing of a single picture. */
  length: string;
  /** `1280×720 · 1.2 GB · 31 Jan 14:03`; the exact figures for hovering. */
  facts: string;
  exact: string;
  alt: string;
  poster: string | null;
  /** Why there is no picture. */
  noPoster: string;
}

export interface Resume {
  group: string;
  href: string;
  /** How much is seen, 0 to 100. */
  percent: number;
  /** `12:30 of 45:00`, or `seen to the end`. */
  at: string;
}

const codecs: Record<string, string> = { 'video/h265': 'H.265', 'video/av1': 'AV1', 'video/vp9': 'VP9' };

/** Within this much of its end a recording counts as seen: credits, and the second between two commits. */
const seen_ms = 2000;

/** Its length to the nearest second. */
const long = ({ length_ms }: Video): string => units.position(Math.round(length_ms / 1000) * 1000);

export function cardOf(video: Video, now_ms: number): Card {
  const { topic, key } = video;
  const title = key ?? topic;
  const size = video.width !== null && video.height !== null ? `${video.width}×${video.height}` : video.content_type.replace(/^\w+\//, '');
  const bytes = video.size_bytes > 0 ? units.bytes(video.size_bytes) : null;
  const when = video.live ? `since ${units.when(video.from_ms, now_ms)}` : units.when(video.to_ms, now_ms);
  return {
    id: `${topic}\n${key ?? ''}`,
    title,
    topic: title === topic ? null : topic,
    href: video.live ? routes.watch(topic, { key }) : routes.watch(topic, { key, t: '0' }),
    live: video.live,
    length: video.length_ms > 0 ? long(video) : '',
    facts: [size, bytes, when].filter((fact) => fact !== null).join(' · '),
    exact: `${units.exactTime(video.from_ms)} to ${units.exactTime(video.to_ms)}, about ${units.count(video.records)} records, ${video.codec ?? video.content_type}`,
    alt: video.live ? `${title}, a picture of the last minute` : `A picture of ${title}`,
    poster: video.poster,
    noPoster: video.poster === null ? `${codecs[video.content_type] ?? 'This'} plays, but no picture of it is made here` : 'There is no picture of it just now',
  };
}

export function resumeOf(video: Video, { group, part }: VideoViewer): Resume {
  const at_ms = part * video.length_ms;
  const seen = !video.live && video.length_ms - at_ms <= seen_ms;
  return {
    group,
    href: routes.watch(video.topic, { key: video.key, group, from: 'resume' }),
    percent: Math.round(Math.min(1, Math.max(0, part)) * 1000) / 10,
    at: seen ? 'seen to the end' : `${units.position(at_ms)} of ${long(video)}`,
  };
}

/** Those whose topic, key or viewers hold these words. */
export function matching(videos: Video[], search: string): Video[] {
  const words = search.trim().toLowerCase();
  if (words === '') return videos;
  const texts = (video: Video): string[] => [video.topic, video.key ?? '', ...video.viewers.map(({ group }) => group)];
  return videos.filter((video) => texts(video).some((text) => text.toLowerCase().includes(words)));
}
