//! Sound: which codecs are carried, one access unit of it, one track.
//!
//! Sound passes through as it is; nothing here decodes or encodes it. A record holds one access unit so that it plays without
//! anything else: AAC as one ADTS frame (ISO/IEC 14496-3 §1.A.2.2), Opus as one packet (RFC 6716 §3).

pub mod aac;
pub mod opus;

use bytes::Bytes;

/// How sound is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SoundCodec {
    /// AAC, one ADTS frame a record.
    Aac,
    /// Opus, one packet a record.
    Opus,
}

impl SoundCodec {
    /// Every codec there is.
    pub const ALL: [SoundCodec; 2] = [SoundCodec::Aac, SoundCodec::Opus];

    /// The `content-type` of a record that holds such sound.
    pub fn content_type(self) -> &'static str {
        match self {
            SoundCodec::Aac => "audio/aac",
            SoundCodec::Opus => "audio/opus",
        }
    }

    /// The codec a `content-type` names; parameters after `;` and letter case do not matter.
    pub fn from_content_type(content_type: &str) -> Option<SoundCodec> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        Self::ALL
            .into_iter()
            .find(|codec| codec.content_type().eq_ignore_ascii_case(essence))
    }

    /// The codec's name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            SoundCodec::Aac => "AAC",
            SoundCodec::Opus => "Opus",
        }
    }
}

/// One access unit of sound, as a record holds it. Decoding can start at any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundUnit {
    /// When its first sample is heard, on the time line of the pictures it belongs to.
    pub pts_us: i64,
    /// How long it sounds.
    pub duration_us: i64,
    /// An ADTS frame or an Opus packet.
    pub data: Bytes,
}

/// What is known of a file's sound before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundTrack {
    /// How it is encoded.
    pub codec: SoundCodec,
    /// The codec in RFC 6381 form: `mp4a.40.2`, `opus`.
    pub codec_string: String,
    /// Samples a second; of Opus always 48,000.
    pub rate_hz: u32,
    /// How many channels it has.
    pub channels: u8,
}

impl SoundTrack {
    /// What one access unit in a record's form says of its track; `channels` is that of the record's header. `None` if it is not
    /// sound.
    pub fn of(codec: SoundCodec, data: &[u8], channels: Option<u8>) -> Option<SoundTrack> {
        match codec {
            SoundCodec::Aac => aac::Frame::parse(data).map(|frame| frame.config.track()),
            SoundCodec::Opus => {
                opus::duration_us(data)?;
                let channels = channels.unwrap_or_else(|| opus::channels(data));
                (1..=opus::MAX_CHANNELS)
                    .contains(&channels)
                    .then(|| opus::track(channels))
            }
        }
    }
}

/// An access unit in which nothing is heard, in a record's form, of the track that this one is of; `None` where none is known.
pub fn silence(codec: SoundCodec, like: &[u8]) -> Option<Bytes> {
    match codec {
        SoundCodec::Aac => aac::Frame::parse(like)?.config.silence(),
        SoundCodec::Opus => Some(opus::silence(like)),
    }
}

/// How long an access unit in a record's form sounds; `None` if it is not sound.
pub fn duration_us(codec: SoundCodec, data: &[u8]) -> Option<i64> {
    match codec {
        SoundCodec::Aac => aac::Frame::parse(data).map(|frame| frame.config.duration_us()),
        SoundCodec::Opus => opus::duration_us(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_names_its_codec_and_others_none() {
        for codec in SoundCodec::ALL {
            let found = SoundCodec::from_content_type(codec.content_type());
            assert_eq!(found, Some(codec));
        }
        let found = SoundCodec::from_content_type("Audio/AAC; x=y");
        assert_eq!(found, Some(SoundCodec::Aac));
        assert_eq!(SoundCodec::from_content_type("audio/mpeg"), None);
        assert_eq!(SoundCodec::from_content_type("video/h264"), None);
    }

    #[test]
    fn silence_is_of_the_track_it_stands_in_for() {
        for channels in 1..=2 {
            let config = aac::Config::new(2, 44_100, channels).unwrap();
            let silence = silence(SoundCodec::Aac, &config.adts(&[1]).unwrap()).unwrap();
            assert_eq!(aac::Frame::parse(&silence).unwrap().config, config);
        }
        let six = aac::Config::new(2, 44_100, 6).unwrap().adts(&[1]).unwrap();
        assert_eq!(silence(SoundCodec::Aac, &six), None);
        let stereo = silence(SoundCodec::Opus, &[0xfc, 1]).unwrap();
        assert_eq!(duration_us(SoundCodec::Opus, &stereo), Some(20_000));
        assert_eq!(opus::channels(&stereo), 2);
    }

    #[test]
    fn a_record_says_what_its_track_is() {
        let config = aac::Config::new(2, 44_100, 1).unwrap();
        let frame = config.adts(&[1, 2, 3]).unwrap();
        let track = SoundTrack::of(SoundCodec::Aac, &frame, None).unwrap();
        assert_eq!((track.rate_hz, track.channels), (44_100, 1));
        // A packet's own flag says mono; the header knows better.
        let track = SoundTrack::of(SoundCodec::Opus, &[0xf8, 0], Some(2)).unwrap();
        assert_eq!((track.rate_hz, track.channels), (48_000, 2));
        assert_eq!(SoundTrack::of(SoundCodec::Opus, &[0xf8, 0], Some(9)), None);
        assert_eq!(SoundTrack::of(SoundCodec::Aac, b"", None), None);
    }
}
