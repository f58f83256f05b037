//! PNG files: pictures in and out, and what a file's header says.
//!
//! Decoding takes at most [`crate::MAX_PIXELS`]; an alpha channel is dropped.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Limits, Transformations};

use crate::{Codec, MAX_PIXELS, MediaError, Yuv420, yuv};

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// Encodes a picture.
pub fn encode(picture: &Yuv420) -> Result<Vec<u8>, MediaError> {
    if !picture.planes_fit() {
        return Err(encode_error("its planes are not as long as its size says"));
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, picture.width, picture.height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&picture.to_rgb())?;
        writer.finish()
    });
    written.map_err(|cause| encode_error(&cause.to_string()))?;
    Ok(out)
}

/// Decodes a picture of at most [`crate::MAX_PIXELS`].
pub fn decode(file: &[u8]) -> Result<Yuv420, MediaError> {
    let (width, height) = size(file).ok_or_else(|| decode_error(&"it has no sound PNG header"))?;
    yuv::check_size(width.into(), height.into())?;
    let limits = Limits {
        bytes: MAX_PIXELS as usize * 8,
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), limits);
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|cause| decode_error(&cause))?;
    let len_bytes = reader
        .output_buffer_size()
        .filter(|len| *len as u64 <= MAX_PIXELS * 4);
    let mut pixels = vec![0; len_bytes.ok_or_else(|| decode_error(&"it is too large"))?];
    let info = reader
        .next_frame(&mut pixels)
        .map_err(|cause| decode_error(&cause))?;
    let samples = info.color_type.samples();
    let rgb: Vec<u8> = match samples {
        3 => pixels,
        4 => pixels
            .chunks_exact(4)
            .flat_map(|pixel| pixel.iter().take(3))
            .copied()
            .collect(),
        _ => pixels
            .iter()
            .step_by(samples.max(1))
            .flat_map(|grey| [*grey; 3])
            .collect(),
    };
    Yuv420::from_rgb(info.width, info.height, &rgb)
}

/// Width and height, read from the file's header alone (PNG specification §11.2.1).
pub fn size(file: &[u8]) -> Option<(u32, u32)> {
    let rest = file
        .strip_prefix(&SIGNATURE)?
        .get(4..)?
        .strip_prefix(b"IHDR")?;
    let (width, rest) = rest.split_first_chunk::<4>()?;
    let (width, height) = (
        u32::from_be_bytes(*width),
        u32::from_be_bytes(*rest.first_chunk::<4>()?),
    );
    (width > 0 && height > 0).then_some((width, height))
}

/// Whether the bytes begin as such a file does.
pub fn is_png(file: &[u8]) -> bool {
    file.starts_with(&SIGNATURE)
}

fn encode_error(why: &str) -> MediaError {
    MediaError::Encode {
        codec: Codec::Png,
        why: why.to_owned(),
    }
}

fn decode_error(why: &dyn std::fmt::Display) -> MediaError {
    MediaError::Decode {
        codec: Codec::Png,
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testcard::{TestCard, read_time};

    #[test]
    fn a_picture_survives_png() {
        let mut card = TestCard::new(321, 241).unwrap();
        let file = encode(card.draw(3, 1_700_000_000_123)).unwrap();
        assert_eq!(size(&file), Some((321, 241)));
        assert_eq!(read_time(&decode(&file).unwrap()), Some(1_700_000_000_123));
    }

    #[test]
    fn a_size_larger_than_is_handled_is_refused_before_anything_is_decoded() {
        let mut file = encode(&Yuv420::new(8, 8).unwrap()).unwrap();
        file[16..20].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
        assert!(matches!(decode(&file), Err(MediaError::PictureSize { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_file_is_decoded_or_refused_without_harm(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>(),
        ) {
            let mut file = encode(TestCard::new(48, 32).unwrap().draw(0, 0)).unwrap();
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            let _ = decode(&file);
            file.truncate(cut.index(file.len()));
            let _ = decode(&file);
        }
    }
}
