//! What cameras hand over, put right: JPEGs that leave their Huffman tables out, H.264 that says its parameter sets once,
//! pictures as bare samples.
//!
//! In goes one buffer of a camera, out comes a picture as a record holds it, or nothing if there is none in it.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::sync::LazyLock;

use bytes::Bytes;

use crate::{Yuv420, h264, jpeg, nal};

/// A JPEG of a camera as a whole file.
///
/// Motion JPEG leaves out the Huffman tables that everybody knows (ITU-T T.81 Annex K.3), and browsers do not know them:
/// they are put in. `None` if it is no JPEG or ends before its picture begins.
pub fn jpeg_file(data: &[u8]) -> Option<Bytes> {
    let mut rest = data.strip_prefix(&[0xff, 0xd8])?;
    loop {
        let (marker, after) = rest.split_first_chunk::<2>()?;
        match marker {
            [0xff, 0xff] => rest = rest.get(1..)?,
            [0xff, 0xc4] => return Some(Bytes::copy_from_slice(data)),
            [0xff, 0xda] => break,
            [0xff, 0x01 | 0xd0..=0xd7] => rest = after,
            [0xff, 0xd9] => return None,
            [0xff, _] => {
                let len_bytes = usize::from(u16::from_be_bytes(*after.first_chunk()?));
                rest = after.get(len_bytes.max(2)..)?;
            }
            _ => return None,
        }
    }
    let (front, scan) = data.split_at_checked(data.len() - rest.len())?;
    Some([front, HUFFMAN_TABLES.as_slice(), scan].concat().into())
}

/// The `DHT` segments of Annex K.3, as the built-in encoder writes them.
static HUFFMAN_TABLES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = Yuv420::new(16, 16).and_then(|picture| jpeg::encode(&picture, 50));
    let file = file.unwrap_or_default();
    let mut tables = Vec::new();
    let mut rest = file.get(2..).unwrap_or_default();
    while let Some(([0xff, marker], after)) = rest.split_first_chunk::<2>() {
        let Some(length) = after.first_chunk() else {
            break;
        };
        let end = 2 + usize::from(u16::from_be_bytes(*length));
        let Some((segment, next)) = rest.split_at_checked(end).filter(|_| *marker != 0xda) else {
            break;
        };
        if *marker == 0xc4 {
            tables.extend_from_slice(segment);
        }
        rest = next;
    }
    tables
});

/// Access units of a camera that may say its parameter sets once, or apart from its pictures.
#[derive(Debug, Default)]
pub struct H264Camera {
    sets: h264::ParameterSets,
}

impl H264Camera {
    /// The next buffer (Annex B): the access unit with parameter sets in front if it is a key frame, and whether it is one.
    /// `None` where there is no picture in it, or it is a key frame whose parameter sets have never come.
    pub fn unit(&mut self, data: &[u8]) -> Option<(Bytes, bool)> {
        let (mut slice, mut sps, mut pps) = (false, false, false);
        let own = h264::ParameterSets::of(data);
        for unit in nal::units(data) {
            match h264::nal_type(unit) {
                1..=5 => slice = true,
                h264::NAL_SPS => sps = true,
                h264::NAL_PPS => pps = true,
                _ => {}
            }
        }
        // A new sequence parameter set makes those before it void; a new picture parameter set stands beside it.
        if sps {
            self.sets = own;
        } else if pps {
            own.pps.iter().for_each(|unit| self.sets.add(unit));
        }
        if !slice {
            return None;
        }
        let key = h264::is_key(data);
        if !key || (sps && pps) {
            return Some((Bytes::copy_from_slice(data), key));
        }
        if self.sets.sps.is_empty() || self.sets.pps.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(data.len() + 128);
        let mut units = nal::units(data).peekable();
        // The delimiter comes first (ITU-T H.264 §7.4.1.2.3).
        if let Some(delimiter) = units.next_if(|unit| h264::nal_type(unit) == h264::NAL_AUD) {
            nal::push(&mut out, delimiter);
        }
        out.extend_from_slice(&self.sets.to_annex_b());
        units
            .filter(|unit| !self.sets.contains(unit))
            .for_each(|unit| nal::push(&mut out, unit));
        Some((out.into(), true))
    }
}

/// A picture from bare samples in the order `Y U Y V` (4:2:2), `stride` bytes a row; chroma rows are averaged by twos.
/// `None` if there are fewer bytes than that.
pub fn yuyv(width: u32, height: u32, stride: usize, data: &[u8]) -> Option<Yuv420> {
    let mut picture = Yuv420::new(width, height).ok()?;
    let row_bytes = (width as usize).div_ceil(2) * 4;
    if stride < row_bytes {
        return None;
    }
    let row_at = |row: usize| {
        let start = row.checked_mul(stride)?;
        data.get(start..start.checked_add(row_bytes)?)
    };
    for (row, luma) in picture.y.chunks_exact_mut(width as usize).enumerate() {
        for (value, sample) in luma.iter_mut().zip(row_at(row)?.iter().step_by(2)) {
            *value = *sample;
        }
    }
    let chroma_width = picture.chroma_width();
    let last = height as usize - 1;
    let planes = picture
        .u
        .chunks_exact_mut(chroma_width)
        .zip(picture.v.chunks_exact_mut(chroma_width));
    for (row, (u, v)) in planes.enumerate() {
        let (top, bottom) = (row_at(2 * row)?, row_at((2 * row + 1).min(last))?);
        let pairs = top.chunks_exact(4).zip(bottom.chunks_exact(4));
        for ((u, v), pair) in u.iter_mut().zip(v).zip(pairs) {
            let ([_, u0, _, v0], [_, u1, _, v1]) = pair else {
                return None;
            };
            *u = u0.midpoint(*u1);
            *v = v0.midpoint(*v1);
        }
    }
    Some(picture)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::synthetic::Clip;

    fn without_tables(file: &[u8]) -> Vec<u8> {
        let mut out = file[..2].to_vec();
        let mut at = 2;
        while file[at + 1] != 0xda {
            let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
            if file[at + 1] != 0xc4 {
                out.extend_from_slice(&file[at..end]);
            }
            at = end;
        }
        out.extend_from_slice(&file[at..]);
        out
    }

    #[test]
    fn a_jpeg_without_huffman_tables_gets_those_of_the_standard() {
        let picture = Yuv420::new(64, 48).unwrap();
        let whole = jpeg::encode(&picture, 80).unwrap();
        let bare = without_tables(&whole);
        assert!(bare.len() < whole.len() - 400);
        let mended = jpeg_file(&bare).unwrap();
        assert_eq!(
            jpeg::decode(&mended).unwrap(),
            jpeg::decode(&whole).unwrap()
        );
        // Annex K.3.1: the code lengths of the luma DC table.
        assert!(
            HUFFMAN_TABLES
                .windows(9)
                .any(|at| at == [0, 0, 1, 5, 1, 1, 1, 1, 1])
        );
        assert_eq!(jpeg_file(&whole).unwrap(), whole);
    }

    #[test]
    fn what_is_no_jpeg_is_passed_over() {
        for data in [
            &b""[..],
            b"\xff\xd8",
            b"\xff\xd8\xff\xd9",
            b"hello",
            &[0; 100],
        ] {
            assert_eq!(jpeg_file(data), None, "{data:?}");
        }
    }

    #[test]
    fn parameter_sets_said_once_stand_in_front_of_every_key_frame() {
        let units = Clip::default().h264();
        let sets = h264::ParameterSets::of(&units[0].data).to_annex_b();
        let mut camera = H264Camera::default();
        assert_eq!(camera.unit(&sets), None);
        for unit in &units {
            let mut bare = Vec::new();
            nal::units(&unit.data)
                .filter(|nal| !matches!(h264::nal_type(nal), 7 | 8))
                .for_each(|nal| nal::push(&mut bare, nal));
            let (whole, key) = camera.unit(&bare).unwrap();
            assert_eq!(key, unit.key);
            let (found, wanted): (Vec<_>, Vec<_>) = (
                nal::units(&whole).collect(),
                nal::units(&unit.data).collect(),
            );
            assert_eq!(found, wanted);
        }
    }

    #[test]
    fn a_key_frame_whose_parameter_sets_never_came_is_passed_over() {
        let mut camera = H264Camera::default();
        assert_eq!(camera.unit(&[0, 0, 1, 0x65, 0x88]), None);
    }

    #[test]
    fn new_parameter_sets_take_the_place_of_the_old_ones() {
        let small = Clip::default().h264();
        let large = Clip {
            width: 320,
            height: 192,
            ..Clip::default()
        }
        .h264();
        let mut camera = H264Camera::default();
        camera.unit(&small[0].data).unwrap();
        camera.unit(&h264::ParameterSets::of(&large[0].data).to_annex_b());
        let mut bare = Vec::new();
        nal::units(&large[0].data)
            .filter(|nal| !matches!(h264::nal_type(nal), 7 | 8))
            .for_each(|nal| nal::push(&mut bare, nal));
        let (whole, _) = camera.unit(&bare).unwrap();
        let sps = h264::find_sps(&whole).unwrap();
        assert_eq!((sps.width, sps.height), (320, 192));
    }

    #[test]
    fn yuyv_becomes_planes_and_its_padding_is_left_out() {
        let rows = [
            [1, 100, 2, 200, 3, 102, 4, 202, 99, 99],
            [5, 104, 6, 204, 7, 106, 8, 206, 99, 99],
        ];
        let picture = yuyv(4, 2, 10, &rows.concat()).unwrap();
        assert_eq!(picture.y, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((picture.u, picture.v), (vec![102, 104], vec![202, 204]));
        assert!(yuyv(4, 2, 10, &rows.concat()[..17]).is_none());
        assert!(yuyv(4, 2, 7, &rows.concat()).is_none());
        assert!(yuyv(0, 2, 10, &[]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_harm(data in prop::collection::vec(any::<u8>(), 0..300), width in 1u32..20, height in 1u32..20, stride in 0usize..50) {
            let _ = jpeg_file(&data);
            let _ = jpeg_file(&[&[0xff, 0xd8][..], &data].concat());
            let mut camera = H264Camera::default();
            let _ = camera.unit(&data);
            let _ = camera.unit(&[&[0, 0, 1][..], &data].concat());
            let _ = yuyv(width, height, stride, &data);
            let _ = yuyv(width, height, usize::MAX, &data);
        }
    }
}
