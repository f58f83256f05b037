//! From looks to videos: which pictures belong together, and when there were some.

use std::collections::{BTreeMap, BTreeSet};

use weir_media::Codec;

use super::index::{Index, Key, Look, PAUSE_MS, Pace, Sight};
use crate::api::Span;

/// Spans that one video may have; of more, those with the shortest pauses between them are told as one.
const MAX_SPANS: usize = 500;
/// So many keys that come once only are no cameras' and no files' names but numbers.
const NUMBERS: usize = 3;

/// One video: the pictures of a topic under one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The records' key.
    pub key: Key,
    /// How the newest picture is encoded.
    pub codec: Codec,
    /// When there were pictures, by time.
    pub spans: Vec<Span>,
    /// The partitions that have pictures of it.
    pub partitions: Vec<i32>,
    /// The partition and offset of the newest picture that was seen.
    pub newest: (i32, i64),
    /// How many records there are of it, about.
    pub records: f64,
    /// How long one of them is, in the mean.
    pub mean_len_bytes: f64,
    /// How long it takes to watch, as its publisher has it: longer than the spans where it was published faster than it plays.
    pub played_ms: i64,
}

impl Found {
    /// How many bytes its records have, about.
    pub fn size_bytes(&self) -> f64 {
        self.records * self.mean_len_bytes
    }
}

/// The keys that came only once, of which there are many: each picture has its own.
pub fn numbers(partitions: &BTreeMap<i32, Index>) -> BTreeSet<Key> {
    let mut seen: BTreeMap<&Key, usize> = BTreeMap::new();
    let looks = partitions.values().flat_map(Index::pictured);
    for sight in looks.flat_map(|look| &look.sights) {
        *seen.entry(&sight.key).or_default() += 1;
    }
    let once = seen
        .into_iter()
        .filter(|(key, count)| key.is_some() && *count == 1);
    let once: BTreeSet<Key> = once.map(|(key, _)| key.clone()).collect();
    if once.len() < NUMBERS {
        return BTreeSet::new();
    }
    once
}

/// The index as if the pictures under these keys had none.
pub fn without(index: &Index, numbers: &BTreeSet<Key>) -> Index {
    index.rekeyed(|key| key.clone().filter(|_| !numbers.contains(key)))
}

/// The videos in a topic's partitions, by key.
pub fn videos(partitions: &BTreeMap<i32, Index>) -> Vec<Found> {
    let numbers = numbers(partitions);
    let mut videos: BTreeMap<Key, (Found, i64)> = BTreeMap::new();
    for (partition, index) in partitions {
        for (mut found, newest_ms) in of_partition(*partition, &without(index, &numbers)) {
            match videos.get_mut(&found.key) {
                None => {
                    videos.insert(found.key.clone(), (found, newest_ms));
                }
                Some((known, known_ms)) => {
                    known.spans.append(&mut found.spans);
                    let records = known.records + found.records;
                    let bytes = known.size_bytes() + found.size_bytes();
                    known.mean_len_bytes = bytes / records.max(1.0);
                    known.records = records;
                    // Pictures without a key take turns among the partitions.
                    known.played_ms = known.played_ms.max(found.played_ms);
                    known.partitions.push(*partition);
                    if newest_ms > *known_ms {
                        (known.newest, known.codec) = (found.newest, found.codec);
                        *known_ms = newest_ms;
                    }
                }
            }
        }
    }
    videos
        .into_values()
        .map(|(found, _)| Found {
            spans: joined(found.spans, MAX_SPANS),
            ..found
        })
        .collect()
}

/// The videos of one partition, each with the time of its newest picture.
fn of_partition(partition: i32, index: &Index) -> Vec<(Found, i64)> {
    let looks: Vec<&Look> = index.pictured().collect();
    let paces = index.paces();
    let mut seen: BTreeMap<&Key, Vec<(usize, &Sight)>> = BTreeMap::new();
    for (at, look) in looks.iter().enumerate() {
        for sight in &look.sights {
            seen.entry(&sight.key).or_default().push((at, sight));
        }
    }
    let mut found = Vec::new();
    for (key, sights) in seen {
        let Some((_, newest)) = sights.last() else {
            continue;
        };
        let pace = paces.get(key);
        let (mut spans, mut records, mut played_us) = (Vec::<Span>::new(), 0.0, 0);
        let mut before: Option<(usize, &Sight)> = None;
        for (at, sight) in &sights {
            let link =
                before.map(|(was, last)| link(index, &looks, pace, (was, last), (*at, sight)));
            records += 1.0;
            if let (Some(Link::Same { .. }), Some((_, last))) = (&link, before) {
                played_us += played_between_us(last, sight);
            }
            match (link, spans.last_mut()) {
                (Some(Link::Same { records: more }), Some(span)) => {
                    span.from_ms = span.from_ms.min(sight.at_ms);
                    span.to_ms = span.to_ms.max(sight.at_ms);
                    records += more;
                }
                (link, last) => {
                    if let (
                        Some(Link::Cut {
                            played_ms,
                            records: more,
                        }),
                        Some(span),
                    ) = (link, last)
                    {
                        span.to_ms = span.to_ms.saturating_add(played_ms);
                        records += more;
                    }
                    spans.push(Span {
                        from_ms: sight.at_ms,
                        to_ms: sight.at_ms,
                    });
                }
            }
            before = Some((*at, sight));
        }
        let len_bytes: usize = sights.iter().map(|(_, sight)| sight.len_bytes).sum();
        let video = Found {
            key: key.clone(),
            codec: newest.codec,
            spans,
            partitions: vec![partition],
            newest: (partition, newest.offset),
            records,
            mean_len_bytes: len_bytes as f64 / sights.len() as f64,
            played_ms: played_us / 1_000,
        };
        found.push((video, newest.at_ms));
    }
    found
}

/// How long it takes to watch from one picture to another of the same span: what the publisher says, where that can be.
fn played_between_us(a: &Sight, b: &Sight) -> i64 {
    let captured_us = (b.at_ms - a.at_ms).max(0).saturating_mul(1_000);
    let most_us = (b.offset - a.offset).saturating_mul(PAUSE_MS * 1_000);
    let shown_us = a.dts_us.zip(b.dts_us).map(|(a, b)| b.saturating_sub(a));
    let shown_us = shown_us.filter(|us| (0..=most_us).contains(us));
    // Not the longer of both: pictures that are shown in another order than they come in are captured by leaps, forward and back.
    shown_us.unwrap_or(captured_us)
}

/// How two pictures of one key, with none of it seen between them, belong together.
enum Link {
    /// They are in one span, with about so many more of theirs between them.
    Same { records: f64 },
    /// They are not; the first one's span goes on for so long behind it.
    Cut { played_ms: i64, records: f64 },
}

fn link(
    index: &Index,
    looks: &[&Look],
    pace: Option<&Pace>,
    (i, before): (usize, &Sight),
    (j, sight): (usize, &Sight),
) -> Link {
    const NOTHING: Link = Link::Cut {
        played_ms: 0,
        records: 0.0,
    };
    let (Some(a), Some(b)) = (looks.get(i), looks.get(j)) else {
        return NOTHING;
    };
    let passed_ms = sight.at_ms - before.at_ms;
    let between = sight.offset - before.offset;
    let share = |look: &Look| look.count(&sight.key) as f64 / look.sights.len().max(1) as f64;
    let records = if i == j {
        0.0
    } else {
        (between - 1).max(0) as f64 * f64::midpoint(share(a), share(b))
    };
    let dense = a.is_steady(&sight.key) || b.is_steady(&sight.key);
    if j > i + 1 && dense {
        // Others took its place meanwhile.
        return NOTHING;
    }
    if passed_ms.abs() <= PAUSE_MS {
        return Link::Same { records };
    }
    if i == j || passed_ms < 0 {
        return NOTHING;
    }
    if j > i + 1 {
        // A camera that sends so seldom that most looks miss it.
        return Link::Same { records };
    }
    if index.unread(a, b).is_none() {
        return NOTHING;
    }
    match pace.and_then(|pace| Some((pace, pace.surplus_ms(passed_ms, between)?))) {
        None => Link::Same { records },
        // Somewhere in between is a pause: it is told behind the pictures.
        Some((pace, _)) => Link::Cut {
            played_ms: pace.of(between - 1).clamp(0, passed_ms),
            records,
        },
    }
}

/// The spans by time, those that touch or overlap as one, at most so many.
pub fn joined(mut spans: Vec<Span>, most: usize) -> Vec<Span> {
    spans.sort_by_key(|span| (span.from_ms, span.to_ms));
    let mut out: Vec<Span> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if span.from_ms - last.to_ms <= PAUSE_MS => {
                last.to_ms = last.to_ms.max(span.to_ms);
            }
            _ => out.push(span),
        }
    }
    if out.len() <= most {
        return out;
    }
    let mut pauses: Vec<i64> = out
        .windows(2)
        .filter_map(|two| Some(two.get(1)?.from_ms - two.first()?.to_ms))
        .collect();
    pauses.sort_unstable();
    // So many joints have to go.
    let longest = pauses.get(out.len() - most - 1).copied().unwrap_or(0);
    let mut fewer: Vec<Span> = Vec::new();
    for span in out {
        match fewer.last_mut() {
            Some(last) if span.from_ms - last.to_ms <= longest => last.to_ms = span.to_ms,
            _ => fewer.push(span),
        }
    }
    fewer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pictures of a film that was sent at once, by when they are shown, in the order they come in: each 40 ms behind the last.
    fn played_ms(shown_ms: &[i64]) -> i64 {
        let sights: Vec<Sight> = (0..)
            .zip(shown_ms)
            .map(|(offset, at_ms)| Sight {
                key: None,
                codec: Codec::H264,
                offset,
                at_ms: *at_ms,
                dts_us: Some(offset * 40_000),
                len_bytes: 1_000,
            })
            .collect();
        let between = sights.iter().zip(sights.iter().skip(1));
        between.map(|(a, b)| played_between_us(a, b)).sum::<i64>() / 1_000
    }

    #[test]
    fn a_film_plays_as_long_whatever_order_its_pictures_are_shown_in() {
        assert_eq!(played_ms(&[0, 40, 80, 120, 160, 200, 240]), 240);
        assert_eq!(played_ms(&[0, 120, 40, 80, 240, 160, 200]), 240);
    }
}
