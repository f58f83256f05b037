//! Access units, pictures and sound as records, with the headers every reader knows them by.

use std::sync::Arc;

use bytes::Bytes;
use weir_base::time::Timestamp;
use weir_client::{NewRecord, TopicSpec};
use weir_media::record::{PictureMeta, SINCE_KEY, SoundMeta};
use weir_media::sound::{SoundTrack, SoundUnit};
use weir_media::{AccessUnit, Codec, fmp4};

/// A topic for video: one partition, since pictures have an order, and room for a large picture.
pub(crate) fn topic(name: &str) -> TopicSpec {
    TopicSpec::new(name)
        .partitions(1)
        .set("max.message.bytes", MAX_PICTURE_BYTES.to_string())
}

/// What a video topic made here takes; Kafka's default of 1 MB is less than a 720p PNG may be.
const MAX_PICTURE_BYTES: usize = 32 << 20;

/// Makes records of one stream of pictures.
pub(crate) struct PictureRecords {
    topic: Arc<str>,
    key: Bytes,
    codec: Codec,
    gop_index: Option<u32>,
    /// Of the key frame last seen.
    described: Option<(String, (u32, u32))>,
    /// The sound beside them, where there is some.
    sound: Option<SoundTrack>,
    /// Records since the last key frame, that one counted.
    since_key: Option<u32>,
}

impl PictureRecords {
    pub(crate) fn new(topic: Arc<str>, key: &str, codec: Codec) -> Self {
        Self {
            topic,
            key: Bytes::copy_from_slice(key.as_bytes()),
            codec,
            gop_index: None,
            described: None,
            sound: None,
            since_key: None,
        }
    }

    /// With sound between the pictures.
    pub(crate) fn with_sound(self, sound: Option<SoundTrack>) -> Self {
        Self { sound, ..self }
    }

    /// An access unit of the sound; `None` where none was spoken of.
    pub(crate) fn sound(&mut self, unit: &SoundUnit, captured: Timestamp) -> Option<NewRecord> {
        let track = self.sound.as_ref()?;
        let meta = SoundMeta {
            codec: track.codec,
            pts_us: Some(unit.pts_us),
            codec_string: Some(track.codec_string.clone()),
            channels: Some(track.channels),
        };
        let record = self.record_of(meta.to_headers(), unit.data.clone(), captured);
        Some(self.counted(record))
    }

    /// Where sound lies between the pictures, their own count does not say where the key frame is.
    fn counted(&mut self, record: NewRecord) -> NewRecord {
        let (Some(_), Some(since)) = (&self.sound, self.since_key.as_mut()) else {
            return record;
        };
        let said = since.to_string();
        *since = since.saturating_add(1);
        record.header(SINCE_KEY, said)
    }

    /// An access unit; its times are since the publisher's start.
    pub(crate) fn unit(&mut self, unit: &AccessUnit, captured: Timestamp) -> NewRecord {
        let index = match self.gop_index {
            _ if unit.key => Some(0),
            Some(index) => Some(index.saturating_add(1)),
            None => None,
        };
        self.gop_index = index;
        if unit.key {
            match fmp4::Muxer::new(self.codec, unit) {
                Ok(muxer) => {
                    self.described = Some((muxer.codec_string().to_owned(), muxer.size()));
                }
                Err(error) => tracing::debug!("a key frame that cannot be described: {error}"),
            }
        }
        if unit.key {
            self.since_key = Some(1);
        }
        let record = self.record(
            &PictureMeta {
                codec: self.codec,
                key: unit.key,
                pts_us: Some(unit.pts_us),
                dts_us: Some(unit.dts_us),
                codec_string: self.described.as_ref().map(|(codec, _)| codec.clone()),
                size: self.described.as_ref().map(|(_, size)| *size),
                gop_index: index,
            },
            unit.data.clone(),
            captured,
        );
        if unit.key {
            record
        } else {
            self.counted(record)
        }
    }

    /// A whole picture.
    pub(crate) fn picture(
        &self,
        file: Bytes,
        size: (u32, u32),
        pts_us: i64,
        captured: Timestamp,
    ) -> NewRecord {
        self.record(
            &PictureMeta {
                codec: self.codec,
                key: true,
                pts_us: Some(pts_us),
                dts_us: Some(pts_us),
                codec_string: None,
                size: Some(size),
                gop_index: None,
            },
            file,
            captured,
        )
    }

    fn record(&self, meta: &PictureMeta, data: Bytes, captured: Timestamp) -> NewRecord {
        self.record_of(meta.to_headers(), data, captured)
    }

    fn record_of(
        &self,
        headers: Vec<(&'static str, String)>,
        data: Bytes,
        captured: Timestamp,
    ) -> NewRecord {
        NewRecord {
            topic: self.topic.clone(),
            partition: None,
            key: Some(self.key.clone()),
            value: Some(data),
            headers: headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Bytes::from(value)))
                .collect(),
            timestamp: Some(captured),
        }
    }
}

/// A bitrate at which a picture of this size looks good with the built-in encoder: 0.08 bits a pixel.
pub(crate) fn fitting_bitrate_bps(width: u32, height: u32, fps: f64) -> u32 {
    let bits = f64::from(width) * f64::from(height) * fps * 0.08;
    bits.clamp(100_000.0, 50_000_000.0) as u32
}
