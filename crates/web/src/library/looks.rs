//! What was seen of one topic, and the rules by which it is looked into: how often, how far, how much of it is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_client::{ClientError, Kafka, Watermarks};

use super::found::{self, Found};
use super::index::{Index, Key, Place};
use super::scout::{Scout, Shape};
use crate::problem::Problem;

/// Places of a topic that are looked at first, and of those at most so many in one partition.
const PLACES: usize = 512;
const PLACES_A_PARTITION: usize = 64;
/// Looks for what is in doubt, the first time and each time after it.
const DOUBTS_AT_FIRST: usize = 384;
const DOUBTS: usize = 32;
/// Looks between two thoughts about where to look.
const AT_ONCE: usize = 32;
/// Looks that are kept of a topic.
const KEPT: usize = 1_024;
/// Videos of one topic.
const VIDEOS: usize = 200;
/// How far back a key frame that says what a video is may lie, in records, and how often one is looked for in vain.
const SHAPE_STEPS: &[i64] = &[64, 512];
const TRIES: u32 = 3;

/// What was seen of a topic.
#[derive(Default)]
pub struct Looks {
    partitions: BTreeMap<i32, Index>,
    /// What the key frames of a video say.
    shapes: BTreeMap<Key, Shape>,
    /// How often that was asked in vain.
    in_vain: BTreeMap<Key, u32>,
    begun: bool,
}

/// What a topic holds.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// When it was looked at, of the clock that never runs backwards.
    pub at: Duration,
    /// The videos, the newest first.
    pub videos: Vec<(Found, Option<Shape>)>,
    /// There are more than are told of.
    pub truncated: bool,
    /// Why nothing new is known.
    pub problem: Option<Problem>,
}

impl Looks {
    /// Looks at what is new and at what is in doubt.
    pub async fn refresh(&mut self, kafka: &Kafka, topic: &str) -> Result<Known, ClientError> {
        let mut scout = Scout::new(kafka, topic);
        let mut marks = kafka.watermarks(topic).await?;
        marks.retain(|marks| marks.end > marks.start);
        let first = (PLACES / marks.len().max(1)).clamp(2, PLACES_A_PARTITION);
        // Of hundreds of partitions some are passed over.
        let truncated = marks.len() > PLACES;
        marks.truncate(PLACES);
        self.partitions
            .retain(|partition, _| marks.iter().any(|m| m.partition == *partition));
        for mark in &marks {
            let index = self.partitions.entry(mark.partition).or_default();
            for place in index.ends(mark.start, mark.end, first) {
                index.insert(scout.look(mark.partition, place, mark.end).await?);
            }
        }
        let mut left = if self.begun { DOUBTS } else { DOUBTS_AT_FIRST };
        while left > 0 {
            let places = self.doubtful(left.min(AT_ONCE));
            if places.is_empty() {
                break;
            }
            left = left.saturating_sub(places.len());
            for (partition, place) in places {
                let end = marks.iter().find(|m| m.partition == partition);
                let end = end.map_or(place.until, |m| m.end);
                let look = scout.look(partition, place, end).await?;
                if let Some(index) = self.partitions.get_mut(&partition) {
                    index.insert(look);
                }
            }
        }
        self.begun = true;
        let kept = (KEPT / self.partitions.len().max(1)).max(4);
        for index in self.partitions.values_mut() {
            index.thin(kept);
        }
        self.ask_shapes(&mut scout, &marks).await?;
        let mut known = self.known();
        known.truncated |= truncated;
        Ok(known)
    }

    /// What the looks say.
    pub fn known(&self) -> Known {
        let videos = found::videos(&self.partitions);
        Known {
            truncated: videos.len() > VIDEOS,
            videos: newest(videos)
                .into_iter()
                .map(|video| {
                    let shape = self.shapes.get(&video.key).cloned();
                    (video, shape)
                })
                .collect(),
            ..Known::default()
        }
    }

    /// The places most in doubt of all partitions, in the order of their offsets.
    fn doubtful(&self, most: usize) -> Vec<(i32, Place)> {
        let numbers = found::numbers(&self.partitions);
        let mut places: Vec<_> = self
            .partitions
            .iter()
            .flat_map(|(partition, index)| {
                let places = found::without(index, &numbers).doubtful(most);
                places
                    .into_iter()
                    .map(|(doubt, place)| (doubt, *partition, place))
            })
            .collect();
        places.sort_by_key(|(doubt, ..)| std::cmp::Reverse(*doubt));
        places.truncate(most);
        let mut places: Vec<_> = places
            .into_iter()
            .map(|(_, partition, place)| (partition, place))
            .collect();
        places.sort_unstable();
        places
    }

    /// Sees to it that of each video is known what its key frames say.
    async fn ask_shapes(
        &mut self,
        scout: &mut Scout<'_>,
        marks: &[Watermarks],
    ) -> Result<(), ClientError> {
        self.shapes.append(&mut scout.shapes);
        let videos = found::videos(&self.partitions);
        let is_there = |key: &Key| videos.iter().any(|video| video.key == *key);
        self.shapes.retain(|key, _| is_there(key));
        self.in_vain.retain(|key, _| is_there(key));
        for video in newest(videos) {
            let (partition, offset) = video.newest;
            let asked = self.in_vain.get(&video.key).copied().unwrap_or(0);
            let marks = marks.iter().find(|marks| marks.partition == partition);
            let Some(marks) = marks.filter(|_| asked < TRIES) else {
                continue;
            };
            if self.shapes.contains_key(&video.key) {
                continue;
            }
            let near = scout
                .key_frame(*marks, offset, SHAPE_STEPS, |_| true)
                .await?;
            match near.as_ref().and_then(Shape::of) {
                Some(shape) => {
                    self.shapes.insert(video.key, shape);
                }
                None => *self.in_vain.entry(video.key).or_default() += 1,
            }
        }
        Ok(())
    }
}

/// The videos that go on longest, as many as are told of.
fn newest(mut videos: Vec<Found>) -> Vec<Found> {
    let end = |video: &Found| video.spans.last().map_or(0, |span| span.to_ms);
    videos.sort_by_key(|video| std::cmp::Reverse(end(video)));
    videos.truncate(VIDEOS);
    videos
}
