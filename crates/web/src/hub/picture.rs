//! What a hub hands to its viewers: pictures, the sound beside them, and notes about them.

use std::sync::Arc;

use bytes::Bytes;
use weir_media::fmp4::Muxer;
use weir_media::{AccessUnit, Codec};

use super::sound::Sound;
use super::tracks::Track;
use crate::api::{FragmentHeader, LiveEvent};
use crate::problem::Problem;

/// One picture of a topic. Shared by all viewers; nothing in it is copied for one.
#[derive(Debug)]
pub struct Picture {
    /// Whose picture it is.
    pub track: Arc<Track>,
    /// Its record's partition.
    pub partition: i32,
    /// Its record's offset.
    pub offset: i64,
    /// Its record's timestamp: when it was captured.
    pub timestamp_ms: i64,
    /// How it is encoded.
    pub codec: Codec,
    /// Whether decoding can start here.
    pub key: bool,
    /// In front of the position asked for: only there for others to be decoded by.
    pub preroll: bool,
    /// When it is shown, on the hub's time line.
    pub pts_us: i64,
    /// When it is decoded, on the hub's time line.
    pub dts_us: i64,
    /// How long it stands, as far as known when it came.
    pub duration_us: i64,
    /// The hub's time line minus the publisher's.
    pub shift_us: i64,
    /// The record's value: the encoded picture.
    pub value: Bytes,
    /// A [`FragmentHeader`] and the fragment; `None` of JPEG and PNG.
    pub message: Option<Bytes>,
    /// What its fragment needs in front; `None` of JPEG and PNG.
    pub init: Option<Arc<Init>>,
}

impl Picture {
    /// What it takes in memory, nearly.
    pub fn len_bytes(&self) -> usize {
        self.value.len() + self.message.as_ref().map_or(0, Bytes::len)
    }

    /// A fragment of this picture behind its header: one message.
    pub fn message_of(&self, fragment: &[u8], shift_us: i64) -> Bytes {
        let key = if self.key { FragmentHeader::KEY } else { 0 };
        let preroll = if self.preroll {
            FragmentHeader::PREROLL
        } else {
            0
        };
        let header = FragmentHeader {
            kind: FragmentHeader::FRAGMENT,
            flags: key | preroll,
            partition: u16::try_from(self.partition).unwrap_or(u16::MAX),
            duration_us: u32::try_from(self.duration_us).unwrap_or(u32::MAX),
            offset: self.offset,
            timestamp_ms: self.timestamp_ms,
            pts_us: self.pts_us.saturating_add(shift_us),
        };
        [header.to_bytes().as_slice(), fragment].concat().into()
    }

    /// The access unit, its times moved by `shift_us`.
    pub fn access_unit(&self, shift_us: i64) -> AccessUnit {
        AccessUnit {
            pts_us: self.pts_us.saturating_add(shift_us),
            dts_us: self.dts_us.saturating_add(shift_us),
            duration_us: self.duration_us,
            key: self.key,
            data: self.value.clone(),
        }
    }
}

/// What stands in front of a publisher's fragments.
#[derive(Debug)]
pub struct Init {
    /// For whoever needs the same fragments at other times.
    pub muxer: Muxer,
    /// A [`FragmentHeader`] and the init segment.
    pub message: Bytes,
    /// The text that announces it.
    pub event: LiveEvent,
}

impl Init {
    /// Describes a muxer's fragments.
    pub fn new(muxer: &Muxer) -> Self {
        let segment = muxer.init();
        let header = FragmentHeader {
            kind: FragmentHeader::INIT,
            flags: 0,
            partition: 0,
            duration_us: 0,
            offset: -1,
            timestamp_ms: 0,
            pts_us: 0,
        };
        let (width, height) = muxer.size();
        let codec = muxer.codec_string().to_owned();
        Self {
            message: [header.to_bytes().as_slice(), &segment].concat().into(),
            event: LiveEvent::Init {
                mime: format!("video/mp4; codecs=\"{codec}\""),
                codec,
                width,
                height,
                sound: false,
            },
            muxer: muxer.clone(),
        }
    }

    /// The init segment alone.
    pub fn segment(&self) -> Bytes {
        self.message.slice(FragmentHeader::LEN_BYTES..)
    }
}

/// What a viewer gets from its queue.
#[derive(Debug, Clone)]
pub enum Item {
    /// The next picture.
    Picture(Arc<Picture>),
    /// The next sound; only for viewers that want it.
    Sound(Arc<Sound>),
    /// Caught up with the edge.
    Live,
    /// So many pictures are missing here.
    Skipped(u64),
    /// Nothing to show just now, and why.
    Waiting(Arc<str>),
    /// The cause of the last `Waiting` is gone.
    Reconnected,
    /// It ends here.
    Ended(Problem),
}
