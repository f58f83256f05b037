//! The same pictures at other times: for viewers whose time line differs from the hub's.
//!
//! A live viewer gets the hub's own fragments. One that joined from history, or a file that must begin at zero, needs its
//! fragments' times moved; packing one anew takes microseconds.

use std::sync::Arc;

use bytes::Bytes;
use weir_media::fmp4::Muxer;

use crate::hub::picture::{Init, Picture};

/// Packs pictures anew.
#[derive(Debug, Default)]
pub struct Remux {
    current: Option<(Arc<Init>, Muxer)>,
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
}
