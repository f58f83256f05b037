//! Opus (RFC 6716): how long a packet sounds, and the headers that containers keep (RFC 7845 §5.1, and the same in MP4's `dOps`).
//!
//! A packet says all that one or two channels need. More are several streams in one packet, whose order only a header tells: those
//! are refused.
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

use super::{SoundCodec, SoundTrack};

/// Opus counts time in this, whatever went in.
pub const RATE_HZ: u32 = 48_000;
/// The most channels of one stream.
pub const MAX_CHANNELS: u8 = 2;
/// A packet sounds no longer (RFC 6716 §3.4).
const MAX_DURATION_US: i64 = 120_000;
/// What is refused.
const SEVERAL: &str = "Opus with more than two channels";

/// How long a packet sounds (RFC 6716 §3.1); `None` if it is none.
pub fn duration_us(packet: &[u8]) -> Option<i64> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame_us = match config {
        0..12 => [10_000, 20_000, 40_000, 60_000].get(usize::from(config & 3)),
        12..16 => [10_000, 20_000].get(usize::from(config & 1)),
        _ => [2_500, 5_000, 10_000, 20_000].get(usize::from(config & 3)),
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => i64::from(*packet.get(1)? & 0x3f),
    };
    let duration_us = frame_us? * frames;
    (1..=MAX_DURATION_US)
        .contains(&duration_us)
        .then_some(duration_us)
}

/// How many channels a packet is coded with; a stream of two may have packets of one.
pub fn channels(packet: &[u8]) -> u8 {
    match packet.first() {
        Some(toc) if toc & 4 != 0 => 2,
        _ => 1,
    }
}

/// A packet of 20 ms in which nothing is heard, of as many channels as this one.
pub(super) fn silence(like: &[u8]) -> Bytes {
    match channels(like) {
        2 => Bytes::from_static(&[0xfc, 0xff, 0xfe]),
        _ => Bytes::from_static(&[0xf8, 0xff, 0xfe]),
    }
}

/// The track of so many channels.
pub fn track(channels: u8) -> SoundTrack {
    SoundTrack {
        codec: SoundCodec::Opus,
        codec_string: "opus".to_owned(),
        rate_hz: RATE_HZ,
        channels,
    }
}

/// What a container says of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// One or two.
    pub channels: u8,
    /// Samples at the start that are there only for the decoder to settle.
    pub pre_skip: u16,
}

impl Head {
    /// The identification header of Ogg, which Matroska keeps as it is; else what kind of sound it is that is not carried.
    pub fn parse(head: &[u8]) -> Result<Head, &'static str> {
        let rest = head
            .strip_prefix(b"OpusHead")
            .ok_or("Opus without a header")?;
        Self::fields(rest, u16::from_le_bytes)
    }

    /// The content of MP4's `dOps`: the same fields, in the other order of bytes.
    pub fn parse_box(body: &[u8]) -> Result<Head, &'static str> {
        Self::fields(body, u16::from_be_bytes)
    }

    fn fields(rest: &[u8], number: fn([u8; 2]) -> u16) -> Result<Head, &'static str> {
        let [_version, channels, skip_a, skip_b, _, _, _, _, _, _, family] =
            *rest.first_chunk().ok_or("Opus whose header is cut")?;
        if family != 0 && channels > MAX_CHANNELS || !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(SEVERAL);
        }
        Ok(Head {
            channels,
            pre_skip: number([skip_a, skip_b]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_packet_says_how_long_it_sounds() {
        for (packet, wanted) in [
            // CELT, 20 ms, one frame; two frames; three told by a count.
            (&[0xfc, 0][..], Some(20_000)),
            (&[0xfd, 0], Some(40_000)),
            (&[0xff, 3], Some(60_000)),
            // SILK, 60 ms; hybrid, 10 ms; CELT, 2.5 ms.
            (&[0x18], Some(60_000)),
            (&[0x60], Some(10_000)),
            (&[0x80], Some(2_500)),
            (&[0xff, 0], None),
            (&[0xff, 63], None),
            (&[0xff], None),
            (&[], None),
        ] {
            assert_eq!(duration_us(packet), wanted, "{packet:02x?}");
        }
        assert_eq!((channels(&[0xfc]), channels(&[0xf8])), (2, 1));
    }

    #[test]
    fn headers_of_both_containers_say_the_same() {
        let wanted = Ok(Head {
            channels: 2,
            pre_skip: 312,
        });
        let ogg = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        assert_eq!(Head::parse(ogg), wanted);
        let mp4 = b"\x00\x02\x01\x38\0\0\xbb\x80\0\0\0";
        assert_eq!(Head::parse_box(mp4), wanted);
        let six = b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02";
        assert_eq!(Head::parse(six), Err(SEVERAL));
        assert!(Head::parse(b"OpusHead\x01").is_err());
        assert!(Head::parse(b"").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..30)) {
            let _ = (duration_us(&bytes), channels(&bytes), Head::parse_box(&bytes));
            let _ = Head::parse(&[b"OpusHead", bytes.as_slice()].concat());
        }
    }
}
