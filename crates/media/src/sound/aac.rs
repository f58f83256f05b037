//! AAC (ISO/IEC 14496-3): the configuration that containers keep (`AudioSpecificConfig`, §1.6.2.1) and the ADTS header
//! (§1.A.2.2) that makes an access unit stand on its own.
//!
//! ADTS has room for the profiles Main, LC, SSR and LTP, thirteen sampling rates, and the channel configurations 1 to 7; HE-AAC goes
//! as the LC it contains, and decoders find the rest in the data. What does not fit is refused by name.
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
use crate::bits::Bits;

/// Bytes of an ADTS header without a checksum.
const HEADER_BYTES: usize = 7;
/// The longest ADTS frame: its length has 13 bits.
const MAX_FRAME_BYTES: usize = (1 << 13) - 1;
/// Samples of a channel in an access unit.
const SAMPLES: i64 = 1024;
/// By index (§1.6.3.3).
const RATES_HZ: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// By channel configuration (§1.6.3.4); 0 would be told by the data.
const CHANNELS: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 8];

/// What an ADTS header says of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// 1 Main, 2 LC, 3 SSR, 4 LTP.
    object_type: u8,
    rate_index: u8,
    channels_by: u8,
    /// What a decoder finds in the data beyond that: the object type that the container names, 5 (SBR) or 29 (PS).
    extension: Option<u8>,
}

impl Config {
    /// Of an object type, samples a second and a channel configuration; `None` where ADTS has no place for it.
    pub fn new(object_type: u8, rate_hz: u32, channels_by: u8) -> Option<Config> {
        let rate_index = RATES_HZ.iter().position(|rate| *rate == rate_hz)?;
        let sound = (1..=4).contains(&object_type) && (1..=7).contains(&channels_by);
        sound.then_some(Config {
            object_type,
            rate_index: rate_index as u8,
            channels_by,
            extension: None,
        })
    }

    /// From an `AudioSpecificConfig`; else what kind of sound it is that is not carried.
    pub fn parse(config: &[u8]) -> Result<Config, &'static str> {
        const CUT: &str = "AAC whose configuration is cut";
        let mut bits = Bits::new(config);
        let mut object_type = object_type(&mut bits).ok_or(CUT)?;
        let rate_hz = rate(&mut bits).ok_or(CUT)?;
        let channels_by = bits.u(4).ok_or(CUT)? as u8;
        let mut extension = None;
        if matches!(object_type, 5 | 29) {
            extension = Some(object_type);
            rate(&mut bits).ok_or(CUT)?;
            object_type = self::object_type(&mut bits).ok_or(CUT)?;
        }
        if !(1..=4).contains(&object_type) {
            return Err(match object_type {
                42 => "xHE-AAC",
                23 | 39 => "low-delay AAC",
                36 => "MPEG-4 ALS",
                _ => "MPEG-4 audio that is no AAC-LC",
            });
        }
        if bits.flag().ok_or(CUT)? {
            return Err("AAC with 960 samples a frame");
        }
        // Core coder and extension flags; then what was added later, told by a mark (§1.6.5).
        let delay = bits.flag().unwrap_or(false);
        bits.skip(if delay { 15 } else { 1 });
        if bits.u(11) == Some(0x2b7)
            && self::object_type(&mut bits) == Some(5)
            && bits.flag() == Some(true)
        {
            extension.get_or_insert(5);
        }
        if channels_by == 0 || channels_by > 7 {
            return Err("AAC with channels in an order of its own");
        }
        let config = Config::new(object_type, rate_hz, channels_by)
            .ok_or("AAC at an uncommon sampling rate")?;
        Ok(Config {
            extension,
            ..config
        })
    }

    /// The configuration as containers keep it.
    pub fn to_bytes(self) -> [u8; 2] {
        let word = u16::from(self.object_type) << 11
            | u16::from(self.rate_index) << 7
            | u16::from(self.channels_by) << 3;
        word.to_be_bytes()
    }

    /// Samples a second.
    pub fn rate_hz(self) -> u32 {
        RATES_HZ
            .get(usize::from(self.rate_index))
            .copied()
            .unwrap_or(48_000)
    }

    /// How many channels.
    pub fn channels(self) -> u8 {
        CHANNELS
            .get(usize::from(self.channels_by))
            .copied()
            .unwrap_or(2)
    }

    /// How long an access unit sounds.
    pub fn duration_us(self) -> i64 {
        let rate_hz = i64::from(self.rate_hz());
        (SAMPLES * 1_000_000 + rate_hz / 2) / rate_hz
    }

    /// The same, nearer to the truth.
    pub(crate) fn duration_ns(self) -> i64 {
        SAMPLES * 1_000_000_000 / i64::from(self.rate_hz())
    }

    /// The track it describes.
    pub fn track(self) -> SoundTrack {
        let object_type = self.extension.unwrap_or(self.object_type);
        SoundTrack {
            codec: SoundCodec::Aac,
            codec_string: format!("mp4a.40.{object_type}"),
            rate_hz: self.rate_hz(),
            channels: self.channels(),
        }
    }

    /// An access unit in which nothing is heard; `None` where none is known.
    pub(super) fn silence(self) -> Option<Bytes> {
        // §4.4.2.1: one element for one or two channels, all its spectrum zero, and the end.
        match self.channels_by {
            1 => self.adts(&[0x00, 0xc8, 0x00, 0x80, 0x23, 0x80]),
            2 => self.adts(&[0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80]),
            _ => None,
        }
    }

    /// An access unit with its ADTS header in front; `None` if it is longer than one can be.
    pub fn adts(self, access_unit: &[u8]) -> Option<Bytes> {
        let len_bytes = access_unit.len() + HEADER_BYTES;
        if access_unit.is_empty() || len_bytes > MAX_FRAME_BYTES {
            return None;
        }
        let (profile, channels) = (self.object_type.saturating_sub(1), self.channels_by);
        let length = len_bytes as u16;
        let mut out = Vec::with_capacity(len_bytes);
        // MPEG-4, no checksum; the buffer's fullness is not told; one block of raw data.
        out.extend_from_slice(&[
            0xff,
            0xf1,
            profile << 6 | self.rate_index << 2 | channels >> 2,
            (channels & 3) << 6 | (length >> 11) as u8,
            (length >> 3) as u8,
            ((length & 7) as u8) << 5 | 0x1f,
            0xfc,
        ]);
        out.extend_from_slice(access_unit);
        Some(out.into())
    }
}

fn object_type(bits: &mut Bits<'_>) -> Option<u8> {
    match bits.u(5)? {
        31 => Some(32 + bits.u(6)? as u8),
        object_type => Some(object_type as u8),
    }
}

fn rate(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.u(4)? {
        15 => bits.u(24),
        // Reserved ones are no rate that ADTS knows either.
        index => Some(RATES_HZ.get(index as usize).copied().unwrap_or(0)),
    }
}

/// An ADTS frame, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What its header says.
    pub config: Config,
    /// The access unit behind the header.
    pub access_unit: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame; `None` if it is none that is whole and has one block of raw data.
    pub fn parse(data: &'a [u8]) -> Option<Frame<'a>> {
        let [sync, flags, head, mixed, length, low, blocks] = *data.first_chunk()?;
        if sync != 0xff || flags & 0xf6 != 0xf0 || blocks & 3 != 0 {
            return None;
        }
        let header_bytes = if flags & 1 == 1 {
            HEADER_BYTES
        } else {
            HEADER_BYTES + 2
        };
        let len_bytes =
            usize::from(mixed & 3) << 11 | usize::from(length) << 3 | usize::from(low >> 5);
        let rate_hz = *RATES_HZ.get(usize::from(head >> 2 & 15))?;
        let config = Config::new((head >> 6) + 1, rate_hz, (head & 1) << 2 | mixed >> 6)?;
        let access_unit = data.get(header_bytes..len_bytes)?;
        (!access_unit.is_empty()).then_some(Frame {
            config,
            access_unit,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_configuration_is_read_as_the_standard_has_it() {
        for (bytes, rate_hz, channels, codec) in [
            (&[0x11, 0x90][..], 48_000, 2, "mp4a.40.2"),
            (&[0x12, 0x10], 44_100, 2, "mp4a.40.2"),
            // As ffmpeg writes it, with a mark that says that there is no SBR.
            (&[0x11, 0x90, 0x56, 0xe5, 0x00], 48_000, 2, "mp4a.40.2"),
            // The same mark that says that there is.
            (
                &[0x13, 0x10, 0x56, 0xe5, 0xa5, 0x48, 0x80],
                24_000,
                2,
                "mp4a.40.5",
            ),
            // HE-AAC, named in front: 24 kHz that sound as 48.
            (&[0x2b, 0x11, 0x88, 0x00], 24_000, 2, "mp4a.40.5"),
            // A rate written out.
            (&[0x17, 0x80, 0x56, 0x22, 0x10], 44_100, 2, "mp4a.40.2"),
        ] {
            let config = Config::parse(bytes).unwrap();
            let track = config.track();
            let found = (track.rate_hz, track.channels, track.codec_string.as_str());
            assert_eq!(found, (rate_hz, channels, codec), "{bytes:02x?}");
        }
        assert_eq!(Config::new(2, 48_000, 2).unwrap().to_bytes(), [0x11, 0x90]);
    }

    #[test]
    fn what_a_header_has_no_place_for_is_refused_by_name() {
        for (bytes, why) in [
            (&[][..], "cut"),
            (&[0x11], "cut"),
            (&[0x11, 0x94], "960"),
            (&[0x11, 0x80], "order of its own"),
            (&[0xf9, 0x46, 0x40, 0, 0], "xHE-AAC"),
            (&[0xb9, 0x90, 0], "low-delay"),
            (&[0x17, 0x80, 0, 1, 0x10, 0], "uncommon"),
        ] {
            let refused = Config::parse(bytes).unwrap_err();
            assert!(refused.contains(why), "{bytes:02x?}: {refused}");
        }
    }

    #[test]
    fn a_frame_is_whole_or_none() {
        let config = Config::new(2, 44_100, 2).unwrap();
        let frame = config.adts(b"sound").unwrap();
        let parsed = Frame::parse(&frame).unwrap();
        assert_eq!((parsed.config, parsed.access_unit), (config, &b"sound"[..]));
        assert_eq!(Frame::parse(&frame[..frame.len() - 1]), None);
        assert_eq!(config.adts(&[]), None);
        assert_eq!(config.adts(&vec![0; MAX_FRAME_BYTES]), None);
        // With a checksum, two bytes more.
        let mut checked = frame.to_vec();
        checked[1] = 0xf0;
        assert_eq!(Frame::parse(&checked).unwrap().access_unit, b"und");
        let mut two = frame.to_vec();
        two[6] |= 1;
        assert_eq!(Frame::parse(&two), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Config::parse(&bytes);
            let _ = Frame::parse(&bytes);
        }

        #[test]
        fn a_header_is_read_back(object_type in 1u8..=4, rate in 0usize..13, channels in 1u8..=7, len in 1usize..3000) {
            let config = Config::new(object_type, RATES_HZ[rate], channels).unwrap();
            let frame = config.adts(&vec![7; len]).unwrap();
            let parsed = Frame::parse(&frame).unwrap();
            prop_assert_eq!(parsed.config, config);
            prop_assert_eq!(parsed.access_unit.len(), len);
            prop_assert_eq!(Config::parse(&config.to_bytes()), Ok(config));
        }
    }
}
