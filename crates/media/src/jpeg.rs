//! JPEG files: pictures in and out, and what a file's headers alone say.
//!
//! JPEG is full range, [`Yuv420`] limited: values are converted both ways. Decoding takes at most
//! [`crate::MAX_PIXELS`], and a decoder that panics on hostile bytes costs the picture, not the process.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use crate::{Codec, MediaError, Yuv420, yuv};

/// Encodes a picture; `quality` from 1 to 100.
pub fn encode(picture: &Yuv420, quality: u8) -> Result<Vec<u8>, MediaError> {
    let size = (u16::try_from(picture.width), u16::try_from(picture.height));
    let (Ok(width), Ok(height)) = size else {
        return Err(encode_error("a JPEG is at most 65535 pixels wide and high"));
    };
    if !picture.planes_fit() {
        return Err(encode_error("its planes are not as long as its size says"));
    }
    let (luma, chroma) = yuv::full_range_tables();
    let mut out = Vec::with_capacity(picture.y.len() / 8);
    let mut encoder = Encoder::new(&mut out, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder
        .encode_image(Rows {
            picture,
            width,
            height,
            luma,
            chroma,
        })
        .map_err(|cause| encode_error(&cause.to_string()))?;
    Ok(out)
}

/// A picture as the encoder asks for it: row by row in full range, chroma as wide as luma.
struct Rows<'a> {
    picture: &'a Yuv420,
    width: u16,
    height: u16,
    luma: [u8; 256],
    chroma: [u8; 256],
}

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let [luma_out, u_out, v_out, _] = buffers;
        let (row, width) = (usize::from(y), usize::from(self.width));
        let luma = self
            .picture
            .y
            .get(row * width..(row + 1) * width)
            .unwrap_or_default();
        luma_out.extend(
            luma.iter()
                .filter_map(|value| self.luma.get(usize::from(*value))),
        );
        let chroma_width = self.picture.chroma_width();
        let chroma = row / 2 * chroma_width..(row / 2 + 1) * chroma_width;
        for (plane, out) in [(&self.picture.u, u_out), (&self.picture.v, v_out)] {
            let end = out.len() + width;
            for value in plane.get(chroma.clone()).unwrap_or_default() {
                let value = self.chroma.get(usize::from(*value)).copied().unwrap_or(128);
                out.extend_from_slice(&[value, value]);
            }
            // Of an odd width the last chroma value has one pixel only.
            out.truncate(end);
        }
    }
}

/// Decodes a picture of at most [`crate::MAX_PIXELS`].
pub fn decode(file: &[u8]) -> Result<Yuv420, MediaError> {
    let (width, height) =
        size(file).ok_or_else(|| decode_error("it has no sound JPEG header".to_owned()))?;
    yuv::check_size(width.into(), height.into())?;
    catch_unwind(AssertUnwindSafe(|| decode_checked(file, width, height)))
        .unwrap_or_else(|_| Err(decode_error("the decoder gave up on it".to_owned())))
}

fn decode_checked(file: &[u8], width: u32, height: u32) -> Result<Yuv420, MediaError> {
    let options = DecoderOptions::new_safe()
        .set_max_width(width as usize)
        .set_max_height(height as usize)
        .jpeg_set_max_scans(64);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder
        .decode_headers()
        .map_err(|cause| decode_error(format!("{cause:?}")))?;
    let direct = decoder.input_colorspace() == Some(ColorSpace::YCbCr);
    let wanted = if direct {
        ColorSpace::YCbCr
    } else {
        ColorSpace::RGB
    };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let pixels = decoder
        .decode()
        .map_err(|cause| decode_error(format!("{cause:?}")))?;
    if pixels.len() != width as usize * height as usize * 3 {
        return Err(decode_error(
            "it has more or fewer pixels than its header says".to_owned(),
        ));
    }
    if !direct {
        return Yuv420::from_rgb(width, height, &pixels);
    }
    let mut picture = from_interleaved(width, height, &pixels)?;
    picture.limit_range();
    Ok(picture)
}

/// From pixels of three bytes, Y, U and V; chroma is the mean of two by two pixels.
fn from_interleaved(width: u32, height: u32, pixels: &[u8]) -> Result<Yuv420, MediaError> {
    let mut picture = Yuv420::new(width, height)?;
    let row_bytes = width as usize * 3;
    let chroma_width = picture.chroma_width();
    for (pixel, luma) in pixels.chunks_exact(3).zip(&mut picture.y) {
        *luma = pixel.first().copied().unwrap_or_default();
    }
    let rows = pixels.chunks(row_bytes * 2);
    let planes = picture
        .u
        .chunks_mut(chroma_width)
        .zip(picture.v.chunks_mut(chroma_width));
    for (two_rows, (u_row, v_row)) in rows.zip(planes) {
        // Of an odd height the last row stands alone.
        let (top, bottom) = two_rows
            .split_at_checked(row_bytes)
            .unwrap_or((two_rows, two_rows));
        let bottom = if bottom.is_empty() { top } else { bottom };
        let values = top
            .chunks(6)
            .zip(bottom.chunks(6))
            .zip(u_row.iter_mut().zip(v_row));
        for ((top, bottom), (u, v)) in values {
            *u = mean(top, bottom, 1);
            *v = mean(top, bottom, 2);
        }
    }
    Ok(picture)
}

/// The mean of a channel over two or one pixels of each of two rows.
fn mean(top: &[u8], bottom: &[u8], channel: usize) -> u8 {
    let at = |row: &[u8], pixel: usize| {
        row.get(pixel * 3 + channel)
            .or(row.get(channel))
            .map_or(0, |value| u32::from(*value))
    };
    let sum = at(top, 0) + at(top, 1) + at(bottom, 0) + at(bottom, 1);
    ((sum + 2) / 4) as u8
}

/// Width and height, read from the file's headers alone (ITU-T T.81 §B.2.2).
pub fn size(file: &[u8]) -> Option<(u32, u32)> {
    let mut rest = file.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (marker, after) = rest.split_first_chunk::<2>()?;
        match marker {
            // Fill bytes may stand in front of a marker.
            [0xff, 0xff] => rest = rest.get(1..)?,
            // Markers without a segment.
            [0xff, 0x01 | 0xd0..=0xd7] => rest = after,
            // A frame header, of whichever process.
            [0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf] => {
                let header = after.first_chunk::<7>()?;
                let [_, _, _, height @ .., _, _] = header;
                let height = u16::from_be_bytes(*height);
                let width = u16::from_be_bytes([header[5], header[6]]);
                return (width > 0 && height > 0).then_some((width.into(), height.into()));
            }
            // The picture's data or its end: no header came.
            [0xff, 0xd9 | 0xda] => return None,
            [0xff, _] => {
                let len_bytes = usize::from(u16::from_be_bytes(*after.first_chunk()?));
                rest = after.get(len_bytes.max(2)..)?;
            }
            _ => return None,
        }
    }
}

/// Whether the bytes begin as such a file does.
pub fn is_jpeg(file: &[u8]) -> bool {
    matches!(file, [0xff, 0xd8, 0xff, ..])
}

fn encode_error(why: &str) -> MediaError {
    MediaError::Encode {
        codec: Codec::Jpeg,
        why: why.to_owned(),
    }
}

fn decode_error(why: String) -> MediaError {
    MediaError::Decode {
        codec: Codec::Jpeg,
        why,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testcard::{TestCard, read_time};

    #[test]
    fn a_picture_survives_jpeg() {
        for (width, height) in [(640, 360), (321, 241), (1, 1), (7, 2)] {
            let mut card = TestCard::new(width, height).unwrap();
            let picture = card.draw(3, 1_700_000_000_123);
            let file = encode(picture, 90).unwrap();
            assert_eq!(size(&file), Some((width, height)));
            let back = decode(&file).unwrap();
            assert!(back.planes_fit());
            let difference: u64 = back
                .y
                .iter()
                .zip(&picture.y)
                .map(|(a, b)| u64::from(a.abs_diff(*b)))
                .sum();
            assert!(
                difference < 4 * picture.y.len() as u64,
                "{width}x{height}: {difference}"
            );
            if width > 192 {
                assert_eq!(read_time(&back), Some(1_700_000_000_123));
            }
        }
    }

    #[test]
    fn a_size_larger_than_is_handled_is_refused_before_anything_is_decoded() {
        let file = [
            0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(size(&file), Some((65535, 65535)));
        assert!(matches!(decode(&file), Err(MediaError::PictureSize { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_file_is_decoded_or_refused_without_harm(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>(),
        ) {
            let mut file = encode(TestCard::new(48, 32).unwrap().draw(0, 0), 50).unwrap();
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            let _ = decode(&file);
            file.truncate(cut.index(file.len()));
            let _ = decode(&file);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut file = vec![0xff, 0xd8];
            file.extend(&bytes);
            let _ = size(&file);
            let _ = decode(&file);
        }
    }
}
