//! What a record's headers mean, and what kind of record it is.
//!
//! Headers are ASCII text: `content-type`, `frame`, `pts`, `dts`, `codec`, `size`, `gop-index`, `channels`, `since-key`. Anybody may
//! have written them, so one that cannot be read is as good as absent; of one given twice the last holds, as Kafka's clients have
//! it. A record without a `content-type` is known by its first bytes.
//!
//! Sound stands between the pictures it belongs to, told apart by its `content-type` alone.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use crate::sound::SoundCodec;
use crate::{Codec, MAX_PIXELS, av1, h264, h265, jpeg, nal, numbers, png, vp9};

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
        let mut headers = vec![("content-type", self.codec.content_type().to_owned())];
        if self.codec.is_inter() {
            headers.push(("frame", if self.key { "key" } else { "delta" }.to_owned()));
        }
        let numbers = [("pts", self.pts_us), ("dts", self.dts_us)];
        headers.extend(
            numbers
                .into_iter()
                .filter_map(|(name, us)| Some((name, us?.to_string()))),
        );
        if self.key {
            headers.extend(
                self.codec_string
                    .clone()
                    .filter(|_| self.codec.is_inter())
                    .map(|codec| ("codec", codec)),
            );
            headers.extend(
                self.size
                    .map(|(width, height)| ("size", format!("{width}x{height}"))),
            );
        }
        if let Some(index) = self.gop_index.filter(|_| self.codec.is_inter()) {
            headers.push(("gop-index", index.to_string()));
        }
        headers
    }
}

/// What a sound record's headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundMeta {
    /// How it is encoded.
    pub codec: SoundCodec,
    /// When its first sample is heard, on the time line of the pictures under the same key.
    pub pts_us: Option<i64>,
    /// RFC 6381 codec string.
    pub codec_string: Option<String>,
    /// How many channels its track has.
    pub channels: Option<u8>,
}

impl SoundMeta {
    /// The record's headers: names and values.
    pub fn to_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", self.codec.content_type().to_owned())];
        headers.extend(self.pts_us.map(|us| ("pts", us.to_string())));
        headers.extend(self.codec_string.clone().map(|codec| ("codec", codec)));
        headers.extend(
            self.channels
                .map(|channels| ("channels", channels.to_string())),
        );
        headers
    }
}

/// The header that says how many records in front of this one its key frame lies, pictures and sound of one publisher counted.
pub const SINCE_KEY: &str = "since-key";

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One encoded picture.
    Video(Codec),
    /// One access unit of sound, which stands beside pictures.
    Sound(SoundCodec),
    /// Numbers, as [`crate::numbers::parse`] reads them.
    Numbers,
    /// Any other UTF-8 (without NUL, which no text has).
    Text,
    /// Anything else.
    Binary,
}

/// Reads a video record's headers, or its first bytes where they do not name a codec; `None` if it is no video.
pub fn read<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    value: &[u8],
) -> Option<PictureMeta> {
    let mut content_type = None;
    let mut frame = None;
    let mut meta = PictureMeta {
        codec: Codec::H264,
        key: false,
        pts_us: None,
        dts_us: None,
        codec_string: None,
        size: None,
        gop_index: None,
    };
    for (name, bytes) in headers {
        let Some(text) = header_text(bytes) else {
            continue;
        };
        match name {
            "content-type" => content_type = Some(text),
            "frame" => frame = Some(text),
            "pts" => meta.pts_us = text.parse().ok(),
            "dts" => meta.dts_us = text.parse().ok(),
            "codec" => meta.codec_string = codec_string(text),
            "size" => meta.size = size(text),
            "gop-index" => meta.gop_index = text.parse().ok(),
            _ => {}
        }
    }
    meta.codec = match content_type {
        Some(content_type) => Codec::from_content_type(content_type)?,
        None => sniff(value)?,
    };
    meta.key = match frame {
        _ if !meta.codec.is_inter() => true,
        Some(frame) if frame.eq_ignore_ascii_case("key") => true,
        Some(frame) if frame.eq_ignore_ascii_case("delta") => false,
        _ => is_key(meta.codec, value),
    };
    Some(meta)
}

/// Reads a sound record's headers; `None` if its `content-type` names no sound.
pub fn read_sound<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<SoundMeta> {
    let mut codec = None;
    let (mut pts_us, mut codec_string, mut channels) = (None, None, None);
    for (name, bytes) in headers {
        let Some(text) = header_text(bytes) else {
            continue;
        };
        match name {
            "content-type" => codec = SoundCodec::from_content_type(text),
            "pts" => pts_us = text.parse().ok(),
            "codec" => codec_string = self::codec_string(text),
            "channels" => channels = text.parse().ok(),
            _ => {}
        }
    }
    Some(SoundMeta {
        codec: codec?,
        pts_us,
        codec_string,
        channels,
    })
}

/// How many records in front of this one its key frame lies, where its publisher says so.
pub fn since_key<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<u32> {
    headers
        .filter(|(name, _)| *name == SINCE_KEY)
        .filter_map(|(_, bytes)| header_text(bytes)?.parse().ok())
        .last()
}

/// Headers longer than this are nobody's honest text.
const MAX_HEADER_BYTES: usize = 256;

fn header_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= MAX_HEADER_BYTES)?;
    Some(text.trim())
}

/// A codec string goes into a MIME type in a browser: only what RFC 6381 has in it may pass.
fn codec_string(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.to_owned())
}

fn size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
    (1..=MAX_PIXELS)
        .contains(&(u64::from(width) * u64::from(height)))
        .then_some((width, height))
}

/// Whether a picture can be decoded without others, as its own headers say.
pub fn is_key(codec: Codec, value: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264::is_key(value),
        Codec::H265 => h265::is_key(value),
        Codec::Av1 => av1::is_key(value),
        Codec::Vp9 => vp9::is_key(value),
        Codec::Jpeg | Codec::Png => true,
    }
}

/// The codec of a picture by its first bytes: JPEG, PNG, Annex B.
pub fn sniff(value: &[u8]) -> Option<Codec> {
    if jpeg::is_jpeg(value) {
        return Some(Codec::Jpeg);
    }
    if png::is_png(value) {
        return Some(Codec::Png);
    }
    if !nal::is_annex_b(value) {
        return None;
    }
    // The first NAL unit's header tells the two apart. H.265's has a second byte, 1 for the base layer; the values taken
    // for H.265 here are ones that are reserved, or need another `nal_ref_idc`, in H.264.
    let mut unit = value.iter().skip_while(|byte| **byte == 0).skip(1);
    match (*unit.next()?, unit.next().copied()) {
        (0x40 | 0x42 | 0x44 | 0x46 | 0x4e | 0x50 | 0x26 | 0x28 | 0x2a | 0x02 | 0x00, Some(1)) => {
            Some(Codec::H265)
        }
        (first, _) if first & 0x80 == 0 && matches!(first & 0x1f, 1..=9) => Some(Codec::H264),
        _ => None,
    }
}

/// What kind of record it is.
pub fn classify<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    value: &[u8],
) -> Kind {
    if let Some(meta) = read(headers.clone(), value) {
        return Kind::Video(meta.codec);
    }
    if let Some(meta) = read_sound(headers) {
        return Kind::Sound(meta.codec);
    }
    if numbers::parse(value).is_ok() {
        return Kind::Numbers;
    }
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains('\0') => Kind::Text,
        _ => Kind::Binary,
    }
}

/// What the picture itself says of its codec and size: for publishers, which fill in `codec` and `size` from it.
pub fn describe(codec: Codec, value: &[u8]) -> Option<(String, (u32, u32))> {
    match codec {
        Codec::H264 => {
            h264::find_sps(value).map(|sps| (sps.codec_string(), (sps.width, sps.height)))
        }
        Codec::H265 => {
            h265::find_sps(value).map(|sps| (sps.codec_string(), (sps.width, sps.height)))
        }
        Codec::Av1 => av1::find_sequence_header(value)
            .map(|(header, _)| (header.codec_string(), (header.width, header.height))),
        Codec::Vp9 => vp9::KeyHeader::parse(value)
            .map(|header| (header.codec_string(), (header.width, header.height))),
        Codec::Jpeg => jpeg::size(value).map(|size| (String::new(), size)),
        Codec::Png => png::size(value).map(|size| (String::new(), size)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(headers: &[(&'static str, String)], value: &[u8]) -> Option<PictureMeta> {
        read(
            headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
            value,
        )
    }

    #[test]
    fn a_key_frame_has_the_headers_of_the_interface() {
        let meta = PictureMeta {
            codec: Codec::H264,
            key: true,
            pts_us: Some(40_000),
            dts_us: Some(-40_000),
            codec_string: Some("avc1.64001f".to_owned()),
            size: Some((1280, 720)),
            gop_index: Some(0),
        };
        let headers = meta.to_headers();
        let expected = [
            ("content-type", "video/h264"),
            ("frame", "key"),
            ("pts", "40000"),
            ("dts", "-40000"),
            ("codec", "avc1.64001f"),
            ("size", "1280x720"),
            ("gop-index", "0"),
        ];
        assert_eq!(
            headers,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
        assert_eq!(read_back(&headers, &[]), Some(meta));
    }

    #[test]
    fn a_delta_picture_and_an_image_have_no_more_headers_than_they_need() {
        let mut meta = read_back(&[("content-type", "video/h264".to_owned())], &[]).unwrap();
        meta.gop_index = Some(3);
        let names: Vec<_> = meta
            .to_headers()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["content-type", "frame", "gop-index"]);
        meta.codec = Codec::Jpeg;
        meta.key = true;
        meta.size = Some((4, 3));
        let names: Vec<_> = meta
            .to_headers()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["content-type", "size"]);
    }

    #[test]
    fn a_record_without_headers_is_known_by_its_first_bytes() {
        for (value, codec, key) in [
            (&b"\xff\xd8\xff\xe0"[..], Codec::Jpeg, true),
            (b"\x89PNG\r\n\x1a\n", Codec::Png, true),
            (
                b"\0\0\0\x01\x67\x42\0\x1f\0\0\x01\x65\x88",
                Codec::H264,
                true,
            ),
            (b"\0\0\x01\x41\x9a", Codec::H264, false),
            (b"\0\0\0\x01\x09\x10\0\0\x01\x41\x9a", Codec::H264, false),
            (b"\0\0\0\x01\x40\x01\x0c\0\0\x01\x26\x01", Codec::H265, true),
            (b"\0\0\0\x01\x02\x01\xd0", Codec::H265, false),
        ] {
            let meta = read(std::iter::empty(), value).unwrap();
            assert_eq!((meta.codec, meta.key), (codec, key), "{value:?}");
        }
        for value in [
            &b""[..],
            b"\0\0\x01",
            b"\0\0\0\x01\xff",
            b"hello",
            b"\xff\xd8",
            b"\0\0\0\x2a",
        ] {
            assert_eq!(read(std::iter::empty(), value), None, "{value:?}");
        }
    }

    #[test]
    fn a_content_type_that_is_no_video_rules_out_video() {
        let headers = [("content-type", &b"application/json"[..])];
        assert_eq!(read(headers.into_iter(), b"\xff\xd8\xff\xe0"), None);
    }

    #[test]
    fn hostile_headers_are_as_good_as_absent() {
        let headers: [(&str, &[u8]); 8] = [
            ("content-type", b"Video/H264; x=y"),
            ("frame", b"\xff\xff"),
            ("pts", b"99999999999999999999999"),
            ("dts", b"-"),
            ("codec", b"avc1\"><script>"),
            ("size", b"4294967295x4294967295"),
            ("gop-index", b"-1"),
            ("pts", &[b'1'; 10_000]),
        ];
        let meta = read(headers.into_iter(), b"\0\0\x01\x65").unwrap();
        assert_eq!(meta.codec, Codec::H264);
        assert!(meta.key);
        let rest = (
            meta.pts_us,
            meta.dts_us,
            meta.codec_string,
            meta.size,
            meta.gop_index,
        );
        assert_eq!(rest, (None, None, None, None, None));
    }

    #[test]
    fn records_are_classified() {
        let none = std::iter::empty::<(&str, &[u8])>;
        for (value, kind) in [
            (&b"42"[..], Kind::Numbers),
            (b"{\"a\":1}", Kind::Numbers),
            (b"{\"a\":\"b\"}", Kind::Text),
            (b"to be or not", Kind::Text),
            (b"", Kind::Text),
            (b"\0\0\0\0\0\0\0\x2a", Kind::Binary),
            (b"\xff\xfe", Kind::Binary),
            (b"\xff\xd8\xff\xdb", Kind::Video(Codec::Jpeg)),
        ] {
            assert_eq!(classify(none(), value), kind, "{value:?}");
        }
        let headers = [("content-type", &b"video/av1"[..])];
        assert_eq!(classify(headers.into_iter(), b""), Kind::Video(Codec::Av1));
        let headers = [("content-type", &b"audio/aac"[..])];
        let kind = classify(headers.into_iter(), b"\xff\xf1");
        assert_eq!(kind, Kind::Sound(SoundCodec::Aac));
    }

    #[test]
    fn sound_is_told_from_pictures_by_its_content_type_whatever_its_bytes_look_like() {
        let meta = SoundMeta {
            codec: SoundCodec::Opus,
            pts_us: Some(-6_500),
            codec_string: Some("opus".to_owned()),
            channels: Some(2),
        };
        let headers = meta.to_headers();
        let expected = [
            ("content-type", "audio/opus"),
            ("pts", "-6500"),
            ("codec", "opus"),
            ("channels", "2"),
        ];
        assert_eq!(
            headers,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
        let pairs = || {
            headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes()))
        };
        assert_eq!(read_sound(pairs()), Some(meta));
        assert_eq!(read(pairs(), b"\0\0\x01\x65\x88"), None);
        assert_eq!(read_sound(std::iter::empty()), None);
        let video = [("content-type", &b"video/h264"[..]), ("since-key", b"7")];
        assert_eq!(read_sound(video.into_iter()), None);
        assert_eq!(since_key(video.into_iter()), Some(7));
        assert_eq!(since_key([(SINCE_KEY, &b"-1"[..])].into_iter()), None);
    }

    proptest! {
        #[test]
        fn any_headers_are_read_without_harm(
            headers in prop::collection::vec(
                ("(content-type|frame|pts|dts|codec|size|gop-index|channels|since-key)", prop::collection::vec(any::<u8>(), 0..20)), 0..10),
            value in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let pairs = || headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
            let _ = read(pairs(), &value);
            let _ = (read_sound(pairs()), since_key(pairs()));
            let _ = classify(pairs(), &value);
        }

        #[test]
        fn written_headers_are_read_back(
            codec in prop::sample::select(&[Codec::H264, Codec::H265, Codec::Av1, Codec::Vp9][..]),
            key in any::<bool>(), pts in any::<Option<i64>>(), dts in any::<Option<i64>>(),
            gop_index in any::<Option<u32>>(), width in 1u32..5000, height in 1u32..5000,
        ) {
            let meta = PictureMeta {
                codec, key, pts_us: pts, dts_us: dts, gop_index,
                codec_string: key.then(|| "av01.0.08M.08".to_owned()),
                size: key.then_some((width, height)),
            };
            prop_assert_eq!(read_back(&meta.to_headers(), &[]), Some(meta));
        }
    }
}
