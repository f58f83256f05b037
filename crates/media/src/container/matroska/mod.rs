//! Matroska and `WebM`.

use std::io::{Read, Seek};

use super::{Damage, Demuxer};
use crate::{AccessUnit, MediaError, VideoTrack};

pub(super) struct Matroska<R> {
    reader: R,
    track: VideoTrack,
}

impl<R: Read + Seek> Matroska<R> {
    pub(super) fn open(_reader: R) -> Result<Matroska<R>, MediaError> {
        todo!()
    }
}

impl<R: Read + Seek + Send> Demuxer for Matroska<R> {
    fn track(&self) -> &VideoTrack {
        &self.track
    }

    fn next(&mut self) -> Result<Option<AccessUnit>, MediaError> {
        let _ = &self.reader;
        todo!()
    }

    fn seek(&mut self, _pts_us: i64) -> Result<(), MediaError> {
        todo!()
    }

    fn damage(&self) -> &[Damage] {
        &[]
    }
}
