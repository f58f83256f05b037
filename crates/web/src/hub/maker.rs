//! Records of one track in, pictures out: lays the times on one time line, packs each access unit as a fragment.

use std::sync::Arc;

use weir_client::Record;
use weir_media::fmp4::Muxer;
use weir_media::record::{PictureMeta, SoundMeta};
use weir_media::{AccessUnit, Codec};

use super::picture::{Init, Picture};
use super::sound::{Sound, SoundMaker};
use super::timeline::Timeline;
use super::tracks::Track;

/// Makes pictures of the records of one track, one after the other.
#[derive(Debug, Default)]
pub struct Maker {
    timeline: Timeline,
    packing: Option<Packing>,
    sound: SoundMaker,
    /// Pictures below this offset are only there for others to be decoded by.
    wanted_from: i64,
}

#[derive(Debug)]
struct Packing {
    codec: Codec,
    muxer: Muxer,
    init: Arc<Init>,
}

/// What a record turned out to be.
#[derive(Debug)]
pub enum Made {
    /// A picture.
    Picture(Arc<Picture>),
    /// A picture that nothing can be done with before the next key frame.
    NoKeyYet,
    /// Sound beside pictures.
    Sound(Arc<Sound>),
    /// No picture.
    NotAPicture,
}

impl Maker {
    /// A maker that marks the pictures in front of `wanted_from` as sent only to be decoded by.
    pub fn with_preroll(wanted_from: i64) -> Self {
        Self {
            wanted_from,
            ..Self::default()
        }
    }

    /// A maker for a track beside this one: its times go on from here.
    pub fn beside(&self) -> Self {
        Self {
            timeline: self.timeline.clone(),
            packing: None,
            sound: SoundMaker::default(),
            wanted_from: self.wanted_from,
        }
    }

    /// The next record of the track, with what its headers say.
    pub fn make(&mut self, record: &Record, meta: &PictureMeta, track: &Arc<Track>) -> Made {
        let Some(value) = &record.value else {
            return Made::NotAPicture;
        };
        let timestamp_ms = record.timestamp.map_or(0, |time| time.0);
        let pts_us = meta
            .pts_us
            .or(meta.dts_us)
            .unwrap_or_else(|| timestamp_ms.saturating_mul(1_000));
        let inter = meta.codec.is_inter();
        let key = meta.key || !inter;
        let unit = AccessUnit {
            pts_us,
            dts_us: meta.dts_us.unwrap_or(pts_us),
            duration_us: 0,
            key,
            data: value.clone(),
        };
        if inter && !self.repack(meta.codec, &unit) {
            return Made::NoKeyYet;
        }
        let placed = self.timeline.place(pts_us, meta.dts_us);
        let mut picture = Picture {
            track: track.clone(),
            partition: record.partition,
            offset: record.offset,
            timestamp_ms,
            codec: meta.codec,
            key,
            preroll: record.offset < self.wanted_from,
            pts_us: placed.pts_us,
            dts_us: placed.dts_us,
            duration_us: placed.duration_us,
            shift_us: placed.shift_us,
            value: value.clone(),
            message: None,
            init: None,
        };
        if let Some(packing) = self.packing.as_mut().filter(|_| inter) {
            let unit = picture.access_unit(0);
            let fragment = packing.muxer.fragment(&unit, placed.duration_us);
            picture.message = Some(picture.message_of(&fragment, 0));
            picture.init = Some(packing.init.clone());
        }
        Made::Picture(Arc::new(picture))
    }

    /// The next record of the sound beside the track's pictures.
    pub fn make_sound(&mut self, record: &Record, meta: &SoundMeta, track: &Arc<Track>) -> Made {
        // Without a picture there is nothing it could be heard with.
        let newest = self.timeline.last().filter(|_| self.packing.is_some());
        let made = newest.and_then(|newest| {
            self.sound
                .make(record, meta, track, newest, self.wanted_from)
        });
        made.map_or(Made::NoKeyYet, Made::Sound)
    }

    /// Records are missing here: nothing can be done before the next key frame.
    pub fn lost(&mut self) {
        self.packing = None;
    }

    /// Sees to a muxer that fits; `false` where there is none.
    fn repack(&mut self, codec: Codec, unit: &AccessUnit) -> bool {
        let fits = self.packing.as_ref().is_some_and(|packing| {
            packing.codec == codec && !(unit.key && packing.muxer.changed_by(unit))
        });
        if fits {
            return true;
        }
        self.packing = None;
        if !unit.key {
            return false;
        }
        // The time line has no times before zero; a muxer that moved the pictures once more would part them from their sound.
        let first = AccessUnit {
            dts_us: unit.dts_us.max(0),
            ..unit.clone()
        };
        match Muxer::new(codec, &first) {
            Ok(muxer) => {
                self.packing = Some(Packing {
                    codec,
                    init: Arc::new(Init::new(&muxer)),
                    muxer,
                });
                true
            }
            Err(error) => {
                tracing::debug!(%error, "a key frame that no player could use is passed over");
                false
            }
        }
    }
}
