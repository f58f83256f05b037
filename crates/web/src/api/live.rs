//! The player's WebSocket: its texts and the header of its binary messages (`GET /topics/{topic}/live`).

use serde::{Deserialize, Serialize};

use super::Problem;

/// The texts of `GET /topics/{topic}/live` (WebSocket). Binary messages hold init segments and fragments
/// behind a [`FragmentHeader`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LiveEvent {
    /// What the next pictures are; a binary message of kind 0 follows with the init segment. Comes again
    /// when the publisher changes its parameters.
    Init {
        /// RFC 6381, such as `avc1.64001f`.
        codec: String,
        /// For `MediaSource.isTypeSupported`.
        mime: String,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// It is that of the sound, whose messages carry a flag: only for viewers that asked with `sound=true`. Width and height are 0.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
        sound: bool,
    },
    /// Caught up: what comes from now on is as fresh as it gets.
    Live,
    /// This viewer was too slow, or joined between key frames, and goes on at a key frame.
    Skipped {
        /// How many pictures it misses.
        pictures: u64,
    },
    /// Once a second: to reckon delay and position by.
    Clock {
        /// The server's clock.
        server_time_ms: i64,
        /// Where partition 0 ends, as far as known: how much there is ahead of a viewer of the past.
        end_offset: i64,
    },
    /// Pictures under several keys are in the topic, as of several cameras: one is shown; `key=` chooses.
    Keys {
        /// The records' keys, as text.
        keys: Vec<String>,
        /// The one that is shown.
        shown: String,
    },
    /// Nothing to show just now; the connection stays and goes on by itself.
    Waiting {
        /// The cause: Kafka is away, or there is no picture yet.
        why: String,
    },
    /// The cause of the last `waiting` is gone.
    Reconnected,
    /// It ends here; the socket closes next.
    Error {
        /// The cause, as it would stand in an HTTP answer.
        problem: Problem,
    },
}

/// The texts that a player may send to `GET /topics/{topic}/live`, up to 4,096 bytes each and 20 a second. Those of other types are
/// passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LiveRequest {
    /// This picture is on the screen: where `group=` was given, the group goes on behind it. Said about once a second.
    Shown {
        /// The record's partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
    },
    /// A type that a later version may know.
    #[serde(other)]
    #[cfg_attr(test, ts(skip))]
    Other,
}

/// What stands in front of every binary message of `/topics/{topic}/live`: 32 bytes, big-endian, in this order:
/// `u8 kind` · `u8 flags` · `u16 partition` · `u32 duration_us` · `i64 offset` · `i64 timestamp_ms` · `i64 pts_us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentHeader {
    /// [`FragmentHeader::INIT`] or [`FragmentHeader::FRAGMENT`].
    pub kind: u8,
    /// [`FragmentHeader::KEY`], [`FragmentHeader::PREROLL`], [`FragmentHeader::SOUND`].
    pub flags: u8,
    /// The record's partition.
    pub partition: u16,
    /// How long the picture stands, as far as known when it came.
    pub duration_us: u32,
    /// The record's offset.
    pub offset: i64,
    /// The record's timestamp: when the picture was captured.
    pub timestamp_ms: i64,
    /// The picture's presentation time in the fragments' own time line, which never runs backwards within
    /// one connection.
    pub pts_us: i64,
}

impl FragmentHeader {
    /// `kind` of an init segment.
    pub const INIT: u8 = 0;
    /// `kind` of a fragment: one picture.
    pub const FRAGMENT: u8 = 1;
    /// Flag: a key frame.
    pub const KEY: u8 = 1;
    /// Flag: sent only so that later pictures can be decoded (in front of the position asked for).
    pub const PREROLL: u8 = 2;
    /// Flag: sound, not a picture.
    pub const SOUND: u8 = 4;
    /// Its length on the wire.
    pub const LEN_BYTES: usize = 32;

    /// The header as it goes on the wire.
    pub fn to_bytes(&self) -> [u8; Self::LEN_BYTES] {
        let mut out = [0; Self::LEN_BYTES];
        out[0] = self.kind;
        out[1] = self.flags;
        out[2..4].copy_from_slice(&self.partition.to_be_bytes());
        out[4..8].copy_from_slice(&self.duration_us.to_be_bytes());
        out[8..16].copy_from_slice(&self.offset.to_be_bytes());
        out[16..24].copy_from_slice(&self.timestamp_ms.to_be_bytes());
        out[24..32].copy_from_slice(&self.pts_us.to_be_bytes());
        out
    }
}
