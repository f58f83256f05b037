//! Looking, over partitions that are only imagined: how many looks it takes, and what they find.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_media::Codec;

use super::found::{self, Found};
use super::index::{Index, Look, Place, Sight, WINDOW};
use crate::api::Span;

/// A partition: from each offset on, until the next, pictures of a key come every so many milliseconds from a time on.
struct Partition {
    start: i64,
    end: i64,
    pieces: Vec<(i64, &'static str, i64, i64)>,
}

impl Partition {
    fn sight(&self, offset: i64) -> Sight {
        let piece = self.pieces.iter().rfind(|piece| piece.0 <= offset).unwrap();
        let (from, key, at_ms, every_ms) = *piece;
        Sight {
            key: Some(Arc::from(key)),
            codec: Codec::H264,
            offset,
            at_ms: at_ms + (offset - from) * every_ms,
            dts_us: None,
            len_bytes: 1_000,
        }
    }

    fn look(&self, place: Place) -> Look {
        let next = place.until.min(place.from + WINDOW as i64);
        Look {
            from: place.from,
            next,
            sights: (place.from..next)
                .map(|offset| self.sight(offset))
                .collect(),
        }
    }

    /// Looks as a topic is looked into; gives how often.
    fn explore(&self, index: &mut Index, most: usize) -> usize {
        let mut looks = 0;
        for place in index.ends(self.start, self.end, 64) {
            index.insert(self.look(place));
            looks += 1;
        }
        loop {
            let mut places = index.doubtful(32.min(most.saturating_sub(looks)));
            if places.is_empty() {
                index.thin(1_024);
                return looks;
            }
            places.sort_by_key(|(_, place)| *place);
            for (_, place) in places {
                index.insert(self.look(place));
                looks += 1;
            }
        }
    }
}

fn videos(index: Index) -> Vec<Found> {
    found::videos(&BTreeMap::from([(0, index)]))
}

fn span(from_ms: i64, to_ms: i64) -> Span {
    Span { from_ms, to_ms }
}

#[test]
fn a_day_of_25_pictures_a_second_takes_no_more_looks_than_an_hour() {
    for hours in [1, 24, 24 * 365] {
        let end = hours * 3_600 * 25;
        let day = Partition {
            start: 0,
            end,
            pieces: vec![(0, "yard", 1_000, 40)],
        };
        let mut index = Index::default();
        assert!(day.explore(&mut index, 512) < 70, "{hours} h");
        let found = videos(index);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].spans, [span(1_000, 1_000 + (end - 1) * 40)]);
        let records = found[0].records;
        assert!((records / end as f64 - 1.0).abs() < 0.01, "{records}");
    }
}

#[test]
fn one_pause_of_twelve_seconds_in_a_day_is_found_in_some_thirty_looks_more() {
    let (cut, end) = (1_234_567, 2_160_000);
    let after_ms = cut * 40 + 12_000;
    let day = Partition {
        start: 0,
        end,
        pieces: vec![(0, "yard", 0, 40), (cut, "yard", after_ms, 40)],
    };
    let mut index = Index::default();
    let looks = day.explore(&mut index, 512);
    assert!(looks < 100, "{looks}");
    let wanted = [
        span(0, (cut - 1) * 40),
        span(after_ms, after_ms + (end - cut - 1) * 40),
    ];
    assert_eq!(videos(index)[0].spans, wanted);
}

#[test]
fn twenty_films_of_any_length_and_rate_are_found_with_their_exact_ends() {
    const KEYS: [&str; 20] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
        "s", "t",
    ];
    let (mut offset, mut at_ms) = (0, 0);
    let (mut pieces, mut wanted) = (Vec::new(), Vec::new());
    for (n, key) in KEYS.iter().enumerate() {
        let n = n as i64;
        let (pictures, every_ms) = (2_000 + n * n * 700, 15 + n * 3);
        pieces.push((offset, *key, at_ms, every_ms));
        let last_ms = at_ms + (pictures - 1) * every_ms;
        wanted.push(span(at_ms, last_ms));
        offset += pictures;
        at_ms = last_ms + n * 1_000;
    }
    let films = Partition {
        start: 0,
        end: offset,
        pieces,
    };
    let mut index = Index::default();
    let looks = films.explore(&mut index, 512);
    assert!(looks < 450, "{looks}");
    let found = videos(index);
    let spans: Vec<Span> = found.iter().flat_map(|video| video.spans.clone()).collect();
    assert_eq!(spans, wanted);
}

#[test]
fn where_retention_has_taken_the_beginning_the_rest_is_told_and_a_topic_made_anew_is_looked_at_anew()
 {
    let mut day = Partition {
        start: 0,
        end: 100_000,
        pieces: vec![(0, "old", 0, 40), (30_000, "new", 1_200_000, 40)],
    };
    let mut index = Index::default();
    day.explore(&mut index, 512);
    assert_eq!(videos(index.clone()).len(), 2);
    day.start = 40_003;
    let looks = day.explore(&mut index, 512);
    assert!(looks < 5, "{looks}");
    let found = videos(index.clone());
    assert_eq!(found.len(), 1);
    let last_ms = 1_200_000 + 69_999 * 40;
    assert_eq!(found[0].spans, [span(1_200_000 + 10_003 * 40, last_ms)]);
    let anew = Partition {
        start: 0,
        end: 500,
        pieces: vec![(0, "newest", 0, 40)],
    };
    anew.explore(&mut index, 512);
    let found = videos(index);
    assert_eq!(found[0].key.as_deref(), Some("newest"));
    assert_eq!(found[0].spans, [span(0, 499 * 40)]);
}

#[test]
fn a_camera_that_is_looked_at_for_hours_costs_two_looks_each_time_and_bounded_memory() {
    let mut live = Partition {
        start: 0,
        end: 1_000,
        pieces: vec![(0, "yard", 0, 40)],
    };
    let mut index = Index::default();
    live.explore(&mut index, 512);
    // Every five seconds for three hours, of which retention keeps the last.
    for _ in 0..3 * 720 {
        live.end += 125;
        live.start = (live.end - 90_000).max(0);
        assert!(live.explore(&mut index, 512) <= 2);
    }
    assert!(index.pictured().count() < 200);
    let wanted = [span(live.start * 40, (live.end - 1) * 40)];
    assert_eq!(videos(index)[0].spans, wanted);
}

#[test]
fn of_hundreds_of_short_clips_the_length_is_about_right_though_not_every_pause_can_be_found() {
    // 600 clips of 20 s, a minute apart: more than looks are spent on.
    let clip = |n: i64| (n * 500, "yard", n * 80_000, 40);
    let clips = Partition {
        start: 0,
        end: 600 * 500,
        pieces: (0..600).map(clip).collect(),
    };
    let mut index = Index::default();
    let looks = clips.explore(&mut index, 448);
    assert!(looks <= 448 + 32, "{looks}");
    let found = videos(index);
    let played_ms: i64 = found[0].spans.iter().map(|s| s.to_ms - s.from_ms).sum();
    let really_ms = 600 * 499 * 40;
    assert!(
        (played_ms - really_ms).abs() < really_ms / 10,
        "{played_ms} of {really_ms}"
    );
}

#[test]
fn spans_are_bounded_by_leaving_out_the_shortest_pauses() {
    let spans: Vec<Span> = (0..1_000)
        .map(|n| span(n * 100_000 + n * n, n * 100_000 + n * n + 50_000))
        .collect();
    let fewer = found::joined(spans, 500);
    assert!(fewer.len() <= 500);
    assert_eq!(
        fewer.last().map(|span| span.to_ms),
        Some(999 * 100_000 + 999 * 999 + 50_000)
    );
    let touching = vec![span(20_000, 30_000), span(0, 10_000)];
    assert_eq!(found::joined(touching, 500), [span(0, 30_000)]);
}
