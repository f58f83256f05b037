//! A block (RFC 9559 §10): which track, when, and the pictures in it.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use super::ebml::vint;

/// What stands in front of a block's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) track: u64,
    /// Ticks after the cluster's time.
    pub(super) relative: i16,
    pub(super) flags: u8,
    pub(super) header_bytes: usize,
}

impl BlockHeader {
    pub(super) fn parse(block: &[u8]) -> Option<BlockHeader> {
        let (track, track_bytes) = vint(block)?;
        let [high, low, flags] = *block.get(track_bytes..)?.first_chunk::<3>()?;
        Some(BlockHeader {
            track,
            relative: i16::from_be_bytes([high, low]),
            flags,
            header_bytes: track_bytes + 3,
        })
    }

    /// Of a `SimpleBlock` only.
    pub(super) fn is_key(self) -> bool {
        self.flags & 0x80 != 0
    }

    /// The pictures behind the header: one, or as many as the lacing says. `None` if that does not add up.
    pub(super) fn pictures(self, block: &[u8]) -> Option<Vec<&[u8]>> {
        let data = block.get(self.header_bytes..)?;
        let lacing = self.flags >> 1 & 3;
        if lacing == 0 {
            return Some(vec![data]);
        }
        let (&last, rest) = data.split_first()?;
        let count = usize::from(last) + 1;
        match lacing {
            1 => xiph_sizes(rest, count).and_then(|(sizes, rest)| split(rest, &sizes)),
            2 if rest.len() % count == 0 && !rest.is_empty() => {
                Some(rest.chunks_exact(rest.len() / count).collect())
            }
            2 => None,
            _ => ebml_sizes(rest, count).and_then(|(sizes, rest)| split(rest, &sizes)),
        }
    }
}

/// All but the last picture have a size; the last takes what is left.
fn split<'a>(mut rest: &'a [u8], sizes: &[usize]) -> Option<Vec<&'a [u8]>> {
    let mut out = Vec::with_capacity(sizes.len() + 1);
    for size in sizes {
        let (picture, after) = rest.split_at_checked(*size)?;
        out.push(picture);
        rest = after;
    }
    out.push(rest);
    Some(out)
}

fn xiph_sizes(mut rest: &[u8], count: usize) -> Option<(Vec<usize>, &[u8])> {
    let mut sizes = Vec::with_capacity(count);
    for _ in 1..count {
        let mut size = 0;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            size += usize::from(byte);
            if byte < 255 {
                break;
            }
        }
        sizes.push(size);
    }
    Some((sizes, rest))
}

/// The first size as it is, the others as signed differences.
fn ebml_sizes(mut rest: &[u8], count: usize) -> Option<(Vec<usize>, &[u8])> {
    let mut sizes = Vec::with_capacity(count);
    let mut size = 0i64;
    for at in 1..count {
        let (value, value_bytes) = vint(rest)?;
        rest = rest.get(value_bytes..)?;
        let value = i64::try_from(value).ok()?;
        size = if at == 1 {
            value
        } else {
            size.checked_add(value - ((1 << (7 * value_bytes - 1)) - 1))?
        };
        sizes.push(usize::try_from(size).ok()?);
    }
    Some((sizes, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pictures(block: &[u8]) -> Option<Vec<&[u8]>> {
        BlockHeader::parse(block)?.pictures(block)
    }

    #[test]
    fn pictures_are_found_in_every_kind_of_lacing() {
        let three = Some(vec![&b"aa"[..], b"b", b"ccc"]);
        assert_eq!(pictures(b"\x81\0\x05\x80aaa"), Some(vec![&b"aaa"[..]]));
        assert_eq!(pictures(b"\x81\0\x05\x02\x02\x02\x01aabccc"), three);
        assert_eq!(pictures(b"\x81\0\x05\x06\x02\x82\xbeaabccc"), three);
        assert_eq!(
            pictures(b"\x81\0\x05\x04\x01aabb"),
            Some(vec![&b"aa"[..], b"bb"])
        );
        let header = BlockHeader::parse(b"\x81\xff\xfe\x80").unwrap();
        assert_eq!(
            (header.track, header.relative, header.is_key()),
            (1, -2, true)
        );
    }

    #[test]
    fn lacing_that_does_not_add_up_is_refused() {
        for block in [
            &b"\x81\0\x05\x02\x02\x09\x01aabccc"[..],
            b"\x81\0\x05\x04\x01aab",
            b"\x81\0\x05\x06\x02\x82\x80aabccc",
            b"\x81\0\x05\x02\xff",
            b"\x81\0\x05\x04\x01",
            b"\x81\0",
        ] {
            assert_eq!(pictures(block), None, "{block:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(all) = pictures(&bytes) {
                prop_assert!(all.iter().map(|picture| picture.len()).sum::<usize>() <= bytes.len());
            }
        }
    }
}
