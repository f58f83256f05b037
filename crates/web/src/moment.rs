//! One picture: the one shown at a moment of the past, or the newest.
//!
//! Only what it depends on is read, from the key frame in front, and of that only the picture itself is encoded: a seek costs the
//! decoding of half a GOP.

use std::sync::Arc;

use weir_base::time::Timestamp;
use weir_client::{Kafka, Watermarks};

use crate::feed::Feed;
use crate::hub::gop;
use crate::hub::picture::{Item, Picture};
use crate::hub::tracks::Wanted;
use crate::hub::transcode;
use crate::hub::{Form, Hubs};
use crate::problem::Problem;

/// Which picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The one of this record, or the next there is.
    Offset(i64),
    /// The one shown at this time: the newest that was captured by then, or else the first there is.
    Time(Timestamp),
    /// So many records before the end.
    Last(u64),
}

/// A picture and what it is decoded by.
#[derive(Debug, Default)]
pub struct Found {
    /// In decode order, from a key frame on.
    pictures: Vec<Arc<Picture>>,
    target: Option<Arc<Picture>>,
}

/// The picture shown at a moment; empty where there is none.
pub async fn shown_at(
    kafka: &Kafka,
    topic: &str,
    moment: Moment,
    wanted: Wanted,
) -> Result<Found, Problem> {
    let mut best = Found::default();
    for marks in kafka.watermarks(topic).await? {
        let found = found_at(kafka, topic, marks, moment, wanted.clone()).await?;
        let time = |found: &Found| found.target.as_ref().map(|target| target.timestamp_ms);
        let better = match (moment, time(&best), time(&found)) {
            (_, None, _) => true,
            (Moment::Time(at), Some(best), Some(found)) if found <= at.0 => {
                best > at.0 || best < found
            }
            _ => false,
        };
        if better {
            best = found;
        }
    }
    Ok(best)
}

/// The newest picture, from the topic's hub: with many who ask one reads.
pub async fn newest(hubs: &Arc<Hubs>, topic: &str, wanted: Wanted) -> Result<Found, Problem> {
    let mut viewer = hubs.view(topic, Form::AsIs, wanted);
    let mut found = Found::default();
    while found.target.is_none() {
        let mut next = Some(viewer.next().await);
        while let Some(item) = next {
            match item {
                Item::Picture(picture) => {
                    found.add(&picture, false);
                    found.target = Some(picture);
                }
                Item::Ended(problem) => return Err(problem),
                _ => {}
            }
            next = viewer.try_next();
        }
    }
    Ok(found)
}

/// Looks for it in one partition.
async fn found_at(
    kafka: &Kafka,
    topic: &str,
    marks: Watermarks,
    moment: Moment,
    wanted: Wanted,
) -> Result<Found, Problem> {
    let offset = match moment {
        Moment::Offset(offset) => offset,
        Moment::Last(count) => {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            marks.end.saturating_sub(count)
        }
        Moment::Time(at) => {
            let later = kafka.offsets_at(topic, at.plus_ms(1)).await?;
            let later = later.iter().find(|l| l.partition == marks.partition);
            let later = later.and_then(|timed| timed.offset).unwrap_or(marks.end);
            later.saturating_sub(1)
        }
    };
    let offset = offset.clamp(marks.start, marks.end);
    let mut found = Found::default();
    if marks.start == marks.end {
        return Ok(found);
    }
    let mut feed = Feed::recorded(kafka, topic, marks.partition, offset, wanted).await?;
    // Where the first picture that is too late is shown.
    let mut end_us: Option<i64> = None;
    loop {
        let picture = match feed.next().await.item {
            Item::Picture(picture) => picture,
            Item::Live => {
                // Behind the last picture there may be sound, and what was asked for may be among that.
                if found.target.is_none() && !matches!(moment, Moment::Time(_)) {
                    found.target = found.pictures.last().cloned();
                }
                return Ok(found);
            }
            Item::Ended(problem) => return Err(problem),
            _ => continue,
        };
        let late = matches!(moment, Moment::Time(at) if picture.timestamp_ms > at.0);
        if late && found.target.is_some() {
            // What is decoded later may be shown earlier (B-frames).
            end_us = Some(end_us.map_or(picture.pts_us, |end_us| end_us.min(picture.pts_us)));
        }
        if end_us.is_some_and(|end_us| picture.dts_us >= end_us) {
            return Ok(found);
        }
        found.add(&picture, late);
        let first = found.target.is_none();
        match moment {
            Moment::Time(_) if late && first => {
                found.target = Some(picture);
                return Ok(found);
            }
            Moment::Time(_) if !late => {
                let newer = |target: &Arc<Picture>| picture.pts_us >= target.pts_us;
                if found.target.as_ref().is_none_or(newer) {
                    found.target = Some(picture);
                }
            }
            Moment::Offset(_) | Moment::Last(_) if !picture.preroll => {
                found.target = Some(picture);
                return Ok(found);
            }
            _ => {}
        }
    }
}

impl Found {
    /// A picture that needs no others.
    pub fn alone(picture: Arc<Picture>) -> Self {
        Self {
            pictures: vec![picture.clone()],
            target: Some(picture),
        }
    }

    /// The picture as it is in the topic.
    pub fn target(&self) -> Option<&Picture> {
        self.target.as_deref()
    }

    /// Takes a picture in decode order; `late`: behind the one that is looked for.
    fn add(&mut self, picture: &Arc<Picture>, late: bool) {
        if (picture.key && !late) || self.pictures.len() >= gop::MAX_PICTURES {
            self.pictures.clear();
        }
        self.pictures.push(picture.clone());
    }

    /// The picture as a JPEG or PNG file, no wider than `width`; `None` where there is none.
    pub async fn still(self, width: Option<u32>) -> Result<Option<Picture>, Problem> {
        let Some(target) = self.target else {
            return Ok(None);
        };
        let decoding = move || transcode::still_of(&self.pictures, &target, width);
        tokio::task::spawn_blocking(decoding)
            .await
            .ok()
            .flatten()
            .map(Some)
            .ok_or_else(|| {
                Problem::bad("topic", "these pictures cannot be decoded here").remedy(
                    "watch the topic on the page, or as video.mp4, which need no decoding here",
                )
            })
    }
}
