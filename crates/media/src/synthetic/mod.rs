//! Small video files made by the code itself, for the tests of this and other crates.

use crate::AccessUnit;

/// What to put into a made-up file.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
    /// How many pictures.
    pub pictures: u32,
    /// A key frame every so many pictures.
    pub gop: u32,
}

impl Clip {
    /// The clip's access units: the test card, encoded as H.264, starting at 0.
    pub fn h264(&self) -> Vec<AccessUnit> {
        todo!()
    }
}

/// How an MP4 is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mp4Layout {
    /// `moov` in front of `mdat`.
    pub moov_front: bool,
    /// Movie fragments instead of a sample table.
    pub fragmented: bool,
}

/// An MP4 file with the access units.
pub fn mp4(units: &[AccessUnit], layout: Mp4Layout) -> Vec<u8> {
    let _ = (units, layout);
    todo!()
}

/// A Matroska file with the access units.
pub fn mkv(units: &[AccessUnit]) -> Vec<u8> {
    let _ = units;
    todo!()
}
