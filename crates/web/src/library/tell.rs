//! Videos as the page gets them: with lengths, a poster, and who stopped where.

use std::fmt::Write as _;

use jiff::Timestamp;

use weir_media::decode::decoder_for;

use super::found::joined;
use super::index::Key;
use super::looks::Known;
use super::viewers::Stop;
use crate::api::{Span, Video, VideoViewer};

/// A picture within this time makes a video live.
const LIVE_MS: i64 = 10_000;
/// How far into a recording its poster is: behind titles that fade in.
const POSTER_PART: i64 = 10;
const POSTER_MOST_MS: i64 = 60_000;
/// A live video's poster is one of the last minute, so that it is not fetched anew with every look.
const POSTER_EVERY_MS: i64 = 60_000;
/// Its width in pixels.
const POSTER_WIDTH: u32 = 320;

/// The videos of a topic.
pub(super) fn videos(topic: &str, known: &Known, now_ms: i64) -> Vec<Video> {
    let told = known.videos.iter().filter_map(|(found, shape)| {
        let (first, last) = (found.spans.first()?, found.spans.last()?);
        let mut video = Video {
            topic: topic.to_owned(),
            key: found.key.as_deref().map(str::to_owned),
            content_type: found.codec.content_type().to_owned(),
            codec: shape.as_ref().and_then(|shape| shape.codec.clone()),
            width: shape.as_ref().map(|shape| shape.size.0),
            height: shape.as_ref().map(|shape| shape.size.1),
            from_ms: first.from_ms,
            to_ms: last.to_ms,
            length_ms: length_ms(&found.spans).max(found.played_ms),
            live: last.to_ms > now_ms - LIVE_MS,
            spans: found.spans.clone(),
            records: found.records.round() as u64,
            size_bytes: found.size_bytes().round(),
            viewers: Vec::new(),
            poster: None,
        };
        video.poster = decoder_for(found.codec).is_ok().then(|| poster(&video));
        Some(video)
    });
    told.collect()
}

/// The videos of one topic with those who stopped in them.
pub(super) fn watched(mut videos: Vec<Video>, stops: &[Stop]) -> Vec<Video> {
    let only = videos.len() == 1;
    for video in &mut videos {
        let of_topic = stops.iter().filter(|stop| stop.stand.topic == video.topic);
        for stop in of_topic {
            let at_ms = match &stop.seen {
                Some((key, at_ms)) if only || is_of(key, video) => *at_ms,
                // What it saw is gone: it goes on with the oldest picture there is.
                None if only => video.from_ms,
                _ => continue,
            };
            let viewer = VideoViewer {
                group: stop.group.clone(),
                at_ms,
                offset: stop.stand.offset,
                partition: stop.stand.partition,
                part: part(&video.spans, at_ms),
            };
            match video.viewers.iter_mut().find(|v| v.group == viewer.group) {
                Some(known) if known.at_ms < at_ms => *known = viewer,
                Some(_) => {}
                None => video.viewers.push(viewer),
            }
        }
        video.viewers.sort_by(|a, b| a.group.cmp(&b.group));
    }
    videos
}

fn is_of(key: &Key, video: &Video) -> bool {
    key.as_deref() == video.key.as_deref()
}

/// All that a topic holds as one video; `None` where it holds nothing.
pub(super) fn as_one(videos: Vec<Video>) -> Option<Video> {
    let several = videos.len() > 1;
    let each_ms: i64 = videos.iter().map(|video| length_ms(&video.spans)).sum();
    let watched_ms: i64 = videos.iter().map(|video| video.length_ms).sum();
    let mut videos = videos.into_iter();
    // The newest: what it is says what comes next.
    let mut one = videos.next()?;
    for video in videos {
        one.spans.extend(video.spans);
        one.records += video.records;
        one.size_bytes += video.size_bytes;
        one.live |= video.live;
        for viewer in video.viewers {
            match one.viewers.iter_mut().find(|v| v.group == viewer.group) {
                Some(known) if known.at_ms < viewer.at_ms => *known = viewer,
                Some(_) => {}
                None => one.viewers.push(viewer),
            }
        }
    }
    if several {
        let most = one.spans.len();
        one.key = None;
        one.spans = joined(one.spans, most.min(500));
        one.from_ms = one.spans.first().map_or(one.from_ms, |span| span.from_ms);
        one.to_ms = one.spans.last().map_or(one.to_ms, |span| span.to_ms);
        one.length_ms = length_ms(&one.spans);
        if each_ms <= one.length_ms {
            // One after another, not at the same time.
            one.length_ms = one.length_ms.max(watched_ms);
        }
        for viewer in &mut one.viewers {
            viewer.part = part(&one.spans, viewer.at_ms);
        }
        one.viewers.sort_by(|a, b| a.group.cmp(&b.group));
        one.poster = one.poster.is_some().then(|| poster(&one));
    }
    Some(one)
}

/// Live ones by name, then the others, the youngest first.
pub(super) fn sort(videos: &mut [Video]) {
    videos.sort_by(|a, b| {
        let age = if a.live && b.live {
            std::cmp::Ordering::Equal
        } else {
            b.to_ms.cmp(&a.to_ms)
        };
        (b.live.cmp(&a.live))
            .then(age)
            .then_with(|| (&a.topic, &a.key).cmp(&(&b.topic, &b.key)))
    });
}

fn length_ms(spans: &[Span]) -> i64 {
    spans.iter().map(|span| span.to_ms - span.from_ms).sum()
}

/// How much of the spans lies in front of a time.
fn part(spans: &[Span], at_ms: i64) -> f64 {
    let length_ms = length_ms(spans);
    if length_ms == 0 {
        return 1.0;
    }
    let seen = |span: &Span| at_ms.clamp(span.from_ms, span.to_ms) - span.from_ms;
    spans.iter().map(seen).sum::<i64>() as f64 / length_ms as f64
}

/// The address of a picture that says what the video is, and stays the same while that does.
fn poster(video: &Video) -> String {
    let longest = video.spans.iter().max_by_key(|s| s.to_ms - s.from_ms);
    let at_ms = match longest {
        Some(span) if !video.live => {
            let into_ms = (span.to_ms - span.from_ms) / POSTER_PART;
            span.from_ms + into_ms.min(POSTER_MOST_MS)
        }
        _ => {
            let minute_ms = video.to_ms.div_euclid(POSTER_EVERY_MS) * POSTER_EVERY_MS;
            let of_now = video
                .spans
                .last()
                .map_or(video.from_ms, |span| span.from_ms);
            minute_ms.max(of_now)
        }
    };
    let mut path = format!("/topics/{}/snapshot.jpg?at={}", video.topic, rfc3339(at_ms));
    if let Some(key) = &video.key {
        path.push_str("&key=");
        for byte in key.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                path.push(byte.into());
            } else {
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    let _ = write!(path, "&near=key&width={POSTER_WIDTH}");
    path
}

fn rfc3339(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| "0".to_owned(), |at| at.to_string())
}
