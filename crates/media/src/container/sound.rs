//! From a container's sample of sound to an access unit as a record holds it.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use bytes::Bytes;

use crate::sound::{SoundTrack, aac, opus};

/// The longest access unit that is looked at; of AAC and Opus none is as long.
pub(super) const MAX_SOUND_BYTES: u64 = 64 * 1024;
/// So much sound in front of the first picture is kept, for a decoder to settle by (RFC 7845 §4.6: 80 ms).
pub(super) const SETTLING_US: i64 = 100_000;

/// What the container says of its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SoundFormat {
    Aac(aac::Config),
    Opus(opus::Head),
}

impl SoundFormat {
    pub(super) fn track(self) -> SoundTrack {
        match self {
            SoundFormat::Aac(config) => config.track(),
            SoundFormat::Opus(head) => opus::track(head.channels),
        }
    }

    /// The access unit of a sample, and how long it sounds in nanoseconds.
    pub(super) fn unit(self, sample: Vec<u8>) -> Result<(Bytes, i64), &'static str> {
        match self {
            SoundFormat::Aac(config) => {
                let frame = config.adts(&sample);
                let frame =
                    frame.ok_or("sound is missing: it is longer than an AAC frame can be")?;
                Ok((frame, config.duration_ns()))
            }
            SoundFormat::Opus(_) => {
                let duration_us = opus::duration_us(&sample);
                let duration_us = duration_us.ok_or("sound is missing: it is no Opus packet")?;
                Ok((sample.into(), duration_us * 1_000))
            }
        }
    }
}
