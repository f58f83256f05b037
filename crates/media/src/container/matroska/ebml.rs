//! EBML (RFC 8794): element headers in memory and in a file, and the values in elements.
//!
//! Nothing here allocates by a length an element claims.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

/// Element identifiers of Matroska (RFC 9559 §5), with their marker bits.
pub(super) mod id {
    pub(in super::super) const EBML: u32 = 0x1a45_dfa3;
    pub(in super::super) const SEGMENT: u32 = 0x1853_8067;
    pub(in super::super) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(in super::super) const SEEK: u32 = 0x4dbb;
    pub(in super::super) const SEEK_ID: u32 = 0x53ab;
    pub(in super::super) const SEEK_POSITION: u32 = 0x53ac;
    pub(in super::super) const INFO: u32 = 0x1549_a966;
    pub(in super::super) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(in super::super) const DURATION: u32 = 0x4489;
    pub(in super::super) const TRACKS: u32 = 0x1654_ae6b;
    pub(in super::super) const TRACK_ENTRY: u32 = 0xae;
    pub(in super::super) const TRACK_NUMBER: u32 = 0xd7;
    pub(in super::super) const TRACK_TYPE: u32 = 0x83;
    pub(in super::super) const DEFAULT_DURATION: u32 = 0x23_e383;
    pub(in super::super) const FLAG_DEFAULT: u32 = 0x88;
    pub(in super::super) const FLAG_ENABLED: u32 = 0xb9;
    pub(in super::super) const CODEC_DELAY: u32 = 0x56aa;
    pub(in super::super) const CODEC_ID: u32 = 0x86;
    pub(in super::super) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(in super::super) const VIDEO: u32 = 0xe0;
    pub(in super::super) const PIXEL_WIDTH: u32 = 0xb0;
    pub(in super::super) const PIXEL_HEIGHT: u32 = 0xba;
    pub(in super::super) const CONTENT_ENCODINGS: u32 = 0x6d80;
    pub(in super::super) const CONTENT_ENCODING: u32 = 0x6240;
    pub(in super::super) const CONTENT_COMPRESSION: u32 = 0x5034;
    pub(in super::super) const CONTENT_COMP_ALGO: u32 = 0x4254;
    pub(in super::super) const CONTENT_COMP_SETTINGS: u32 = 0x4255;
    pub(in super::super) const CUES: u32 = 0x1c53_bb6b;
    pub(in super::super) const CUE_POINT: u32 = 0xbb;
    pub(in super::super) const CUE_TIME: u32 = 0xb3;
    pub(in super::super) const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub(in super::super) const CUE_TRACK: u32 = 0xf7;
    pub(in super::super) const CUE_CLUSTER_POSITION: u32 = 0xf1;
    pub(in super::super) const CLUSTER: u32 = 0x1f43_b675;
    pub(in super::super) const TIMESTAMP: u32 = 0xe7;
    pub(in super::super) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(in super::super) const BLOCK_GROUP: u32 = 0xa0;
    pub(in super::super) const BLOCK: u32 = 0xa1;
    pub(in super::super) const BLOCK_DURATION: u32 = 0x9b;
    pub(in super::super) const REFERENCE_BLOCK: u32 = 0xfb;
}

/// The longest element header: four bytes of identifier, eight of size.
pub(super) const MAX_HEADER_BYTES: usize = 12;

/// An element's identifier, how many bytes its header has, and its size: `None` if the file leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u32,
    pub(super) own_bytes: usize,
    pub(super) len_bytes: Option<u64>,
}

/// Reads an element's header off the front of some bytes. `None` if there is none that is sound.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let first = *bytes.first()?;
    let id_bytes = first.leading_zeros() as usize + 1;
    if id_bytes > 4 {
        return None;
    }
    let id = bytes
        .get(..id_bytes)?
        .iter()
        .fold(0u32, |id, byte| id << 8 | u32::from(*byte));
    let (size, size_bytes) = vint(bytes.get(id_bytes..)?)?;
    let unknown = (1u64 << (7 * size_bytes)) - 1;
    Some(Header {
        id,
        own_bytes: id_bytes + size_bytes,
        len_bytes: (size != unknown).then_some(size),
    })
}

/// A variable-length integer without its marker, and how many bytes it has (RFC 8794 §4).
pub(super) fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len_bytes = first.leading_zeros() as usize + 1;
    if len_bytes > 8 {
        return None;
    }
    let value = bytes
        .get(..len_bytes)?
        .iter()
        .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    Some((value & ((1u64 << (7 * len_bytes)) - 1), len_bytes))
}

/// The elements in a piece of memory; ends at one that does not fit.
pub(super) fn elements(bytes: &[u8]) -> Elements<'_> {
    Elements { rest: bytes }
}

pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<(u32, &'a [u8])> {
        let header = header(self.rest)?;
        let body = self.rest.get(header.own_bytes..)?;
        let len_bytes = match header.len_bytes {
            Some(len_bytes) => usize::try_from(len_bytes).ok()?,
            None => body.len(),
        };
        let (body, rest) = body.split_at_checked(len_bytes)?;
        self.rest = rest;
        Some((header.id, body))
    }
}

/// The content of the first element of a kind.
pub(super) fn find(bytes: &[u8], id: u32) -> Option<&[u8]> {
    elements(bytes)
        .find(|(found, _)| *found == id)
        .map(|(_, body)| body)
}

/// An unsigned integer's value (RFC 8794 §7.2).
pub(super) fn unsigned(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| {
        body.iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    })
}

/// A float's value (§7.3), if it is finite and not negative.
pub(super) fn positive_float(body: &[u8]) -> Option<f64> {
    let value = match body.len() {
        4 => f64::from(f32::from_be_bytes(body.try_into().ok()?)),
        8 => f64::from_be_bytes(body.try_into().ok()?),
        _ => return None,
    };
    (value.is_finite() && value >= 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_have_the_values_of_the_standard() {
        for (bytes, expected) in [
            (&[0xa3, 0x81][..], Some((0xa3, 2, Some(1)))),
            (
                &[
                    0x1f, 0x43, 0xb6, 0x75, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                ],
                Some((0x1f43_b675, 12, None)),
            ),
            (&[0xa3, 0xff], Some((0xa3, 2, None))),
            (&[0x42, 0x86, 0x40, 0x02], Some((0x4286, 4, Some(2)))),
            (&[0x00, 0x81], None),
            (&[0xa3], None),
            (&[0xa3, 0x00], None),
            (&[], None),
        ] {
            let found = header(bytes).map(|header| (header.id, header.own_bytes, header.len_bytes));
            assert_eq!(found, expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            for (_, body) in elements(&bytes) {
                prop_assert!(body.len() <= bytes.len());
                let _ = (unsigned(body), positive_float(body));
            }
        }
    }
}
