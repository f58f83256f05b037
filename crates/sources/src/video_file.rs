//! A video file, access unit by access unit, at its own pace.
//!
//! Times: `pts` and `dts` of the records count from the first picture published, and go on forward when the file is repeated. A
//! record's timestamp is when its picture would have been captured if the file were happening now: the start plus `pts` in real
//! time; at [`Pace::Max`], as if it ended now ([`crate::dating`]); otherwise when it is sent. Records come in decode order, each when its `dts` is due. Sound in AAC or Opus goes between them, each
//! when its `pts` is due, behind the first picture.

mod reading;
mod timeline;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock, Timestamp};
use weir_client::{Kafka, NewRecord, ProducerOptions};
use weir_media::sound::SoundUnit;

use self::reading::{Item, Reading, published_codec, seconds};
use crate::dating;
use crate::outlet::Outlet;
use crate::pace::{Pacer, sleep};
use crate::pictures::{self, PictureRecords};
use crate::{Ended, Progress, Snapshot, SourceError, Summary};

/// What is overdue by more than this is not made up for in a rush.
const PATIENCE: Duration = Duration::from_secs(2);

/// What goes into the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodecChoice {
    /// The access units as they are in the file.
    #[default]
    Copy,
    /// Encoded anew as H.264 without B-frames.
    H264,
    /// A JPEG a picture.
    Jpeg,
    /// A PNG a picture.
    Png,
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As the file's own times say.
    #[default]
    Realtime,
    /// As fast as Kafka takes it, stamped as if it ended now; when it is sent where it is repeated, and so never ends.
    Max,
    /// One record after each such time, stamped with when it is sent.
    Every(Duration),
}

/// Publishes a video file.
#[derive(Clone)]
pub struct VideoFile {
    /// The file: MP4, MOV, Matroska or `WebM`.
    pub path: PathBuf,
    /// Where to.
    pub topic: String,
    /// The records' key; `None`: the file's name.
    pub key: Option<String>,
    /// What goes into the topic.
    pub codec: CodecChoice,
    /// So many pictures a second instead of all; not with [`CodecChoice::Copy`].
    pub fps: Option<f64>,
    /// How fast.
    pub pace: Pace,
    /// From the start again at the end, time going on forward.
    pub repeat: bool,
    /// From this time of the file on.
    pub from_us: Option<i64>,
    /// Up to this time of the file.
    pub to_us: Option<i64>,
    /// 1 to 100.
    pub jpeg_quality: u8,
    /// Of [`CodecChoice::H264`]; `None`: by the picture's size.
    pub bitrate_bps: Option<u32>,
    /// With the file's sound, where it has some.
    pub sound: bool,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl VideoFile {
    /// The whole file once, as it is, in real time.
    pub fn new(path: impl Into<PathBuf>, topic: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            topic: topic.into(),
            key: None,
            codec: CodecChoice::Copy,
            fps: None,
            pace: Pace::Realtime,
            repeat: false,
            from_us: None,
            to_us: None,
            jpeg_quality: 85,
            bitrate_bps: None,
            sound: true,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Opens the file and says what is in it, without publishing; what `demo` asks before it starts.
    pub fn probe(&self) -> Result<weir_media::VideoTrack, SourceError> {
        self.check()?;
        Ok(Reading::new(self.clone())?.track().clone())
    }

    /// Publishes until the end or `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        self.check()?;
        let (reading, length) = self.opened().await?;
        let codec = published_codec(self.codec, reading.track());
        let duration_us = reading.track().duration_us;
        let sound = reading.sound().cloned();
        let left_out = reading.sound_left_out();
        let outlet = Outlet::open(
            kafka,
            pictures::topic(&self.topic),
            ProducerOptions {
                linger_ms: if self.pace == Pace::Max { 5 } else { 0 },
                ..ProducerOptions::default()
            },
            self.clock.clone(),
            progress,
        )
        .await?;
        let key = self.key.clone().unwrap_or_else(|| {
            self.path.file_name().map_or_else(
                || "video".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            )
        });
        if let Some(track) = &sound {
            outlet.note(&format!(
                "with its sound: {}, {} Hz, {} channel{}",
                track.codec.name(),
                track.rate_hz,
                track.channels,
                if track.channels == 1 { "" } else { "s" }
            ));
        }
        if let Some(left_out) = &left_out {
            outlet.note(left_out);
        }
        let mut begun = None;
        if let Some(length) = length {
            match dating::begin(kafka, outlet.topic(), length, self.clock.now()).await? {
                Ok(at) => begun = Some(at),
                Err(why) => outlet.note(&why),
            }
        }
        let mut items = reading.start();
        let mut sending = Sending {
            records: PictureRecords::new(outlet.topic().clone(), &key, codec).with_sound(sound),
            inter: codec.is_inter(),
            pacer: Pacer::start(&*self.clock),
            clock: self.clock.clone(),
            pace: self.pace,
            begun,
            first_dts_us: None,
            count: 0,
            until_key: false,
            duration_us,
            outlet,
        };
        let ended = loop {
            let item = tokio::select! {
                biased;
                () = shutdown.cancelled() => break Ended::Shutdown,
                item = items.recv() => item,
            };
            match item {
                None => break Ended::Finished,
                Some(Item::Failed(error)) => return Err(error),
                Some(Item::Damage { pictures, what }) => {
                    sending.outlet.pass_over(pictures, Some(what));
                }
                Some(Item::Sound(unit)) => {
                    if !sending.sound(&unit, &shutdown).await? {
                        break Ended::Shutdown;
                    }
                }
                Some(item) => {
                    if !sending.picture(item, &shutdown).await? {
                        break Ended::Shutdown;
                    }
                }
            }
        };
        let summary = sending.outlet.finish(ended).await?;
        // A few pictures less are a film with gaps; none at all is no film.
        if ended == Ended::Finished && summary.records == 0 && summary.passed_over > 0 {
            let why = summary.damage.first().map_or("", |why| why.as_str());
            return Err(SourceError::Media(format!(
                "{}: no picture of it could be published; {why}",
                self.path.display()
            )));
        }
        Ok(summary)
    }

    /// The file, and how long it plays where it is dated back by that.
    async fn opened(&self) -> Result<(Reading, Option<Duration>), SourceError> {
        let options = self.clone();
        let dates_back = self.pace == Pace::Max && !self.repeat;
        let opened = tokio::task::spawn_blocking(move || {
            let length = if dates_back {
                reading::length(&options)?
            } else {
                None
            };
            Ok((Reading::new(options)?, length))
        })
        .await;
        opened.map_err(|error| SourceError::Media(error.to_string()))?
    }

    fn check(&self) -> Result<(), SourceError> {
        let wrong = |option, why: &str| {
            Err(SourceError::Option {
                option,
                why: why.to_owned(),
            })
        };
        if self
            .fps
            .is_some_and(|fps| !(0.001..=1_000.0).contains(&fps))
        {
            return wrong("--fps", "give 0.001 to 1000 pictures a second");
        }
        if self.fps.is_some() && self.codec == CodecChoice::Copy {
            return wrong(
                "--fps",
                "pictures that lean on each other cannot be left out; add --codec h264, jpeg or png",
            );
        }
        if !(1..=100).contains(&self.jpeg_quality) {
            return wrong("--quality", "give 1 to 100");
        }
        if let (from, Some(to)) = (self.from_us.unwrap_or(0), self.to_us)
            && from >= to
        {
            return wrong("--to", "give a time after --from");
        }
        Ok(())
    }
}

/// Sends pictures when they are due.
struct Sending {
    records: PictureRecords,
    inter: bool,
    outlet: Outlet,
    pacer: Pacer,
    clock: Arc<dyn Clock>,
    pace: Pace,
    /// When the film began, where it is dated back.
    begun: Option<Timestamp>,
    first_dts_us: Option<i64>,
    count: u32,
    /// A picture was left out that others lean on: those too, up to the next key frame.
    until_key: bool,
    duration_us: Option<i64>,
}

impl Sending {
    /// `false` if told to end.
    async fn picture(
        &mut self,
        item: Item,
        shutdown: &CancellationToken,
    ) -> Result<bool, SourceError> {
        let Item::Ready {
            unit,
            size,
            file_us,
        } = item
        else {
            return Ok(true);
        };
        let published_us = self.published_us(unit.dts_us);
        let due = match self.pace {
            Pace::Realtime => Duration::from_micros(published_us.unsigned_abs()),
            Pace::Max => Duration::ZERO,
            Pace::Every(each) => each.saturating_mul(self.count),
        };
        self.count = self.count.saturating_add(1);
        if !self.wait_until(due, shutdown).await {
            return Ok(false);
        }
        let captured = self.captured(unit.pts_us);
        let record = match size {
            Some(size) => self
                .records
                .picture(unit.data.clone(), size, unit.pts_us, captured),
            None => self.records.unit(&unit, captured),
        };
        if self.until_key && !unit.key {
            self.outlet.pass_over(1, None);
            return Ok(true);
        }
        self.until_key = false;
        if !self.outlet.takes(&record) {
            self.refuse(&record, file_us);
            return Ok(true);
        }
        if !self.outlet.send(record, shutdown).await? {
            return Ok(false);
        }
        let elapsed = self.pacer.elapsed(&*self.clock).as_secs_f64();
        let duration_us = self.duration_us;
        self.outlet.tell(|| Snapshot {
            position_us: Some(file_us),
            duration_us,
            speed: (elapsed > 0.2).then(|| published_us as f64 / 1e6 / elapsed),
            ..Snapshot::default()
        });
        Ok(true)
    }

    /// Sends sound; `false` if told to end. With a record every so many seconds it goes with the picture in front of it.
    async fn sound(
        &mut self,
        unit: &SoundUnit,
        shutdown: &CancellationToken,
    ) -> Result<bool, SourceError> {
        if self.pace == Pace::Realtime {
            let due = Duration::from_micros(self.published_us(unit.pts_us).unsigned_abs());
            if !self.wait_until(due, shutdown).await {
                return Ok(false);
            }
        }
        let captured = self.captured(unit.pts_us);
        match self.records.sound(unit, captured) {
            Some(record) => self.outlet.send(record, shutdown).await,
            None => Ok(true),
        }
    }

    /// How long after the start something of this time is due.
    fn published_us(&mut self, at_us: i64) -> i64 {
        let first_us = *self.first_dts_us.get_or_insert(at_us);
        at_us.saturating_sub(first_us).max(0)
    }

    /// `false` if told to end.
    async fn wait_until(&mut self, due: Duration, shutdown: &CancellationToken) -> bool {
        if self.pace == Pace::Max {
            return true;
        }
        let late = self.pacer.late(due, &*self.clock);
        if late > PATIENCE {
            self.pacer.forgive(late);
        }
        sleep(self.pacer.wait(due, &*self.clock), shutdown).await
    }

    fn captured(&self, pts_us: i64) -> Timestamp {
        let now = self.clock.now();
        match (self.pace, self.begun) {
            (Pace::Realtime, _) => self.pacer.wall(pts_us),
            // A file that says less of its length than it has does not reach into the future.
            (_, Some(begun)) => begun.plus_ms(pts_us.div_euclid(1_000)).min(now),
            (Pace::Max | Pace::Every(_), None) => now,
        }
    }

    fn refuse(&mut self, record: &NewRecord, file_us: i64) {
        let leaning = if self.inter {
            self.until_key = true;
            ", with those that lean on it,"
        } else {
            ""
        };
        let which = format!("the picture at {}{leaning}", seconds(file_us));
        let why = self.outlet.too_large(record, &which);
        self.outlet.pass_over(1, Some(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_cannot_be_are_refused_by_name() {
        let file = || VideoFile::new("x.mp4", "t");
        for (options, option) in [
            (
                VideoFile {
                    fps: Some(5.0),
                    ..file()
                },
                "--fps",
            ),
            (
                VideoFile {
                    fps: Some(0.0),
                    codec: CodecChoice::Jpeg,
                    ..file()
                },
                "--fps",
            ),
            (
                VideoFile {
                    jpeg_quality: 0,
                    ..file()
                },
                "--quality",
            ),
            (
                VideoFile {
                    from_us: Some(5),
                    to_us: Some(5),
                    ..file()
                },
                "--to",
            ),
            (
                VideoFile {
                    to_us: Some(0),
                    ..file()
                },
                "--to",
            ),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_a_folder_and_no_video_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "no video").unwrap();
        let missing = folder.path().join("nope.mp4");
        for (path, want) in [
            (missing.as_path(), "there is no such file"),
            (folder.path(), "it is a folder"),
            (text.as_path(), "is not a video"),
        ] {
            let error = VideoFile::new(path, "t").probe().unwrap_err().to_string();
            assert!(
                error.contains(want) && error.contains(&path.display().to_string()),
                "{error}"
            );
        }
    }
}
