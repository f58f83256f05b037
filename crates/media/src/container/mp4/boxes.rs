//! Boxes (ISO/IEC 14496-12 §4.2) in memory and in a file, and the fields in them.
//!
//! Nothing here allocates by a length a box claims.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::io::{self, Read, Seek, SeekFrom};

/// A box's four letters.
pub(super) type Kind = [u8; 4];

/// The boxes in a piece of memory. One that claims more than there is ends where the memory does: what follows it is
/// lost, but its own beginning may be sound.
pub(super) fn boxes(bytes: &[u8]) -> Boxes<'_> {
    Boxes { rest: bytes }
}

pub(super) struct Boxes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Boxes<'a> {
    type Item = (Kind, &'a [u8]);

    fn next(&mut self) -> Option<(Kind, &'a [u8])> {
        let (length, after) = self.rest.split_first_chunk::<4>()?;
        let (kind, mut content) = after.split_first_chunk::<4>()?;
        let mut len_bytes = u64::from(u32::from_be_bytes(*length)).checked_sub(8);
        match u32::from_be_bytes(*length) {
            0 => len_bytes = Some(content.len() as u64),
            1 => {
                let (large, after) = content.split_first_chunk::<8>()?;
                len_bytes = u64::from_be_bytes(*large).checked_sub(16);
                content = after;
            }
            _ => {}
        }
        let len_bytes = usize::try_from(len_bytes?)
            .unwrap_or(usize::MAX)
            .min(content.len());
        let (body, rest) = content.split_at_checked(len_bytes)?;
        self.rest = rest;
        Some((*kind, body))
    }
}

/// The content of the first box of a kind.
pub(super) fn find(bytes: &[u8], kind: Kind) -> Option<&[u8]> {
    boxes(bytes)
        .find(|(found, _)| *found == kind)
        .map(|(_, body)| body)
}

/// The content of a box inside boxes inside boxes.
pub(super) fn find_path<'a>(mut bytes: &'a [u8], path: &[Kind]) -> Option<&'a [u8]> {
    for kind in path {
        bytes = find(bytes, *kind)?;
    }
    Some(bytes)
}

/// Reads fields off the front of a box.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// Version and flags, then the fields.
    pub(super) fn full(bytes: &'a [u8]) -> Option<(u8, u32, Fields<'a>)> {
        let mut fields = Fields(bytes);
        let word = fields.u32()?;
        Some(((word >> 24) as u8, word & 0xff_ffff, fields))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*value)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(super) fn kind(&mut self) -> Option<Kind> {
        self.array()
    }

    /// Four or eight bytes, as the box's version has it.
    pub(super) fn u32_or_u64(&mut self, version: u8) -> Option<u64> {
        if version == 1 {
            self.u64()
        } else {
            self.u32().map(u64::from)
        }
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }
}

/// A box in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileBox {
    pub(super) kind: Kind,
    pub(super) start: u64,
    /// Where its content begins.
    pub(super) body: u64,
    /// Where it ends, as it claims: this may lie beyond the end of the file.
    pub(super) end: u64,
}

/// The box that begins at a place in a file; `None` if there is none.
pub(super) fn read_header<R: Read + Seek>(
    reader: &mut R,
    start: u64,
    file_len: u64,
) -> io::Result<Option<FileBox>> {
    if start.checked_add(8).is_none_or(|end| end > file_len) {
        return Ok(None);
    }
    reader.seek(SeekFrom::Start(start))?;
    let mut length = [0; 4];
    let mut kind = [0; 4];
    reader.read_exact(&mut length)?;
    reader.read_exact(&mut kind)?;
    let (len_bytes, header_bytes) = match u32::from_be_bytes(length) {
        0 => (file_len - start, 8),
        1 if file_len - start < 16 => return Ok(None),
        1 => {
            let mut large = [0; 8];
            reader.read_exact(&mut large)?;
            (u64::from_be_bytes(large), 16)
        }
        len_bytes => (u64::from(len_bytes), 8),
    };
    // A box is not shorter than its own header: going on from it would not go forward.
    let end = start
        .checked_add(len_bytes)
        .filter(|_| len_bytes >= header_bytes);
    Ok(end.map(|end| FileBox {
        kind,
        start,
        body: start + header_bytes,
        end,
    }))
}
