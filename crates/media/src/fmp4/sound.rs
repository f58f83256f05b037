//! Sound in fragmented MP4: a track of its own, alone in an init segment or beside the pictures' track in theirs.
//!
//! One fragment holds one access unit. Times are in microseconds, as the pictures' are. Opus has no samples to be skipped at the start
//! here: a record's time is already that of its first sample that is decoded.

use bytes::Bytes;

use super::boxes::Boxes;
use super::{
    SOUND_TRACK, Sample, TIMESCALE, write_dinf, write_mdhd, write_moof, write_mvhd,
    write_no_samples, write_tkhd, write_trex,
};
use crate::sound::{SoundCodec, SoundTrack, SoundUnit, aac};

/// Packs the sound of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundMuxer {
    track: SoundTrack,
    /// Of AAC, what its decoder is set up with.
    config: [u8; 2],
    sequence_number: u32,
}

impl SoundMuxer {
    /// For the track of this access unit; `channels` and `codec_string` are those of its record's headers. `None` if it is not sound.
    pub fn new(
        codec: SoundCodec,
        data: &[u8],
        channels: Option<u8>,
        codec_string: Option<&str>,
    ) -> Option<SoundMuxer> {
        let mut track = SoundTrack::of(codec, data, channels)?;
        let config = match codec {
            SoundCodec::Aac => aac::Frame::parse(data)?.config.to_bytes(),
            SoundCodec::Opus => [0; 2],
        };
        // HE-AAC looks like the LC it contains, and only its publisher knows.
        if let Some(named @ ("mp4a.40.5" | "mp4a.40.29")) = codec_string
            && codec == SoundCodec::Aac
        {
            named.clone_into(&mut track.codec_string);
        }
        Some(SoundMuxer {
            track,
            config,
            sequence_number: 0,
        })
    }

    /// What its sound is.
    pub fn track(&self) -> &SoundTrack {
        &self.track
    }

    /// Whether the other packs the same track: one init segment does for both.
    pub fn same_track(&self, other: &SoundMuxer) -> bool {
        (&self.track, self.config) == (&other.track, other.config)
    }

    /// What `MediaSource.isTypeSupported` takes: `audio/mp4; codecs="mp4a.40.2"`.
    pub fn mime(&self) -> String {
        format!("audio/mp4; codecs=\"{}\"", self.track.codec_string)
    }

    /// An init segment with this track alone.
    pub fn init(&self) -> Bytes {
        let mut boxes = Boxes::with_capacity(1024);
        boxes.wrap(*b"ftyp", |boxes| {
            boxes.bytes(b"iso5").u32(512).bytes(b"iso5iso6mp41");
        });
        boxes.wrap(*b"moov", |boxes| {
            write_mvhd(boxes, TIMESCALE, 0, 0);
            self.write_trak(boxes);
            boxes.wrap(*b"mvex", |boxes| write_trex(boxes, SOUND_TRACK));
        });
        Bytes::from(boxes.out)
    }

    /// The track of an init segment.
    pub(super) fn write_trak(&self, boxes: &mut Boxes) {
        boxes.wrap(*b"trak", |boxes| {
            write_tkhd(boxes, SOUND_TRACK, 0, 0, 0);
            boxes.wrap(*b"mdia", |boxes| {
                self.write_mdia(boxes, TIMESCALE, 0, write_no_samples);
            });
        });
    }

    /// What an `mdia` box holds, with the sample table that `tables` writes behind the sample entry.
    pub(crate) fn write_mdia(
        &self,
        boxes: &mut Boxes,
        timescale: u32,
        duration: u64,
        tables: impl FnOnce(&mut Boxes),
    ) {
        write_mdhd(boxes, timescale, duration);
        boxes.full(*b"hdlr", 0, 0, |boxes| {
            boxes.u32(0).bytes(b"soun").zeros(12).bytes(b"sound\0");
        });
        boxes.wrap(*b"minf", |boxes| {
            boxes.full(*b"smhd", 0, 0, |boxes| {
                boxes.zeros(4);
            });
            write_dinf(boxes);
            boxes.wrap(*b"stbl", |boxes| {
                self.write_stsd(boxes);
                tables(boxes);
            });
        });
    }

    /// The sample entry (ISO/IEC 14496-12 §12.2.3).
    fn write_stsd(&self, boxes: &mut Boxes) {
        let kind = match self.track.codec {
            SoundCodec::Aac => *b"mp4a",
            SoundCodec::Opus => *b"Opus",
        };
        boxes.full(*b"stsd", 0, 0, |boxes| {
            boxes.u32(1);
            boxes.wrap(kind, |boxes| {
                boxes.zeros(6).u16(1).zeros(8);
                boxes.u16(self.track.channels.into()).u16(16).zeros(4);
                // Above 65 kHz there is no room for it; what decoders go by is in the box behind.
                let rate_hz = u16::try_from(self.track.rate_hz).unwrap_or(0);
                boxes.u16(rate_hz).u16(0);
                match self.track.codec {
                    SoundCodec::Aac => self.write_esds(boxes),
                    // `dOps` (Encapsulation of Opus in ISO Base Media File Format §4.3.2), one stream, nothing skipped.
                    SoundCodec::Opus => boxes.wrap(*b"dOps", |boxes| {
                        boxes.bytes(&[0, self.track.channels]).u16(0);
                        boxes.u32(self.track.rate_hz).zeros(3);
                    }),
                }
            });
        });
    }

    /// The elementary stream descriptor (ISO/IEC 14496-1 §7.2.6.5), each part with its length in one byte.
    fn write_esds(&self, boxes: &mut Boxes) {
        boxes.full(*b"esds", 0, 0, |boxes| {
            // No stream of the same number, no other parts.
            boxes.bytes(&[3, 25]).u16(0).bytes(&[0]);
            // MPEG-4 audio in an audio stream; buffer and bit rates are not told.
            boxes.bytes(&[4, 17, 0x40, 0x15]).zeros(11);
            boxes.bytes(&[5, 2]).bytes(&self.config);
            boxes.bytes(&[6, 1, 2]);
        });
    }

    /// An access unit as MP4 holds it.
    pub(crate) fn sample<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        match self.track.codec {
            SoundCodec::Aac => aac::Frame::parse(data).map_or(&[], |frame| frame.access_unit),
            SoundCodec::Opus => data,
        }
    }

    /// One fragment (`moof` and `mdat`) with one access unit; `None` of one that begins before time zero, which a fragment cannot say.
    pub fn fragment(&mut self, unit: &SoundUnit) -> Option<Bytes> {
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let sample = Sample {
            track: SOUND_TRACK,
            decode_time: u64::try_from(unit.pts_us).ok()?,
            duration: unit.duration_us.clamp(0, i64::from(u32::MAX)) as u32,
            composition: 0,
            key: true,
        };
        let data = self.sample(&unit.data);
        let mut boxes = Boxes::with_capacity(data.len() + 160);
        let size_at = write_moof(&mut boxes, self.sequence_number, &sample);
        boxes.wrap(*b"mdat", |boxes| {
            boxes.bytes(data);
        });
        boxes.out[size_at..size_at + 4].copy_from_slice(&(data.len() as u32).to_be_bytes());
        Some(Bytes::from(boxes.out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aac() -> SoundUnit {
        let config = aac::Config::new(2, 48_000, 2).unwrap();
        SoundUnit {
            pts_us: 21_333,
            duration_us: 21_333,
            data: config.adts(b"sound").unwrap(),
        }
    }

    #[test]
    fn an_init_segment_says_what_its_decoder_needs() {
        let muxer = SoundMuxer::new(SoundCodec::Aac, &aac().data, None, None).unwrap();
        assert_eq!(muxer.mime(), "audio/mp4; codecs=\"mp4a.40.2\"");
        let init = muxer.init();
        let holds = |wanted: &[u8]| init.windows(wanted.len()).any(|at| at == wanted);
        assert!(holds(b"soun") && holds(b"smhd") && holds(&[5, 2, 0x11, 0x90]));
        let muxer = SoundMuxer::new(SoundCodec::Opus, &[0xfc, 0], Some(2), None).unwrap();
        assert_eq!(muxer.mime(), "audio/mp4; codecs=\"opus\"");
        let init = muxer.init();
        let dops = b"dOps\0\x02\0\0\0\0\xbb\x80\0\0\0";
        assert!(init.windows(dops.len()).any(|at| at == dops));
    }

    #[test]
    fn a_fragment_holds_the_access_unit_without_its_header() {
        let mut muxer = SoundMuxer::new(SoundCodec::Aac, &aac().data, None, None).unwrap();
        let fragment = muxer.fragment(&aac()).unwrap();
        assert!(fragment.ends_with(b"mdatsound"));
        let early = SoundUnit {
            pts_us: -1,
            ..aac()
        };
        assert_eq!(muxer.fragment(&early), None);
    }

    #[test]
    fn he_aac_is_named_by_its_publisher_and_a_lie_is_not_believed() {
        let of = |named| {
            let muxer = SoundMuxer::new(SoundCodec::Aac, &aac().data, None, Some(named));
            muxer.unwrap().track().codec_string.clone()
        };
        assert_eq!(of("mp4a.40.5"), "mp4a.40.5");
        assert_eq!(of("opus"), "mp4a.40.2");
        assert_eq!(SoundMuxer::new(SoundCodec::Opus, &[], None, None), None);
    }
}
