//! The same pictures at other times: for viewers whose time line differs from the hub's.
//!
//! A live viewer gets the hub's own fragments. One that joined from history, or a file that must begin at zero, needs its
//! fragments' times moved; packing one anew takes microseconds.

use std::sync::Arc;

use bytes::Bytes;
use weir_media::fmp4::{Muxer, SoundMuxer};

use crate::hub::picture::{Init, Picture};
use crate::hub::sound::{Sound, SoundInit};

/// Packs pictures anew.
#[derive(Debug, Default)]
pub struct Remux {
    current: Option<(Arc<Init>, Muxer)>,
    sound: Option<(Arc<SoundInit>, SoundMuxer)>,
}

impl Remux {
    /// The picture's fragment with its times moved; `None` of pictures that stand alone.
    pub fn fragment(&mut self, picture: &Picture, shift_us: i64) -> Option<Bytes> {
        let init = picture.init.as_ref()?;
        let same = matches!(&self.current, Some((current, _)) if Arc::ptr_eq(current, init));
        if !same {
            self.current = Some((init.clone(), init.muxer.clone()));
        }
        let (_, muxer) = self.current.as_mut()?;
        Some(muxer.fragment(&picture.access_unit(shift_us), picture.duration_us))
    }

    /// The message for a live viewer: the hub's own where nothing is to be moved.
    pub fn message(&mut self, picture: &Picture, shift_us: i64) -> Option<Bytes> {
        if shift_us == 0 {
            return picture.message.clone();
        }
        let fragment = self.fragment(picture, shift_us)?;
        Some(picture.message_of(&fragment, shift_us))
    }

    /// The sound's fragment with its time moved; `None` of what would begin before time zero.
    pub fn sound(&mut self, sound: &Sound, shift_us: i64) -> Option<Bytes> {
        let same = matches!(&self.sound, Some((current, _)) if Arc::ptr_eq(current, &sound.init));
        if !same {
            self.sound = Some((sound.init.clone(), sound.init.muxer.clone()));
        }
        let (_, muxer) = self.sound.as_mut()?;
        muxer.fragment(&sound.moved(shift_us))
    }

    /// The message for a live viewer: the hub's own where nothing is to be moved.
    pub fn sound_message(&mut self, sound: &Sound, shift_us: i64) -> Option<Bytes> {
        if shift_us == 0 {
            return Some(sound.message.clone());
        }
        let fragment = self.sound(sound, shift_us)?;
        Some(sound.message_of(&fragment, shift_us))
    }
}
