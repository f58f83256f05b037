//! The sample table (ISO/IEC 14496-12 §8.6, §8.7): where each sample is, how long, and when.
//!
//! The boxes stay as they are in the file's index, one shared buffer; a [`Cursor`] walks all of them side by side. No
//! table is expanded, so an hour of video costs what its `moov` does. A box that claims more entries than it has room
//! for has as many as it has room for.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use bytes::Bytes;

use super::boxes::{Fields, boxes};

/// One sample. Times are in ticks of the track's timescale, before any edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) position: u64,
    pub(super) len_bytes: u32,
    pub(super) dts: i64,
    pub(super) composition: i64,
    pub(super) duration: u32,
    /// `None` where the file does not say.
    pub(super) sync: Option<bool>,
    /// Index into `stsd`, from 0.
    pub(super) description: u32,
}

impl Sample {
    pub(super) fn pts(&self) -> i64 {
        self.dts.saturating_add(self.composition)
    }
}

/// Entries of a fixed width.
#[derive(Debug, Clone, Default)]
struct Entries {
    bytes: Bytes,
    width: usize,
}

impl Entries {
    fn new(index: &Bytes, body: &[u8], claimed: u32, width: usize) -> Entries {
        let len_bytes = (claimed as usize)
            .saturating_mul(width)
            .min(body.len() - body.len() % width);
        Entries {
            bytes: index.slice_ref(body.get(..len_bytes).unwrap_or_default()),
            width,
        }
    }

    fn len(&self) -> usize {
        self.bytes.len().checked_div(self.width).unwrap_or(0)
    }

    fn fields(&self, at: usize) -> Option<Fields<'_>> {
        let start = at.checked_mul(self.width)?;
        self.bytes
            .get(start..start.checked_add(self.width)?)
            .map(Fields)
    }
}

/// How samples' sizes are told.
#[derive(Debug, Clone)]
enum Sizes {
    Same {
        len_bytes: u32,
        count: u32,
    },
    Each(Entries),
    /// `stz2` with two samples a byte.
    Nibbles(Bytes, u32),
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes::Same {
            len_bytes: 0,
            count: 0,
        }
    }
}

impl Sizes {
    fn len(&self) -> u64 {
        match self {
            Sizes::Same { count, .. } => u64::from(*count),
            Sizes::Each(entries) => entries.len() as u64,
            Sizes::Nibbles(bytes, count) => u64::from(*count).min(bytes.len() as u64 * 2),
        }
    }

    fn get(&self, at: u64) -> Option<u32> {
        let at = usize::try_from(at).ok()?;
        match self {
            Sizes::Same { len_bytes, .. } => Some(*len_bytes),
            Sizes::Nibbles(bytes, _) => {
                let byte = bytes.get(at / 2)?;
                Some(u32::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 }))
            }
            Sizes::Each(entries) => {
                let mut fields = entries.fields(at)?;
                match entries.width {
                    1 => fields.0.first().copied().map(u32::from),
                    2 => fields.u16().map(u32::from),
                    _ => fields.u32(),
                }
            }
        }
    }
}

/// A track's sample table.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    times: Entries,
    compositions: Entries,
    /// `None` if there is no `stss`: every sample may be one to start from.
    sync: Option<Entries>,
    chunks: Entries,
    chunk_offsets: Entries,
    sizes: Sizes,
    /// How many samples there are: as many as every table has.
    pub(super) count: u64,
}

impl Table {
    /// From the content of an `stbl` box within the index. `None` if a table that must be there is not.
    pub(super) fn new(index: &Bytes, stbl: &[u8], file_len: u64) -> Option<Table> {
        let mut table = Table::default();
        let mut sized = false;
        for (kind, body) in boxes(stbl) {
            let Some((_, _, mut fields)) = Fields::full(body) else {
                continue;
            };
            match &kind {
                b"stts" => {
                    table.times = Entries::new(index, fields.0.get(4..)?, fields.u32()?, 8);
                }
                b"ctts" => {
                    table.compositions = Entries::new(index, fields.0.get(4..)?, fields.u32()?, 8);
                }
                b"stss" => {
                    table.sync = Some(Entries::new(index, fields.0.get(4..)?, fields.u32()?, 4));
                }
                b"stsc" => {
                    table.chunks = Entries::new(index, fields.0.get(4..)?, fields.u32()?, 12);
                }
                b"stco" => {
                    table.chunk_offsets = Entries::new(index, fields.0.get(4..)?, fields.u32()?, 4);
                }
                b"co64" => {
                    table.chunk_offsets = Entries::new(index, fields.0.get(4..)?, fields.u32()?, 8);
                }
                b"stsz" => {
                    let (len_bytes, count) = (fields.u32()?, fields.u32()?);
                    sized = true;
                    table.sizes = if len_bytes == 0 {
                        Sizes::Each(Entries::new(index, fields.0, count, 4))
                    } else {
                        // No file has more samples than fit into it.
                        let fit = file_len / u64::from(len_bytes);
                        Sizes::Same {
                            len_bytes,
                            count: count.min(u32::try_from(fit).unwrap_or(u32::MAX)),
                        }
                    };
                }
                b"stz2" => {
                    let (bits, count) = (fields.u32()? & 0xff, fields.u32()?);
                    sized = true;
                    table.sizes = match bits {
                        4 => Sizes::Nibbles(index.slice_ref(fields.0), count),
                        8 => Sizes::Each(Entries::new(index, fields.0, count, 1)),
                        16 => Sizes::Each(Entries::new(index, fields.0, count, 2)),
                        _ => return None,
                    };
                }
                _ => {}
            }
        }
        table.count = table.sizes.len();
        sized.then_some(table)
    }

    /// A walk over all samples from the first.
    pub(super) fn cursor(&self) -> Cursor {
        Cursor {
            table: self.clone(),
            ..Cursor::default()
        }
    }
}

/// A place in a run-length coded table.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    entry: usize,
    left: u32,
    value: u32,
}

impl Run {
    /// The value for the next sample; `None` when the table has no more.
    fn next(&mut self, entries: &Entries) -> Option<u32> {
        while self.left == 0 {
            let mut fields = entries.fields(self.entry)?;
            self.left = fields.u32()?;
            self.value = fields.u32()?;
            self.entry += 1;
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// A walk over the samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Cursor {
    table: Table,
    /// The next sample, from 0.
    at: u64,
    dts: i64,
    duration: u32,
    time: Run,
    composition: Run,
    /// The next entry of `stss`.
    sync_at: usize,
    /// The chunk to go to when the one at hand is used up, from 0.
    next_chunk: usize,
    /// The entry of `stsc` that holds for the chunk at hand.
    chunk_run: usize,
    description: u32,
    left_in_chunk: u32,
    position: u64,
}

impl Cursor {
    /// The next sample; `None` after the last that every table has.
    pub(super) fn next(&mut self) -> Option<Sample> {
        if self.at >= self.table.count {
            return None;
        }
        self.enter_chunk()?;
        let len_bytes = self.table.sizes.get(self.at)?;
        // A table of times that ends early leaves the rest with the last duration.
        if let Some(duration) = self.time.next(&self.table.times) {
            // More than half the range is a negative number of a broken muxer, and time does not go back.
            self.duration = if i32::try_from(duration).is_ok() {
                duration
            } else {
                0
            };
        }
        let composition = self.composition.next(&self.table.compositions).unwrap_or(0);
        let sample = Sample {
            position: self.position,
            len_bytes,
            dts: self.dts,
            // Signed in version 1 (§8.6.1.3); QuickTime writes negative offsets into version 0 as well, where as unsigned
            // ones they would be hours.
            composition: i64::from(composition as i32),
            duration: self.duration,
            sync: self.is_sync(),
            description: self.description,
        };
        self.position = self.position.saturating_add(u64::from(len_bytes));
        self.left_in_chunk -= 1;
        self.dts = self.dts.saturating_add(i64::from(self.duration));
        self.at += 1;
        Some(sample)
    }

    /// Goes on to the next chunk that has samples, if the one at hand is used up.
    fn enter_chunk(&mut self) -> Option<()> {
        while self.left_in_chunk == 0 {
            let mut offset = self.table.chunk_offsets.fields(self.next_chunk)?;
            self.position = if self.table.chunk_offsets.width == 8 {
                offset.u64()?
            } else {
                offset.u32()?.into()
            };
            self.next_chunk += 1;
            // Chunks are counted from 1 in the file: `next_chunk` is now this chunk's number.
            let first_of = |run: usize| {
                self.table
                    .chunks
                    .fields(run)
                    .and_then(|mut fields| fields.u32())
            };
            while first_of(self.chunk_run + 1)
                .is_some_and(|first| first as usize <= self.next_chunk)
            {
                self.chunk_run += 1;
            }
            let mut run = self.table.chunks.fields(self.chunk_run)?;
            run.u32()?;
            self.left_in_chunk = run.u32()?;
            self.description = run.u32()?.saturating_sub(1);
        }
        Some(())
    }

    fn is_sync(&mut self) -> Option<bool> {
        let sync = self.table.sync.as_ref()?;
        let number = self.at + 1;
        loop {
            let Some(next) = sync
                .fields(self.sync_at)
                .and_then(|mut fields| fields.u32())
            else {
                return Some(false);
            };
            if u64::from(next) >= number {
                return Some(u64::from(next) == number);
            }
            self.sync_at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(kind: [u8; 4], words: &[u32]) -> Vec<u8> {
        let mut out = ((words.len() as u32 + 3) * 4).to_be_bytes().to_vec();
        out.extend(kind);
        out.extend([0; 4]);
        out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        out
    }

    fn samples(boxes: &[Vec<u8>]) -> Vec<Sample> {
        let stbl = Bytes::from(boxes.concat());
        let mut cursor = Table::new(&stbl, &stbl, 1_000_000).unwrap().cursor();
        std::iter::from_fn(|| cursor.next()).collect()
    }

    fn typical() -> Vec<Vec<u8>> {
        vec![
            full(*b"stts", &[2, 3, 100, 3, 50]),
            full(*b"ctts", &[3, 1, 100, 1, (-50i32) as u32, 4, 0]),
            full(*b"stss", &[2, 1, 5]),
            full(*b"stsc", &[2, 1, 2, 1, 3, 1, 2]),
            full(*b"stsz", &[0, 6, 10, 20, 30, 40, 50, 60]),
            full(*b"stco", &[4, 1000, 2000, 3000, 4000]),
        ]
    }

    #[test]
    fn samples_have_the_places_and_times_of_the_tables() {
        let all = samples(&typical());
        let places: Vec<_> = all
            .iter()
            .map(|sample| (sample.position, sample.len_bytes))
            .collect();
        assert_eq!(
            places,
            [
                (1000, 10),
                (1010, 20),
                (2000, 30),
                (2030, 40),
                (3000, 50),
                (4000, 60)
            ]
        );
        let times: Vec<_> = all
            .iter()
            .map(|sample| (sample.dts, sample.pts(), sample.duration))
            .collect();
        assert_eq!(
            times,
            [
                (0, 100, 100),
                (100, 50, 100),
                (200, 200, 100),
                (300, 300, 50),
                (350, 350, 50),
                (400, 400, 50)
            ]
        );
        let sync: Vec<_> = all.iter().map(|sample| sample.sync == Some(true)).collect();
        assert_eq!(sync, [true, false, false, false, true, false]);
        let descriptions: Vec<_> = all.iter().map(|sample| sample.description).collect();
        assert_eq!(descriptions, [0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn without_stss_nothing_is_said_of_sync_samples() {
        let mut boxes = typical();
        boxes.remove(2);
        assert!(samples(&boxes).iter().all(|sample| sample.sync.is_none()));
    }

    #[test]
    fn sizes_come_in_all_their_forms() {
        for (sizes, expected) in [
            (full(*b"stsz", &[7, 3]), &[7, 7, 7][..]),
            (full(*b"stz2", &[4, 3, 0x1230_0000]), &[1, 2, 3]),
            (full(*b"stz2", &[8, 3, 0x0102_0300]), &[1, 2, 3]),
            (
                full(*b"stz2", &[16, 3, 0x0001_0002, 0x0003_0000]),
                &[1, 2, 3],
            ),
        ] {
            let mut boxes = typical();
            boxes[4] = sizes;
            let found: Vec<_> = samples(&boxes)
                .iter()
                .map(|sample| sample.len_bytes)
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn claims_beyond_a_box_end_with_the_box() {
        for at in 0..6 {
            let mut boxes = typical();
            boxes[at][12..16].copy_from_slice(&[0xff; 4]);
            assert!(samples(&boxes).len() <= 6, "box {at}");
        }
        let mut boxes = typical();
        boxes[4] = full(*b"stsz", &[1, u32::MAX]);
        boxes[3] = full(*b"stsc", &[1, 1, u32::MAX, 1]);
        assert_eq!(samples(&boxes).len(), 1_000_000);
    }

    #[test]
    fn a_table_without_sizes_is_no_table() {
        let mut boxes = typical();
        boxes.remove(4);
        let stbl = Bytes::from(boxes.concat());
        assert!(Table::new(&stbl, &stbl, 1000).is_none());
    }
}
