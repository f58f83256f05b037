//! A moving picture with the wall clock burnt in, encoded as H.264.
//!
//! What cannot be drawn and encoded in time is left out, never late: a picture that shows the time must show the time.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, SystemClock};
use weir_client::{Kafka, ProducerOptions};
use weir_media::encode::H264Encoder;
use weir_media::testcard::TestCard;
use weir_media::{AccessUnit, Codec, MediaError};

use crate::outlet::Outlet;
use crate::pace::{Pacer, sleep};
use crate::pictures::{self, PictureRecords, fitting_bitrate_bps};
use crate::{Ended, Progress, Snapshot, SourceError, Summary};

/// How often it is told that pictures were left out.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Publishes the test card.
#[derive(Clone)]
pub struct TestCardSource {
    /// Where to.
    pub topic: String,
    /// The records' key.
    pub key: String,
    /// Pixels, even.
    pub width: u32,
    /// Pixels, even.
    pub height: u32,
    /// Pictures a second.
    pub fps: f64,
    /// Bits a second; `None`: by the picture's size.
    pub bitrate_bps: Option<u32>,
    /// Seconds from key frame to key frame.
    pub key_every_s: f64,
    /// So many pictures; `None`: without end.
    pub count: Option<u64>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl TestCardSource {
    /// 1280x720, 25 pictures a second.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            key: "testcard".to_owned(),
            width: 1280,
            height: 720,
            fps: 25.0,
            bitrate_bps: None,
            key_every_s: 2.0,
            count: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Publishes until `count` or `shutdown`.
    pub async fn run(
        self,
        kafka: &Kafka,
        progress: Arc<dyn Progress>,
        shutdown: CancellationToken,
    ) -> Result<Summary, SourceError> {
        let mut studio = Some(Box::new(self.studio()?));
        let mut outlet = Outlet::open(
            kafka,
            pictures::topic(&self.topic),
            ProducerOptions::default(),
            self.clock.clone(),
            progress,
        )
        .await?;
        let mut records = PictureRecords::new(outlet.topic().clone(), &self.key, Codec::H264);
        let mut beat = Beat::new(self.fps);
        let mut left_out = LeftOut::default();
        let pacer = Pacer::start(&*self.clock);
        let ended = loop {
            if self.count.is_some_and(|count| beat.index >= count) {
                break Ended::Finished;
            }
            if !sleep(pacer.wait(beat.due(), &*self.clock), &shutdown).await {
                break Ended::Shutdown;
            }
            let skipped = beat.catch_up(pacer.elapsed(&*self.clock));
            if skipped > 0 {
                outlet.pass_over(skipped, None);
                left_out.add(skipped);
            }
            if let Some(count) = left_out.tell(self.clock.monotonic()) {
                outlet.note(&format!(
                    "this machine is too slow for {}x{} at {} pictures a second: {count} were left out; choose fewer or smaller ones",
                    self.width, self.height, self.fps
                ));
            }
            let Some(mut crew) = studio.take() else {
                break Ended::Finished;
            };
            let (index, pts_us) = (beat.index, beat.pts_us());
            let captured = self.clock.now();
            // Drawing and encoding take milliseconds of processor: not on the runtime's own threads.
            let drawn = tokio::task::spawn_blocking(move || {
                let unit = crew.picture(index, pts_us, captured.0);
                (crew, unit)
            })
            .await;
            let (crew, unit) = drawn.map_err(|error| SourceError::Encoder {
                codec: "H.264",
                why: error.to_string(),
            })?;
            studio = Some(crew);
            let record = records.unit(&unit.map_err(|error| encoder_error(&error))?, captured);
            if !outlet.send(record, &shutdown).await? {
                break Ended::Shutdown;
            }
            beat.index += 1;
            outlet.tell(|| Snapshot {
                position_us: Some(pts_us),
                total: self.count,
                speed: Some(1.0),
                ..Snapshot::default()
            });
        };
        outlet.finish(ended).await
    }

    fn studio(&self) -> Result<Studio, SourceError> {
        let wrong = |option, why: String| SourceError::Option { option, why };
        if !(0.1..=240.0).contains(&self.fps) {
            return Err(wrong(
                "--fps",
                "give 0.1 to 240 pictures a second".to_owned(),
            ));
        }
        if self.width % 2 == 1 || self.height % 2 == 1 {
            return Err(wrong("--size", "give an even width and height".to_owned()));
        }
        let bitrate_bps = self
            .bitrate_bps
            .unwrap_or_else(|| fitting_bitrate_bps(self.width, self.height, self.fps));
        let size = |error: MediaError| wrong("--size", error.to_string());
        Ok(Studio {
            encoder: H264Encoder::new(self.width, self.height, self.fps, bitrate_bps)
                .map_err(size)?,
            card: TestCard::new(self.width, self.height).map_err(size)?,
            key_every_us: (self.key_every_s.clamp(0.1, 600.0) * 1e6) as i64,
            last_key_us: None,
        })
    }
}

fn encoder_error(error: &MediaError) -> SourceError {
    SourceError::Encoder {
        codec: "H.264",
        why: error.to_string(),
    }
}

/// Who draws and encodes.
struct Studio {
    card: TestCard,
    encoder: H264Encoder,
    key_every_us: i64,
    last_key_us: Option<i64>,
}

impl Studio {
    fn picture(&mut self, index: u64, pts_us: i64, wall_ms: i64) -> Result<AccessUnit, MediaError> {
        let key = self
            .last_key_us
            .is_none_or(|last| pts_us - last >= self.key_every_us);
        let unit = self
            .encoder
            .encode(self.card.draw(index, wall_ms), pts_us, key)?;
        if unit.key {
            self.last_key_us = Some(pts_us);
        }
        Ok(unit)
    }
}

/// Which picture is next, by the clock.
#[derive(Debug)]
struct Beat {
    fps: f64,
    index: u64,
}

impl Beat {
    fn new(fps: f64) -> Self {
        Self { fps, index: 0 }
    }

    fn due(&self) -> Duration {
        Duration::from_secs_f64(self.index as f64 / self.fps)
    }

    fn pts_us(&self) -> i64 {
        (self.index as f64 * 1e6 / self.fps).round() as i64
    }

    /// Leaves out the pictures whose whole time has passed; says how many.
    fn catch_up(&mut self, elapsed: Duration) -> u64 {
        // A thousandth: so that rounding leaves out none that is due just now.
        let current = (elapsed.as_secs_f64() * self.fps + 0.001) as u64;
        let skipped = current.saturating_sub(self.index);
        self.index += skipped;
        skipped
    }
}

/// Pictures left out since that was last told.
#[derive(Debug, Default)]
struct LeftOut {
    count: u64,
    told: Option<Duration>,
}

impl LeftOut {
    fn add(&mut self, count: u64) {
        self.count += count;
    }

    /// How many to tell of, if it is time to.
    fn tell(&mut self, now: Duration) -> Option<u64> {
        let since = self.told.map(|told| now.saturating_sub(told));
        if self.told.is_none() {
            self.told = Some(now);
        }
        if self.count == 0 || since.is_none_or(|since| since < TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_in_time_are_all_made() {
        let mut beat = Beat::new(29.97);
        for _ in 0..1_000 {
            assert_eq!(beat.catch_up(beat.due()), 0, "{beat:?}");
            beat.index += 1;
        }
        assert_eq!(beat.pts_us(), 33_366_700);
    }

    #[test]
    fn a_machine_too_slow_leaves_pictures_out_and_keeps_time() {
        let mut beat = Beat::new(25.0);
        assert_eq!(beat.catch_up(Duration::from_millis(30)), 0);
        beat.index += 1;
        assert_eq!(beat.catch_up(Duration::from_millis(205)), 4);
        assert_eq!(beat.pts_us(), 200_000);
    }

    #[test]
    fn what_was_left_out_is_told_every_ten_seconds_at_most() {
        let mut left_out = LeftOut::default();
        left_out.add(3);
        assert_eq!(left_out.tell(Duration::from_secs(1)), None);
        assert_eq!(left_out.tell(Duration::from_secs(11)), Some(3));
        left_out.add(2);
        assert_eq!(left_out.tell(Duration::from_secs(12)), None);
        assert_eq!(left_out.tell(Duration::from_secs(30)), Some(2));
        assert_eq!(left_out.tell(Duration::from_mins(1)), None);
    }

    #[test]
    fn options_that_cannot_be_are_refused_by_name() {
        for (source, option) in [
            (
                TestCardSource {
                    fps: 0.0,
                    ..TestCardSource::new("t")
                },
                "--fps",
            ),
            (
                TestCardSource {
                    fps: f64::NAN,
                    ..TestCardSource::new("t")
                },
                "--fps",
            ),
            (
                TestCardSource {
                    width: 641,
                    ..TestCardSource::new("t")
                },
                "--size",
            ),
            (
                TestCardSource {
                    width: 0,
                    ..TestCardSource::new("t")
                },
                "--size",
            ),
            (
                TestCardSource {
                    height: 100_000,
                    ..TestCardSource::new("t")
                },
                "--size",
            ),
        ] {
            let error = source.studio().err().unwrap().to_string();
            assert!(error.starts_with(option), "{error}");
        }
    }
}
