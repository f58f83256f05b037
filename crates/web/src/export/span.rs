//! What a video topic holds: which partition, from when to when, whose pictures. Judged by its oldest and newest records.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use weir_base::time::Timestamp;
use weir_client::{ClientError, Event, From, Kafka, ReaderOptions, Record, Watermarks};
use weir_media::record::{self, Kind};

use super::{ExportError, Mark};
use crate::hub::picture::Picture;

/// Records looked at on either end of a partition.
const LOOKED_AT: i64 = 64;
/// Records within which pictures are shown in another order than they are decoded.
const REORDERED: i64 = 16;

/// What there is to cut from.
#[derive(Debug, Clone)]
pub struct Span {
    topic: String,
    pub partition: i32,
    start: i64,
    /// The next record's offset when this was made: nothing later is part of it.
    pub end: i64,
    /// When the oldest and the newest picture were captured.
    first_ms: i64,
    last_ms: i64,
    /// Their places in the publisher's film, where the timestamps do not tell them: it was published faster than it plays.
    film_us: Option<(i64, i64)>,
}

/// Where a film begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// At this record.
    Offset(i64),
    /// At the first picture of this time or later.
    Time(i64),
    /// At this time of the publisher's film.
    Film(i64),
}

impl Bound {
    /// Whether a picture lies at it or behind it.
    pub fn reached_by(self, picture: &Picture) -> bool {
        match self {
            Self::Offset(offset) => picture.offset >= offset,
            Self::Time(time_ms) => picture.timestamp_ms >= time_ms,
            Self::Film(pts_us) => picture.pts_us.saturating_sub(picture.shift_us) >= pts_us,
        }
    }
}

/// The ends of one partition.
struct Ends {
    marks: Watermarks,
    records: Vec<Record>,
}

impl Span {
    /// Of the camera whose records have this key, or of the only one.
    pub async fn of(kafka: &Kafka, topic: &str, key: Option<&str>) -> Result<Self, ExportError> {
        let mut all = Vec::new();
        for marks in kafka.watermarks(topic).await? {
            if marks.start < marks.end {
                let records = ends(kafka, topic, marks).await?;
                all.push(Ends { marks, records });
            }
        }
        let wanted = |record: &Record| {
            let text = record.key.as_deref();
            video(record) && key.is_none_or(|key| text == Some(key.as_bytes()))
        };
        let holds = |ends: &&Ends| ends.records.iter().any(wanted);
        let mut holding = all.iter().filter(holds);
        let Some(found) = holding.next() else {
            return Err(ExportError::Nothing(nothing_in(topic, key, &all)));
        };
        if key.is_none() && holding.next().is_some() {
            return Err(ExportError::Nothing(format!(
                "topic {topic:?} has video in several partitions: choose a camera with --key ({})",
                keys(&all)
            )));
        }
        let pictures = || found.records.iter().filter(|record| wanted(record));
        let times = || pictures().filter_map(|record| record.timestamp.map(|time| time.0));
        let places = || pictures().filter_map(pts_us);
        let (first_ms, last_ms) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let film_us = places().min().zip(places().max());
        let took_us = last_ms.saturating_sub(first_ms).saturating_mul(1_000);
        let faster = |(first, last): &(i64, i64)| took_us < last.saturating_sub(*first) / 10 * 9;
        Ok(Self {
            topic: topic.to_owned(),
            partition: found.marks.partition,
            start: found.marks.start,
            end: found.marks.end,
            first_ms,
            last_ms,
            film_us: film_us.filter(faster),
        })
    }

    /// What a mark means here.
    pub fn bound(&self, mark: &Mark) -> Result<Bound, ExportError> {
        let us = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Ok(match *mark {
            Mark::Beginning => Bound::Offset(self.start),
            Mark::End => Bound::Offset(self.end),
            Mark::Last(count) => {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                Bound::Offset(self.end.saturating_sub(count).max(self.start))
            }
            Mark::Time(time) => Bound::Time(time.0),
            Mark::AfterBeginning(duration) => match self.film_us {
                Some((first_us, _)) => Bound::Film(first_us.saturating_add(us(duration))),
                None => Bound::Time(self.first_ms.saturating_add(us(duration) / 1_000)),
            },
            Mark::BeforeEnd(duration) => match self.film_us {
                Some((_, last_us)) => Bound::Film(last_us.saturating_sub(us(duration))),
                None => Bound::Time(self.last_ms.saturating_sub(us(duration) / 1_000)),
            },
            Mark::Offset(offset) if (self.start..=self.end).contains(&offset) => {
                Bound::Offset(offset)
            }
            Mark::Offset(offset) => {
                return Err(ExportError::Nothing(format!(
                    "topic {:?} has no offset {offset}: it holds {} to {}",
                    self.topic,
                    self.start,
                    self.end - 1
                )));
            }
        })
    }

    /// How long a film between the bounds may be.
    pub fn length(&self, begin: Bound, end: Bound) -> Duration {
        let (first_us, last_us) = self.film_us.unwrap_or_else(|| {
            let us = |time_ms: i64| time_ms.saturating_mul(1_000);
            (us(self.first_ms), us(self.last_ms))
        });
        let place = |bound: Bound, or_us: i64| match bound {
            Bound::Film(pts_us) => pts_us.clamp(first_us, last_us),
            Bound::Time(time_ms) if self.film_us.is_none() => {
                time_ms.saturating_mul(1_000).clamp(first_us, last_us)
            }
            Bound::Offset(_) | Bound::Time(_) => or_us,
        };
        let length_us = place(end, last_us) - place(begin, first_us);
        Duration::from_micros(u64::try_from(length_us).unwrap_or(0))
    }

    /// The offset of the first record that may lie at or behind a bound; `None` where none does.
    pub async fn offset_of(&self, kafka: &Kafka, bound: Bound) -> Result<Option<i64>, ExportError> {
        let offset = match bound {
            Bound::Offset(offset) => Some(offset),
            Bound::Time(time_ms) => {
                let found = kafka.offsets_at(&self.topic, Timestamp(time_ms)).await?;
                let found = found.iter().find(|f| f.partition == self.partition);
                found.and_then(|timed| timed.offset)
            }
            Bound::Film(pts_us) => Some(self.offset_of_film(kafka, pts_us).await?),
        };
        Ok(offset.filter(|offset| *offset < self.end))
    }

    /// Where a time of the film is by offset, found by halving; the pictures' order allows some around it.
    async fn offset_of_film(&self, kafka: &Kafka, wanted_us: i64) -> Result<i64, ExportError> {
        let (mut low, mut high) = (self.start, self.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let looked_at = middle..self.end.min(middle + REORDERED);
            let records = read(kafka, &self.topic, self.partition, looked_at).await?;
            let place = records.iter().find_map(place_us);
            match place {
                Some(place_us) if place_us < wanted_us => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low.saturating_sub(REORDERED).max(self.start))
    }

    /// That nothing lies there, and what does.
    pub fn nothing_between(&self, from: Bound, to: Bound) -> ExportError {
        let said = |bound: Bound| match bound {
            Bound::Offset(offset) => format!("offset {offset}"),
            Bound::Time(time_ms) => time(time_ms),
            Bound::Film(pts_us) => format!("{:.3} s of the film", pts_us as f64 / 1e6),
        };
        let film = self.film_us.map_or(String::new(), |(first_us, last_us)| {
            let (first_s, last_s) = (first_us as f64 / 1e6, last_us as f64 / 1e6);
            format!(" ({first_s:.3} to {last_s:.3} s of the film)")
        });
        ExportError::Nothing(format!(
            "topic {:?} has no picture from {} to {}: its pictures are of {} to {}{film}, its records have offsets {} to {}",
            self.topic,
            said(from),
            said(to),
            time(self.first_ms),
            time(self.last_ms),
            self.start,
            self.end - 1
        ))
    }
}

/// A time for people, as it can be given back.
fn time(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms)
        .map_or_else(|_| format!("{time_ms} ms"), |time| format!("{time:.3}"))
}

fn video(record: &Record) -> bool {
    matches!(kind(record), Some(Kind::Video(codec)) if codec.is_inter())
}

fn kind(record: &Record) -> Option<Kind> {
    let value = record.value.as_deref()?;
    Some(record::classify(record.header_pairs(), value))
}

/// Why there is nothing to begin with.
fn nothing_in(topic: &str, key: Option<&str>, all: &[Ends]) -> String {
    let records = || all.iter().flat_map(|ends| &ends.records);
    if let (Some(key), true) = (key, records().any(video)) {
        return format!(
            "topic {topic:?} has no video under the key {key:?}, but under {}",
            keys(all)
        );
    }
    let Some(newest) = records().last() else {
        return format!(
            "topic {topic:?} is empty; `weir publish video FILE --topic {topic}` publishes a video"
        );
    };
    match kind(newest) {
        Some(Kind::Video(codec)) => format!(
            "topic {topic:?} holds {} pictures, no video that an MP4 could hold; `weir serve` gives them at /topics/{topic}/video.mjpeg",
            codec.name()
        ),
        Some(Kind::Sound(codec)) => format!(
            "topic {topic:?} holds {} sound, and no video beside it as far as seen",
            codec.name()
        ),
        Some(Kind::Numbers) => format!("topic {topic:?} holds numbers, no video"),
        Some(Kind::Text) => format!("topic {topic:?} holds text, no video"),
        Some(Kind::Binary) | None => format!("topic {topic:?} holds no video"),
    }
}

/// The keys of the cameras, as far as seen.
fn keys(all: &[Ends]) -> String {
    let records = all.iter().flat_map(|ends| &ends.records);
    let keys: BTreeSet<String> = records
        .filter(|record| video(record))
        .map(|record| match &record.key {
            Some(key) => format!("{:?}", String::from_utf8_lossy(key)),
            None => "none".to_owned(),
        })
        .collect();
    let mut said: Vec<String> = keys.into_iter().collect();
    if said.len() > 8 {
        said.truncate(8);
        said.push("…".to_owned());
    }
    said.join(", ")
}

/// When it is shown on its publisher's line, as far as it says.
fn pts_us(record: &Record) -> Option<i64> {
    let value = record.value.as_deref()?;
    record::read(record.header_pairs(), value)?.pts_us
}

/// The same, of sound too: between two pictures there may be more of it than is looked at.
fn place_us(record: &Record) -> Option<i64> {
    match kind(record)? {
        Kind::Video(codec) if codec.is_inter() => pts_us(record),
        Kind::Sound(_) => record::read_sound(record.header_pairs())?.pts_us,
        _ => None,
    }
}

/// The oldest and the newest records of a partition.
async fn ends(kafka: &Kafka, topic: &str, marks: Watermarks) -> Result<Vec<Record>, ExportError> {
    let newest = marks.end.saturating_sub(LOOKED_AT).max(marks.start);
    let oldest = newest.min(marks.start.saturating_add(LOOKED_AT));
    let mut records = read(kafka, topic, marks.partition, marks.start..oldest).await?;
    records.extend(read(kafka, topic, marks.partition, newest..marks.end).await?);
    Ok(records)
}

/// The records of a few offsets.
async fn read(
    kafka: &Kafka,
    topic: &str,
    partition: i32,
    offsets: Range<i64>,
) -> Result<Vec<Record>, ExportError> {
    let mut records = Vec::new();
    if offsets.is_empty() {
        return Ok(records);
    }
    let options = ReaderOptions {
        partitions: Some(vec![partition]),
        ..ReaderOptions::default()
    };
    let from = From::Offset(offsets.start);
    let mut reader = kafka.reader(topic, from, options).await?;
    loop {
        match reader.next().await? {
            Event::Record(record) if offsets.contains(&record.offset) => records.push(record),
            Event::Record(_) | Event::CaughtUp { .. } => return Ok(records),
            Event::Disconnected { why } => {
                let bootstrap = kafka.bootstrap().to_owned();
                return Err(ClientError::Unreachable {
                    bootstrap,
                    cause: why,
                }
                .into());
            }
            _ => {}
        }
    }
}
