//! A stretch of a video topic as an MP4 file: what `weir export` writes.
//!
//! In: a topic, where the stretch begins and ends ([`Mark`]), and bytes out to wherever the caller wants them. Pictures are chosen by
//! their records' timestamps, the times of capture, or by offsets. Reading begins at the key frame in front; an edit list has the film
//! begin where it was asked to. Sound beside the pictures is a second track of the file. Out of a topic with several cameras one is taken, as a viewer would see it.
//!
//! Nothing is waited for: the film is what the topic holds when the export begins.

mod mark;
mod span;

use std::io::{self, Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weir_base::time::Timestamp;
use weir_client::{ClientError, Kafka};
use weir_media::movie::{Finish, Movie};
use weir_media::{Codec, MediaError};

use crate::feed::{Fed, Feed};
use crate::hub::picture::{Init, Item, Picture};
use crate::hub::sound::Sound;
use crate::hub::tracks::Wanted;
use crate::remux::Remux;

pub use self::mark::{BadMark, Mark};
use self::span::{Bound, Span};

/// What is to be cut out.
#[derive(Debug, Clone, Default)]
pub struct Export {
    /// The topic.
    pub topic: String,
    /// Where to begin; `None`: at the first picture.
    pub from: Option<Mark>,
    /// In front of what to end; `None`: behind the last picture.
    pub to: Option<Mark>,
    /// The records' key of the camera.
    pub key: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Pictures, those in front of the beginning too.
    pub pictures: u64,
    /// Bytes.
    pub bytes: u64,
    /// How long the film is.
    pub duration_us: i64,
    /// The offsets of the first and the last record shown.
    pub offsets: (i64, i64),
    /// When the first picture shown was captured.
    pub begins: Option<Timestamp>,
    /// Records that retention took while they were read.
    pub missing: u64,
}

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Kafka would not.
    #[error(transparent)]
    Kafka(#[from] ClientError),
    /// There is nothing to be cut out, or it cannot be.
    #[error("{0}")]
    Nothing(String),
    /// The file cannot hold it.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The bytes could not be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A stretch that was found, ready to be read.
pub struct Cut {
    feed: Feed,
    begin: Bound,
    end: Bound,
    /// The first picture shown is at this time of the feed's line, as far as known.
    begin_us: Option<i64>,
    /// The first picture behind the end.
    end_us: Option<i64>,
    codec: Option<Codec>,
    span: Span,
    written: Written,
}

/// What comes next of the film.
enum Next {
    Picture(Taken),
    /// Sound, and what to add to its time.
    Sound(Arc<Sound>, i64),
}

/// A picture of the film, and what to add to its times.
struct Taken {
    picture: Arc<Picture>,
    init: Arc<Init>,
    shift_us: i64,
}

impl Export {
    /// Finds the stretch.
    pub async fn open(&self, kafka: &Kafka) -> Result<Cut, ExportError> {
        let span = Span::of(kafka, &self.topic, self.key.as_deref()).await?;
        let begin = span.bound(self.from.as_ref().unwrap_or(&Mark::Beginning))?;
        let end = span.bound(self.to.as_ref().unwrap_or(&Mark::End))?;
        let backwards = match (begin, end) {
            (Bound::Offset(from), Bound::Offset(to))
            | (Bound::Time(from), Bound::Time(to))
            | (Bound::Film(from), Bound::Film(to)) => to <= from,
            _ => false,
        };
        if backwards && self.from.is_some() && self.to.is_some() {
            return Err(ExportError::Nothing(
                "--to does not lie behind --from".to_owned(),
            ));
        }
        let offset = span.offset_of(kafka, begin).await?;
        let offset = offset.ok_or_else(|| span.nothing_between(begin, end))?;
        let wanted = Wanted {
            key: self.key.as_ref().map(|key| Bytes::from(key.clone())),
            inter_only: true,
            sound: true,
        };
        let feed = Feed::recorded(kafka, &self.topic, span.partition, offset, wanted).await?;
        Ok(Cut {
            feed,
            begin,
            end,
            begin_us: None,
            end_us: None,
            codec: None,
            span,
            written: Written::default(),
        })
    }
}

impl Cut {
    /// How long the stretch may become.
    pub fn longest(&self) -> Duration {
        self.span.length(self.begin, self.end)
    }

    /// Writes a whole MP4 file that begins where it was asked to. `step` is called behind each picture.
    pub async fn write_file(
        mut self,
        out: &mut (impl Write + Seek),
        mut step: impl FnMut(&Written),
    ) -> Result<Written, ExportError> {
        let head = Movie::head();
        out.write_all(&head)?;
        self.written.bytes = head.len() as u64;
        let mut movie = Movie::default();
        let mut until_us = 0;
        while let Some(next) = self.next().await? {
            let taken = match next {
                Next::Picture(taken) => taken,
                Next::Sound(sound, shift_us) => {
                    let unit = sound.moved(shift_us);
                    if let Some(bytes) = movie.add_sound(&sound.init.muxer, &unit) {
                        out.write_all(&bytes)?;
                        self.written.bytes += bytes.len() as u64;
                    }
                    continue;
                }
            };
            let unit = taken.picture.access_unit(taken.shift_us);
            let bytes = movie.add(&taken.init.muxer, &unit, taken.picture.duration_us)?;
            out.write_all(&bytes)?;
            until_us = until_us.max(unit.pts_us.saturating_add(taken.picture.duration_us));
            let begin_us = self.begin_us.unwrap_or(until_us);
            self.written.duration_us = until_us.saturating_sub(begin_us).max(0);
            self.count(bytes.len());
            step(&self.written);
        }
        let begin_us = self.begins()?;
        let end_us = self.end_us.unwrap_or(until_us);
        self.written.duration_us = end_us.saturating_sub(begin_us);
        let finish = movie.finish(begin_us, end_us);
        out.write_all(&finish.index)?;
        self.written.bytes += finish.index.len() as u64;
        out.seek(SeekFrom::Start(Finish::AT))?;
        out.write_all(&finish.length)?;
        out.flush()?;
        Ok(self.written)
    }

    /// Writes fragmented MP4, which can be read while it comes, of the pictures alone. It begins at the key frame in front, at time zero.
    pub async fn write_fragments(
        mut self,
        out: &mut impl Write,
        mut step: impl FnMut(&Written),
    ) -> Result<Written, ExportError> {
        let mut remux = Remux::default();
        let mut first: Option<(Arc<Init>, i64)> = None;
        while let Some(next) = self.next().await? {
            let Next::Picture(taken) = next else { continue };
            let picture = &taken.picture;
            if first.is_none() {
                let begins_us = picture.dts_us.saturating_add(taken.shift_us);
                let segment = taken.init.segment();
                out.write_all(&segment)?;
                self.written.bytes += segment.len() as u64;
                first = Some((taken.init.clone(), 0_i64.saturating_sub(begins_us)));
            }
            let Some((init, zero_us)) = &first else {
                continue;
            };
            if init.message != taken.init.message {
                return Err(ExportError::Nothing(format!(
                    "the video's parameters change at offset {}, and what goes to standard output has one set of them: \
                     export to a file, or end with --to {}",
                    picture.offset, picture.offset
                )));
            }
            let shift_us = taken.shift_us.saturating_add(*zero_us);
            let Some(fragment) = remux.fragment(picture, shift_us) else {
                continue;
            };
            out.write_all(&fragment)?;
            let end_us = picture.pts_us.saturating_add(shift_us);
            let end_us = end_us.saturating_add(picture.duration_us);
            self.written.duration_us = self.written.duration_us.max(end_us);
            self.count(fragment.len());
            step(&self.written);
        }
        self.begins()?;
        out.flush()?;
        Ok(self.written)
    }

    fn count(&mut self, len_bytes: usize) {
        self.written.pictures += 1;
        self.written.bytes += len_bytes as u64;
    }

    /// When the first picture shown is on the feed's line; an error where there is none.
    fn begins(&self) -> Result<i64, ExportError> {
        self.begin_us
            .filter(|begin_us| self.end_us.is_none_or(|end_us| *begin_us < end_us))
            .ok_or_else(|| self.span.nothing_between(self.begin, self.end))
    }

    /// The next picture or sound; `None` behind the last picture.
    async fn next(&mut self) -> Result<Option<Next>, ExportError> {
        loop {
            let Fed { item, shift_us } = self.feed.next().await;
            let picture = match item {
                Item::Picture(picture) => picture,
                Item::Live => return Ok(None),
                Item::Skipped(records) => {
                    self.written.missing += records;
                    continue;
                }
                Item::Ended(problem) => {
                    let remedy = problem.remedy.map(|remedy| format!("; {remedy}"));
                    let remedy = remedy.unwrap_or_default();
                    return Err(ExportError::Nothing(problem.detail + &remedy));
                }
                Item::Sound(sound) => {
                    let behind = match self.end {
                        Bound::Offset(end) => sound.offset >= end.min(self.span.end),
                        _ => sound.offset >= self.span.end,
                    };
                    if behind {
                        continue;
                    }
                    return Ok(Some(Next::Sound(sound, shift_us)));
                }
                Item::Waiting(_) | Item::Reconnected => continue,
            };
            let Some(init) = picture.init.clone() else {
                continue;
            };
            if picture.offset >= self.span.end
                || matches!(self.end, Bound::Offset(end) if picture.offset >= end)
            {
                return Ok(None);
            }
            if self
                .codec
                .replace(picture.codec)
                .is_some_and(|codec| codec != picture.codec)
            {
                return Err(ExportError::Nothing(format!(
                    "the video changes to {} at offset {}, and one file holds one codec: end with --to {}, and export the rest \
                     with --from {}",
                    picture.codec.name(),
                    picture.offset,
                    picture.offset,
                    picture.offset
                )));
            }
            if !self.lies_inside(&picture, shift_us) {
                return Ok(None);
            }
            return Ok(Some(Next::Picture(Taken {
                picture,
                init,
                shift_us,
            })));
        }
    }

    /// Notes where the film begins and ends; `false` behind its end. A picture that is decoded before the end but shown behind it
    /// may be needed by others (B-frames), and stays.
    fn lies_inside(&mut self, picture: &Picture, shift_us: i64) -> bool {
        let pts_us = picture.pts_us.saturating_add(shift_us);
        let dts_us = picture.dts_us.saturating_add(shift_us);
        let time_ms = picture.timestamp_ms;
        let behind = self.end.reached_by(picture);
        if behind && !picture.preroll {
            self.end_us = Some(self.end_us.map_or(pts_us, |end_us| end_us.min(pts_us)));
        }
        if self.end_us.is_some_and(|end_us| dts_us >= end_us) {
            return false;
        }
        if !picture.preroll && !behind && self.begin.reached_by(picture) {
            let first = self.begin_us.is_none();
            if first {
                self.written.offsets = (picture.offset, picture.offset);
            }
            // Pictures shown before the one at an offset that was named are none of the film.
            let earlier = !matches!(self.begin, Bound::Offset(_))
                && self.begin_us.is_some_and(|begin_us| pts_us < begin_us);
            if first || earlier {
                self.begin_us = Some(pts_us);
                self.written.begins = Some(Timestamp(time_ms));
            }
            self.written.offsets.1 = picture.offset;
        }
        true
    }
}
