//! Pictures of something that happens now, a camera or a server, on their way into a topic.
//!
//! What comes in may break off and begin again, jump in time, change its codec or be too large; what goes out is one time line that
//! never runs backwards, whose pictures can each be decoded by those before it: after anything missing it goes on with a key frame.

mod line;
mod told;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weir_base::time::{Clock, Timestamp};
use weir_client::{Kafka, ProducerOptions};
use weir_media::{AccessUnit, Codec};

use self::line::Line;
use self::told::NowAndThen;
use crate::outlet::Outlet;
use crate::pictures::{self, PictureRecords};
use crate::{Ended, Progress, Snapshot, SourceError, Summary};

/// A picture as it came.
pub(crate) struct Shot {
    /// How it is encoded.
    pub(crate) codec: Codec,
    /// With times of whoever took it, whatever they count from.
    pub(crate) unit: AccessUnit,
    /// Width and height of a JPEG.
    pub(crate) size: Option<(u32, u32)>,
    /// When it was taken.
    pub(crate) captured: Timestamp,
}

/// Publishes pictures as they come.
pub(crate) struct Live {
    outlet: Outlet,
    key: String,
    clock: Arc<dyn Clock>,
    started: Duration,
    records: Option<(Codec, PictureRecords)>,
    line: Line,
    newest: Timestamp,
    /// Something is missing: what comes before the next key frame cannot be decoded.
    until_key: bool,
    too_large: NowAndThen,
}

impl Live {
    /// Makes the topic if it is not there.
    pub(crate) async fn open(
        kafka: &Kafka,
        topic: &str,
        key: &str,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, SourceError> {
        let outlet = Outlet::open(
            kafka,
            pictures::topic(topic),
            ProducerOptions::default(),
            clock.clone(),
            progress,
        )
        .await?;
        Ok(Self {
            outlet,
            key: key.to_owned(),
            started: clock.monotonic(),
            clock,
            records: None,
            line: Line::default(),
            newest: Timestamp(i64::MIN),
            until_key: true,
            too_large: NowAndThen::default(),
        })
    }

    /// Publishes the next picture; `false` if told to end meanwhile.
    pub(crate) async fn send(
        &mut self,
        shot: Shot,
        shutdown: &CancellationToken,
    ) -> Result<bool, SourceError> {
        if self.until_key && shot.codec.is_inter() && !shot.unit.key {
            self.outlet.pass_over(1, None);
            return Ok(true);
        }
        let now = self.clock.monotonic();
        let arrived_us = micros(now.saturating_sub(self.started));
        let (pts_us, dts_us) = self
            .line
            .place(shot.unit.pts_us, shot.unit.dts_us, arrived_us);
        let unit = AccessUnit {
            pts_us,
            dts_us,
            ..shot.unit
        };
        // A clock that is set back must not put the newest pictures in front of older ones.
        self.newest = self.newest.max(shot.captured);
        let records = match &mut self.records {
            Some((codec, records)) if *codec == shot.codec => records,
            records => {
                let made = PictureRecords::new(self.outlet.topic().clone(), &self.key, shot.codec);
                &mut records.insert((shot.codec, made)).1
            }
        };
        let record = match shot.size {
            Some(size) => records.picture(unit.data.clone(), size, pts_us, self.newest),
            None => records.unit(&unit, self.newest),
        };
        if !self.outlet.takes(&record) {
            self.until_key = true;
            let which = match self.too_large.count(now) {
                Some(1) => Some("a picture".to_owned()),
                Some(count) => Some(format!("a picture, the newest of {count},")),
                None => None,
            };
            let why = which.map(|which| self.outlet.too_large(&record, &which));
            self.outlet.pass_over(1, why);
            return Ok(true);
        }
        self.until_key = false;
        if !self.outlet.send(record, shutdown).await? {
            return Ok(false);
        }
        self.outlet.tell(|| Snapshot {
            position_us: Some(pts_us),
            ..Snapshot::default()
        });
        Ok(true)
    }

    /// Something is missing here, such as packets that were lost.
    pub(crate) fn gap(&mut self) {
        self.until_key = true;
    }

    /// It broke off; what comes next counts its times from somewhere else.
    pub(crate) fn broke_off(&mut self, why: &str) {
        self.until_key = true;
        self.line.cut();
        self.outlet.waiting(why);
    }

    /// It is there again.
    pub(crate) fn going_on(&self, text: &str) {
        self.outlet.going_on(text);
    }

    /// Waits for what is under way.
    pub(crate) async fn finish(self, ended: Ended) -> Result<Summary, SourceError> {
        self.outlet.finish(ended).await
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
