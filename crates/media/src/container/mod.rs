//! Video files: MP4, MOV, Matroska and `WebM` in, access units in decode order out.

use std::io::{Read, Seek};

use crate::{AccessUnit, MediaError, VideoTrack};

/// A part of the file that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// When the missing part would have been shown, where known.
    pub pts_us: Option<i64>,
    /// Where in the file, where known.
    pub position_bytes: Option<u64>,
    /// What is wrong there.
    pub what: String,
}

/// Reads a file's video track, one access unit at a time.
pub trait Demuxer: Send {
    /// What is known of the track.
    fn track(&self) -> &VideoTrack;
    /// The next access unit in decode order; `None` at the end. Damaged ones are passed over and listed.
    fn next(&mut self) -> Result<Option<AccessUnit>, MediaError>;
    /// Goes on from the last key frame at or before `pts_us`, or the first one if there is none before.
    fn seek(&mut self, pts_us: i64) -> Result<(), MediaError>;
    /// What was passed over so far.
    fn damage(&self) -> &[Damage];
}

/// Opens a video file, whichever of the containers it is.
pub fn open<R: Read + Seek + Send + 'static>(reader: R) -> Result<Box<dyn Demuxer>, MediaError> {
    let _ = reader;
    todo!("containers")
}
