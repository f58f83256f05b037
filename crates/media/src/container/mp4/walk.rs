//! A walk over one track's samples: those of the table, then those of the fragments, one after the other.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use std::{
    collections::VecDeque,
    io::{BufReader, Read, Seek},
};

use super::{
    boxes::read_header,
    fragment,
    movie::Movie,
    table::{Cursor, Sample},
};
use crate::container::DamageList;

/// Where a walk is.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) movie: Movie,
    cursor: Cursor,
    /// Samples of the fragment at hand.
    pub(super) queue: VecDeque<Sample>,
    /// Where the next fragment is looked for, and the dts it goes on with if it does not say.
    next_box: u64,
    next_dts: i64,
    first_fragment: u64,
}

impl Walk {
    pub(super) fn new(movie: Movie, first_fragment: u64) -> Walk {
        Walk {
            cursor: movie.table.cursor(),
            movie,
            queue: VecDeque::new(),
            next_box: first_fragment,
            next_dts: 0,
            first_fragment,
        }
    }

    pub(super) fn restart(&mut self) {
        self.cursor = self.movie.table.cursor();
        self.queue.clear();
        self.next_box = self.first_fragment;
        self.next_dts = 0;
    }

    pub(super) fn is_after_edit(&self, sample: &Sample) -> bool {
        self.movie.edit.end.is_some_and(|end| sample.dts >= end)
    }

    /// The next sample; where fragments are read for it, the reader is anywhere afterwards.
    pub(super) fn next<R: Read + Seek>(
        &mut self,
        reader: &mut BufReader<R>,
        file_len: u64,
        damage: &mut DamageList,
    ) -> Option<Sample> {
        loop {
            let sample = match self.cursor.next() {
                Some(sample) => sample,
                None => match self.queue.pop_front() {
                    Some(sample) => sample,
                    None if self.next_fragment(reader, file_len, damage) => continue,
                    None => return None,
                },
            };
            if !self.is_after_edit(&sample) {
                return Some(sample);
            }
            if !self.movie.fragmented {
                return None;
            }
        }
    }

    /// Reads on to the next fragment with samples of the track. `false` if there is none, or none can be read.
    pub(super) fn next_fragment<R: Read + Seek>(
        &mut self,
        reader: &mut BufReader<R>,
        file_len: u64,
        damage: &mut DamageList,
    ) -> bool {
        if !self.movie.fragmented {
            return false;
        }
        while let Ok(Some(found)) = read_header(reader, self.next_box, file_len) {
            self.next_box = found.end;
            if found.kind != *b"moof" {
                continue;
            }
            if found.end > file_len || found.end - found.start > fragment::MAX_MOOF_BYTES {
                damage.note(
                    None,
                    Some(found.start),
                    "a fragment's index is cut off or too large; it is passed over".to_owned(),
                );
                continue;
            }
            let mut moof = vec![0; (found.end - found.body) as usize];
            if reader.read_exact(&mut moof).is_err() {
                return false;
            }
            let (id, defaults) = (self.movie.track_id, self.movie.defaults);
            if fragment::read(
                &moof,
                found.start,
                id,
                defaults,
                &mut self.next_dts,
                &mut self.queue,
            )
            .is_none()
            {
                damage.note(
                    None,
                    Some(found.start),
                    "a fragment's index is not sound".to_owned(),
                );
            }
            if !self.queue.is_empty() {
                return true;
            }
        }
        false
    }
}
