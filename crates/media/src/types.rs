//! The types every module here speaks: which codec, one access unit, one video track.
//!
//! Plain values; nothing here parses or does I/O.

use bytes::Bytes;

/// How a picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 / AVC, Annex B byte-stream form.
    H264,
    /// H.265 / HEVC, Annex B byte-stream form.
    H265,
    /// AV1, one temporal unit in low-overhead form.
    Av1,
    /// VP9, one frame (or superframe).
    Vp9,
    /// A JPEG file.
    Jpeg,
    /// A PNG file.
    Png,
}

impl Codec {
    /// Every codec there is.
    pub const ALL: [Codec; 6] = [
        Codec::H264,
        Codec::H265,
        Codec::Av1,
        Codec::Vp9,
        Codec::Jpeg,
        Codec::Png,
    ];

    /// The `content-type` of a record that holds such a picture.
    pub fn content_type(self) -> &'static str {
        match self {
            Codec::H264 => "video/h264",
            Codec::H265 => "video/h265",
            Codec::Av1 => "video/av1",
            Codec::Vp9 => "video/vp9",
            Codec::Jpeg => "image/jpeg",
            Codec::Png => "image/png",
        }
    }

    /// The codec a `content-type` names; parameters after `;` and letter case do not matter.
    pub fn from_content_type(content_type: &str) -> Option<Codec> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        Self::ALL
            .into_iter()
            .find(|codec| codec.content_type().eq_ignore_ascii_case(essence))
    }

    /// Whether a picture may need others before it to be decoded.
    pub fn is_inter(self) -> bool {
        !matches!(self, Codec::Jpeg | Codec::Png)
    }

    /// The codec's name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "H.264",
            Codec::H265 => "H.265",
            Codec::Av1 => "AV1",
            Codec::Vp9 => "VP9",
            Codec::Jpeg => "JPEG",
            Codec::Png => "PNG",
        }
    }
}

/// One encoded picture with its times.
///
/// H.264 and H.265: Annex B, key ones with their parameter sets in front. AV1: a temporal unit, VP9: a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// When the picture is shown.
    pub pts_us: i64,
    /// When it is handed to the decoder; never greater than the next one's.
    pub dts_us: i64,
    /// How long it is shown; 0 where the container does not say.
    pub duration_us: i64,
    /// Whether decoding can start here.
    pub key: bool,
    /// The encoded picture.
    pub data: Bytes,
}

/// What is known of a file's video track before its pictures are read.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoTrack {
    /// How the pictures are encoded.
    pub codec: Codec,
    /// The codec in RFC 6381 form, such as `avc1.64001f`; empty where neither the container nor the first key frame says.
    pub codec_string: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How long the track plays.
    pub duration_us: Option<i64>,
    /// How many pictures it has.
    pub pictures: Option<u64>,
    /// How many bytes its pictures take in the file.
    pub len_bytes: Option<u64>,
}
