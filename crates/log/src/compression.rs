//! A batch's records as they were before the producer compressed them: for lookups by time and compaction, which must see records.
//!
//! A payload goes in, borrowed where nothing is to be done. What comes out is bounded, whatever the payload claims to hold.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::borrow::Cow;
use std::io::Read;

use crate::error::LogError;

/// More than any batch decompresses to; a bomb ends here.
const LARGEST_LEN: usize = 128 << 20;
/// What Java's Snappy (xerial) puts in front: its magic, and two versions of four bytes behind it.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_LEN: usize = 16;

/// The payload of a batch with compression number `codec`, as it was before.
pub fn decompress(codec: u8, payload: &[u8]) -> Result<Cow<'_, [u8]>, LogError> {
    match codec {
        0 => Ok(Cow::Borrowed(payload)),
        1 => read(flate2::read::MultiGzDecoder::new(payload)),
        2 => snappy(payload),
        3 => read(lz4_flex::frame::FrameDecoder::new(payload)),
        4 => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(payload);
            read(decoder.map_err(|error| LogError::corrupt(format!("zstd: {error}")))?)
        }
        codec => Err(LogError::UnsupportedCompression { codec }),
    }
    .map(|payload: Cow<'_, [u8]>| payload)
}

fn read<'a>(decoder: impl Read) -> Result<Cow<'a, [u8]>, LogError> {
    let mut payload = Vec::new();
    let read = decoder
        .take(LARGEST_LEN as u64 + 1)
        .read_to_end(&mut payload);
    read.map_err(|error| LogError::corrupt(format!("it does not decompress: {error}")))?;
    if payload.len() > LARGEST_LEN {
        return Err(too_large());
    }
    Ok(Cow::Owned(payload))
}

/// Snappy bare, or in the chunks of Java's library: a length of four bytes and so much Snappy, again and again.
fn snappy<'a>(payload: &[u8]) -> Result<Cow<'a, [u8]>, LogError> {
    let mut whole = Vec::new();
    if !payload.starts_with(XERIAL_MAGIC) {
        snappy_chunk(payload, &mut whole)?;
        return Ok(Cow::Owned(whole));
    }
    let mut rest = payload.get(XERIAL_HEADER_LEN..).unwrap_or_default();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let (chunk, behind) = behind
            .split_at_checked(length)
            .ok_or_else(|| LogError::corrupt(format!("a Snappy chunk's length is {length}")))?;
        snappy_chunk(chunk, &mut whole)?;
        rest = behind;
    }
    Ok(Cow::Owned(whole))
}

fn snappy_chunk(chunk: &[u8], whole: &mut Vec<u8>) -> Result<(), LogError> {
    let failed = |error| LogError::corrupt(format!("it does not decompress: {error}"));
    let len = snap::raw::decompress_len(chunk).map_err(failed)?;
    // A chunk cannot hold more than some 21 times its size, whatever its first bytes say.
    if len > LARGEST_LEN.saturating_sub(whole.len()) || len / 32 > chunk.len() {
        return Err(too_large());
    }
    let start = whole.len();
    whole.resize(start + len, 0);
    let place = whole.get_mut(start..).unwrap_or_default();
    let written = snap::raw::Decoder::new()
        .decompress(chunk, place)
        .map_err(failed)?;
    whole.truncate(start + written);
    Ok(())
}

fn too_large() -> LogError {
    LogError::corrupt(format!("it decompresses to more than {LARGEST_LEN} bytes"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn compressed(codec: u8, payload: &[u8]) -> Vec<u8> {
        match codec {
            1 => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(payload).unwrap();
                encoder.finish().unwrap()
            }
            2 => snap::raw::Encoder::new().compress_vec(payload).unwrap(),
            3 => {
                let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
                encoder.write_all(payload).unwrap();
                encoder.finish().unwrap()
            }
            4 => ruzstd::encoding::compress_to_vec(
                payload,
                ruzstd::encoding::CompressionLevel::Fastest,
            ),
            _ => payload.to_vec(),
        }
    }

    #[test]
    fn every_codec_gives_back_what_went_in() {
        for payload in [
            Vec::new(),
            b"some text, some text".to_vec(),
            (0..200_000_u32).map(|n| (n / 7) as u8).collect(),
        ] {
            for codec in 0..=4 {
                let packed = compressed(codec, &payload);
                assert_eq!(
                    *decompress(codec, &packed).unwrap(),
                    *payload,
                    "codec {codec}"
                );
            }
        }
    }

    #[test]
    fn java_snappy_chunks_are_joined() {
        let mut packed = XERIAL_MAGIC.to_vec();
        packed.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        for part in ["ab", "cde"] {
            let chunk = compressed(2, part.as_bytes());
            packed.extend((chunk.len() as u32).to_be_bytes());
            packed.extend(chunk);
        }
        assert_eq!(*decompress(2, &packed).unwrap(), *b"abcde");
    }

    #[test]
    fn what_is_cut_off_or_mutated_is_an_error_or_other_bytes_but_never_a_panic() {
        let payload: Vec<u8> = (0..5000_u32).map(|n| (n * n / 100) as u8).collect();
        for codec in 1..=4 {
            let packed = compressed(codec, &payload);
            for cut in 0..packed.len().min(300) {
                let _ = decompress(codec, &packed[..cut]);
            }
            for at in 0..packed.len().min(300) {
                for value in [0, 0x7f, 0xff] {
                    let mut mutated = packed.clone();
                    mutated[at] = value;
                    let _ = decompress(codec, &mutated);
                }
            }
        }
        // 4 GB claimed by five bytes.
        assert!(decompress(2, &[0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
        assert!(decompress(9, b"").is_err());
    }
}
