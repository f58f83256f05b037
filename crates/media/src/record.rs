//! What a record's headers mean, and what kind of record it is.

use crate::Codec;

/// What a video record's headers say of its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureMeta {
    /// How the picture is encoded.
    pub codec: Codec,
    /// Whether decoding can start here; true of every JPEG and PNG.
    pub key: bool,
    /// When it is shown, since the publisher's start.
    pub pts_us: Option<i64>,
    /// When it is decoded, since the publisher's start.
    pub dts_us: Option<i64>,
    /// RFC 6381 codec string (key frames).
    pub codec_string: Option<String>,
    /// Width and height in pixels (key frames and pictures).
    pub size: Option<(u32, u32)>,
    /// 0 on the key frame, then 1, 2, …
    pub gop_index: Option<u32>,
}

impl PictureMeta {
    /// The record's headers: names and values.
    pub fn to_headers(&self) -> Vec<(&'static str, String)> {
        todo!()
    }
}

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One encoded picture.
    Video(Codec),
    /// Numbers, as [`crate::numbers::parse`] reads them.
    Numbers,
    /// Any other UTF-8.
    Text,
    /// Anything else.
    Binary,
}

/// Reads a video record's headers, or its first bytes where it has none; `None` if it is no video.
pub fn read<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    value: &[u8],
) -> Option<PictureMeta> {
    let _ = (headers.count(), value);
    todo!()
}

/// What kind of record it is.
pub fn classify<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>, value: &[u8]) -> Kind {
    let _ = (headers.count(), value);
    todo!()
}
