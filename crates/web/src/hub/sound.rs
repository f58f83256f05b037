//! Sound beside a track's pictures: laid on their time line, packed once for all who listen.
//!
//! It is given only behind a key frame, with what was added to the pictures' times added to its own, and never runs backwards. Sound that
//! lies nowhere near the pictures is of another run of its publisher, whose first picture has not come yet: it is passed over.

use std::sync::Arc;

use bytes::Bytes;
use weir_client::Record;
use weir_media::fmp4::SoundMuxer;
use weir_media::record::SoundMeta;
use weir_media::sound::{self, SoundUnit};

use super::timeline::Placed;
use super::tracks::Track;
use crate::api::{FragmentHeader, LiveEvent};

/// Sound further than this from the newest picture does not belong to it.
const NEAR_US: i64 = 10_000_000;

/// One access unit of a topic's sound. Shared by all who listen.
#[derive(Debug)]
pub struct Sound {
    /// The pictures it belongs to.
    pub track: Arc<Track>,
    /// Its record's partition.
    pub partition: i32,
    /// Its record's offset.
    pub offset: i64,
    /// Its record's timestamp.
    pub timestamp_ms: i64,
    /// In front of the position asked for.
    pub preroll: bool,
    /// When it begins, on the pictures' line, how long it sounds, and the record's value.
    pub unit: SoundUnit,
    /// A [`FragmentHeader`] and the fragment.
    pub message: Bytes,
    /// What its fragment needs in front.
    pub init: Arc<SoundInit>,
}

/// What stands in front of a track's sound.
#[derive(Debug)]
pub struct SoundInit {
    /// For whoever needs the same fragments at other times.
    pub muxer: SoundMuxer,
    /// A [`FragmentHeader`] and the init segment.
    pub message: Bytes,
    /// The text that announces it.
    pub event: LiveEvent,
}

impl Sound {
    /// What it takes in memory, nearly.
    pub fn len_bytes(&self) -> usize {
        self.unit.data.len() + self.message.len()
    }

    /// Its place with its time moved by `shift_us`.
    pub fn moved(&self, shift_us: i64) -> SoundUnit {
        SoundUnit {
            pts_us: self.unit.pts_us.saturating_add(shift_us),
            ..self.unit.clone()
        }
    }

    /// A fragment of it behind its header: one message.
    pub fn message_of(&self, fragment: &[u8], shift_us: i64) -> Bytes {
        let unit = self.moved(shift_us);
        message(
            self.partition,
            self.offset,
            self.timestamp_ms,
            self.preroll,
            &unit,
            fragment,
        )
    }
}

/// A fragment of sound behind its header: one message.
pub fn message(
    partition: i32,
    offset: i64,
    timestamp_ms: i64,
    preroll: bool,
    unit: &SoundUnit,
    fragment: &[u8],
) -> Bytes {
    let preroll = if preroll { FragmentHeader::PREROLL } else { 0 };
    let header = FragmentHeader {
        kind: FragmentHeader::FRAGMENT,
        flags: FragmentHeader::KEY | FragmentHeader::SOUND | preroll,
        partition: u16::try_from(partition).unwrap_or(u16::MAX),
        duration_us: u32::try_from(unit.duration_us).unwrap_or(u32::MAX),
        offset,
        timestamp_ms,
        pts_us: unit.pts_us,
    };
    [header.to_bytes().as_slice(), fragment].concat().into()
}

impl SoundInit {
    pub(super) fn new(muxer: &SoundMuxer) -> Self {
        let header = FragmentHeader {
            kind: FragmentHeader::INIT,
            flags: FragmentHeader::SOUND,
            partition: 0,
            duration_us: 0,
            offset: -1,
            timestamp_ms: 0,
            pts_us: 0,
        };
        Self {
            message: [header.to_bytes().as_slice(), &muxer.init()]
                .concat()
                .into(),
            event: LiveEvent::Init {
                codec: muxer.track().codec_string.clone(),
                mime: muxer.mime(),
                width: 0,
                height: 0,
                sound: true,
            },
            muxer: muxer.clone(),
        }
    }
}

/// Makes sound of the records of one key.
#[derive(Debug, Default)]
pub struct SoundMaker {
    packing: Option<(Arc<SoundInit>, SoundMuxer)>,
    /// Where the newest ends.
    end_us: Option<i64>,
}

impl SoundMaker {
    /// The next record; `newest` is the place of the newest picture of its track. `None` if nobody could play it there.
    pub fn make(
        &mut self,
        record: &Record,
        meta: &SoundMeta,
        track: &Arc<Track>,
        newest: Placed,
        wanted_from: i64,
    ) -> Option<Arc<Sound>> {
        let value = record.value.as_ref()?;
        let timestamp_ms = record.timestamp.map_or(0, |time| time.0);
        let duration_us = sound::duration_us(meta.codec, value)?;
        let given_us = meta
            .pts_us
            .unwrap_or_else(|| timestamp_ms.saturating_mul(1_000));
        let unit = SoundUnit {
            pts_us: given_us.saturating_add(newest.shift_us),
            duration_us,
            data: value.clone(),
        };
        let near = unit.pts_us.saturating_sub(newest.dts_us).abs() <= NEAR_US;
        let backwards = self
            .end_us
            .is_some_and(|end_us| unit.pts_us < end_us.saturating_sub(duration_us / 2));
        if !near || backwards {
            return None;
        }
        let fresh = SoundMuxer::new(
            meta.codec,
            value,
            meta.channels,
            meta.codec_string.as_deref(),
        )?;
        let fits = matches!(&self.packing, Some((_, muxer)) if muxer.same_track(&fresh));
        if !fits {
            self.packing = Some((Arc::new(SoundInit::new(&fresh)), fresh));
        }
        let (init, muxer) = self.packing.as_mut()?;
        let fragment = muxer.fragment(&unit)?;
        self.end_us = Some(unit.pts_us.saturating_add(duration_us));
        let preroll = record.offset < wanted_from;
        Some(Arc::new(Sound {
            track: track.clone(),
            partition: record.partition,
            offset: record.offset,
            timestamp_ms,
            preroll,
            message: message(
                record.partition,
                record.offset,
                timestamp_ms,
                preroll,
                &unit,
                &fragment,
            ),
            unit,
            init: init.clone(),
        }))
    }
}
