//! Access units and pictures as records, with the headers every reader knows them by.

use std::sync::Arc;

use bytes::Bytes;
use weir_base::time::Timestamp;
use weir_client::{NewRecord, TopicSpec};
use weir_media::record::PictureMeta;
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
}

impl PictureRecords {
    pub(crate) fn new(topic: Arc<str>, key: &str, codec: Codec) -> Self {
        Self {
            topic,
            key: Bytes::copy_from_slice(key.as_bytes()),
            codec,
            gop_index: None,
            described: None,
        }
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
        self.record(
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
        )
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
        NewRecord {
            topic: self.topic.clone(),
            partition: None,
            key: Some(self.key.clone()),
            value: Some(data),
            headers: meta
                .to_headers()
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
