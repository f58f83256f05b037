//! The bytes of a Matroska file, read mostly from front to back: elements' headers and contents at a place, and the next
//! cluster from a place on.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::ebml::{self, Header, MAX_HEADER_BYTES, id};
use crate::MediaError;

const BUFFER_BYTES: usize = 128 * 1024;
/// Information, tracks and cues longer than this are not read.
const MAX_ELEMENT_BYTES: u64 = 16 * 1024 * 1024;

/// A file that is read mostly from front to back.
#[derive(Debug)]
pub(super) struct Source<R: Read + Seek> {
    reader: BufReader<R>,
    /// Where the reader is; `None` after a read that failed.
    at: Option<u64>,
    pub(super) file_len: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(reader: R, file_len: u64) -> Source<R> {
        Source {
            reader: BufReader::with_capacity(BUFFER_BYTES, reader),
            at: None,
            file_len,
        }
    }

    fn go_to(&mut self, position: u64) -> Result<(), MediaError> {
        match self.at.take() {
            Some(at) => self
                .reader
                .seek_relative(position.wrapping_sub(at) as i64)?,
            None => {
                self.reader.seek(SeekFrom::Start(position))?;
            }
        }
        self.at = Some(position);
        Ok(())
    }

    /// `len_bytes` from a place in the file; the caller has checked that they are there and not too many.
    pub(super) fn read(&mut self, position: u64, len_bytes: u64) -> Result<Vec<u8>, MediaError> {
        let len_bytes = len_bytes.min(self.file_len.saturating_sub(position));
        self.go_to(position)?;
        self.at = None;
        let mut out = vec![0; len_bytes as usize];
        self.reader.read_exact(&mut out)?;
        self.at = Some(position + len_bytes);
        Ok(out)
    }

    /// The first bytes of what lies between two places.
    pub(super) fn peek(&mut self, position: u64, end: u64) -> Result<Vec<u8>, MediaError> {
        self.read(
            position,
            end.saturating_sub(position).min(MAX_HEADER_BYTES as u64),
        )
    }

    /// The element header at a place; `None` if there is none that is sound.
    pub(super) fn header(&mut self, position: u64) -> Result<Option<Header>, MediaError> {
        if position >= self.file_len {
            return Ok(None);
        }
        Ok(ebml::header(&self.peek(position, self.file_len)?))
    }

    /// An unsigned integer.
    pub(super) fn small(&mut self, body: u64, end: u64) -> Result<Option<u64>, MediaError> {
        if end - body > 8 {
            return Ok(None);
        }
        Ok(ebml::unsigned(&self.read(body, end - body)?))
    }

    /// A whole element that is kept in memory.
    pub(super) fn element(&mut self, body: u64, end: u64) -> Result<Vec<u8>, MediaError> {
        let len_bytes = end - body;
        if len_bytes > MAX_ELEMENT_BYTES {
            return Err(MediaError::TooLarge {
                what: "index",
                len_bytes,
                max_bytes: MAX_ELEMENT_BYTES,
            });
        }
        self.read(body, len_bytes)
    }

    /// Where the next cluster begins, from a place on. Reads forward only, however many false ones there are.
    pub(super) fn find_cluster(&mut self, from: u64) -> Result<Option<u64>, MediaError> {
        if from >= self.file_len {
            return Ok(None);
        }
        self.go_to(from)?;
        let mut position = from;
        let mut last = 0u32;
        loop {
            self.at = None;
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let mut used = 0;
            let mut found = false;
            for byte in buffer {
                used += 1;
                last = last << 8 | u32::from(*byte);
                if last == id::CLUSTER {
                    found = true;
                    break;
                }
            }
            self.reader.consume(used);
            position += used as u64;
            self.at = Some(position);
            if found && position - from >= 4 {
                return Ok(Some(position - 4));
            }
        }
    }
}
