//! The counts themselves: text in, changed counts out, and back from the result topic after a restart.
//!
//! Each result says how far of each input partition is in it (`counted-to`, offsets of the next records). After a
//! crash some words' results are further on than others', and reading begins again before the furthest; a record that a
//! word's result already holds is not counted into that word again. So every record counts once, without transactions.
//!
//! Counts only grow. Where results of a word contradict each other, because a run thought dead still had one under way, the
//! greatest stands and is written again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use bytes::Bytes;

use super::split::words;
use crate::ProcessorError;

/// The offset of the next record to count, by partition.
pub(super) type CountedTo = Vec<(i32, i64)>;

/// Running counts.
pub(super) struct Counts {
    words: HashMap<Arc<str>, Count>,
    changed: Vec<Arc<str>>,
    max_words: usize,
}

struct Count {
    seen: u64,
    changed: bool,
    /// Restored with the count: how far the count reaches where that is further than has been read since.
    counted_to: Option<Arc<CountedTo>>,
}

/// A result to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) word: Arc<str>,
    pub(super) count: u64,
    /// The header's text.
    pub(super) counted_to: Bytes,
}

impl Counts {
    pub(super) fn new(max_words: usize) -> Self {
        Self {
            words: HashMap::new(),
            changed: Vec::new(),
            max_words,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// How many counts are to be written.
    pub(super) fn changed(&self) -> usize {
        self.changed.len()
    }

    /// Takes up a result of an earlier run.
    pub(super) fn restore(
        &mut self,
        word: &str,
        count: u64,
        counted_to: Arc<CountedTo>,
    ) -> Result<(), ProcessorError> {
        let entry = self.entry(word)?;
        if count >= entry.seen {
            entry.seen = count;
            entry.counted_to = Some(counted_to);
        } else if !std::mem::replace(&mut entry.changed, true) {
            self.changed.push(Arc::from(word));
        }
        Ok(())
    }

    /// A result that was deleted.
    pub(super) fn forget(&mut self, word: &str) {
        self.words.remove(word);
    }

    /// Counts the words of the record at `offset` of `partition`.
    pub(super) fn add(
        &mut self,
        partition: i32,
        offset: i64,
        text: &str,
    ) -> Result<(), ProcessorError> {
        for word in words(text) {
            let entry = self.entry(&word)?;
            if let Some(counted_to) = &entry.counted_to
                && counted_to
                    .iter()
                    .any(|(p, next)| *p == partition && offset < *next)
            {
                continue;
            }
            entry.seen += 1;
            if !std::mem::replace(&mut entry.changed, true) {
                self.changed.push(Arc::from(word));
            }
        }
        Ok(())
    }

    /// The counts that changed since this was last asked; `read_to` is how far has been read.
    pub(super) fn take_changed(&mut self, read_to: &[(i32, i64)]) -> Vec<Changed> {
        let usual = Bytes::from(show_counted_to(read_to));
        let mut changed = Vec::with_capacity(self.changed.len());
        for word in std::mem::take(&mut self.changed) {
            let Some(entry) = self.words.get_mut(&word) else {
                continue;
            };
            entry.changed = false;
            let further = entry
                .counted_to
                .as_ref()
                .map(|counted_to| furthest(read_to, counted_to))
                .filter(|furthest| furthest != read_to);
            if further.is_none() {
                entry.counted_to = None;
            }
            changed.push(Changed {
                count: entry.seen,
                counted_to: further.map_or_else(
                    || usual.clone(),
                    |further| Bytes::from(show_counted_to(&further)),
                ),
                word,
            });
        }
        changed
    }

    fn entry(&mut self, word: &str) -> Result<&mut Count, ProcessorError> {
        let full = self.words.len() >= self.max_words;
        match self.words.entry(Arc::from(word)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(_) if full => Err(ProcessorError::TooMany {
                what: "words",
                limit: self.max_words,
                option: "--max-words",
            }),
            Entry::Vacant(entry) => Ok(entry.insert(Count {
                seen: 0,
                changed: false,
                counted_to: None,
            })),
        }
    }
}

/// For each partition the further of both, in the order of `read_to`, then those it lacks.
fn furthest(read_to: &[(i32, i64)], counted_to: &[(i32, i64)]) -> CountedTo {
    let mut furthest = read_to.to_vec();
    for (partition, next) in counted_to {
        match furthest.iter_mut().find(|(p, _)| p == partition) {
            Some((_, known)) => *known = (*known).max(*next),
            None => furthest.push((*partition, *next)),
        }
    }
    furthest
}

/// The header's text: `0:15,1:20`.
pub(super) fn show_counted_to(positions: &[(i32, i64)]) -> String {
    positions
        .iter()
        .map(|(partition, next)| format!("{partition}:{next}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// Reads the header's text; `None` if it is none.
pub(super) fn parse_counted_to(text: &[u8]) -> Option<CountedTo> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',')
        .map(|part| {
            let (partition, next) = part.split_once(':')?;
            Some((partition.parse().ok()?, next.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn take(counts: &mut Counts) -> BTreeMap<String, u64> {
        counts
            .take_changed(&[(0, 0)])
            .into_iter()
            .map(|changed| (changed.word.to_string(), changed.count))
            .collect()
    }

    fn map(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
        pairs.iter().map(|(w, n)| ((*w).to_owned(), *n)).collect()
    }

    #[test]
    fn a_word_changed_often_is_given_out_once() {
        let mut counts = Counts::new(10);
        counts.add(0, 0, "a b A").unwrap();
        counts.add(0, 1, "a").unwrap();
        assert_eq!(take(&mut counts), map(&[("a", 3), ("b", 1)]));
        assert_eq!(counts.changed(), 0);
        counts.add(0, 2, "b").unwrap();
        assert_eq!(take(&mut counts), map(&[("b", 2)]));
    }

    #[test]
    fn more_words_than_the_limit_are_an_error_that_names_the_option() {
        let mut counts = Counts::new(2);
        counts.add(0, 0, "a b a b").unwrap();
        let error = counts.add(0, 1, "c").unwrap_err().to_string();
        assert!(error.contains("--max-words"), "{error}");
        assert_eq!(counts.len(), 2);
    }

    #[test]
    fn the_header_is_read_as_it_was_written() {
        for positions in [vec![], vec![(0, 0)], vec![(0, 15), (7, i64::MAX)]] {
            let text = show_counted_to(&positions);
            assert_eq!(parse_counted_to(text.as_bytes()), Some(positions));
        }
        for text in [
            "x",
            "1",
            "1:",
            ":1",
            "1:2,",
            "1:2;3:4",
            "99999999999:1",
            "\u{ff}",
        ] {
            assert_eq!(parse_counted_to(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_counted_to(&[0xff]), None);
    }

    /// What survives a crash: each word's newest result, and the committed positions.
    #[derive(Default)]
    struct Survivors {
        topic: BTreeMap<String, (u64, Bytes)>,
        committed: BTreeMap<i32, i64>,
    }

    /// Reads `order` (partition numbers) on from the committed positions, flushing every so many records and crashing
    /// after so many results.
    fn run(
        survivors: &mut Survivors,
        input: &[&[&str]],
        order: &[i32],
        flush_every: usize,
        crash_after: Option<usize>,
    ) {
        let mut counts = Counts::new(100);
        for (word, (count, to)) in &survivors.topic {
            let to = parse_counted_to(to).unwrap();
            counts.restore(word, *count, Arc::new(to)).unwrap();
        }
        let mut at: BTreeMap<i32, i64> = (0..input.len() as i32)
            .map(|p| (p, survivors.committed.get(&p).copied().unwrap_or(0)))
            .collect();
        let (mut read, mut written) = (0, 0);
        let rest = (0..input.len() as i32).flat_map(|p| vec![p; input[p as usize].len()]);
        for partition in order.iter().copied().chain(rest) {
            let offset = at[&partition];
            let Some(text) = input[partition as usize].get(offset as usize) else {
                continue;
            };
            counts.add(partition, offset, text).unwrap();
            at.insert(partition, offset + 1);
            read += 1;
            if read % flush_every != 0 {
                continue;
            }
            let read_to: Vec<(i32, i64)> = at.iter().map(|(p, next)| (*p, *next)).collect();
            for changed in counts.take_changed(&read_to) {
                if crash_after == Some(written) {
                    return;
                }
                written += 1;
                survivors.topic.insert(
                    changed.word.to_string(),
                    (changed.count, changed.counted_to),
                );
            }
            // A commit may come later than the results, or never.
            if read % (2 * flush_every) == 0 {
                survivors.committed.clone_from(&at);
            }
        }
        let read_to: Vec<(i32, i64)> = at.iter().map(|(p, next)| (*p, *next)).collect();
        for changed in counts.take_changed(&read_to) {
            survivors.topic.insert(
                changed.word.to_string(),
                (changed.count, changed.counted_to),
            );
        }
    }

    #[test]
    fn every_record_counts_once_whenever_it_crashes_and_in_whatever_order_partitions_come() {
        let input: [&[&str]; 2] = [
            &["a b", "b c c", "a", "d a b", "c", "a a"],
            &["a", "b a", "e", "c c", "a", "b"],
        ];
        let want = map(&[("a", 8), ("b", 5), ("c", 5), ("d", 1), ("e", 1)]);
        let orders: [&[i32]; 4] = [&[], &[1, 1, 1, 0, 0], &[0, 1, 0, 1, 0, 1], &[1, 0, 0, 1, 1]];
        for first in orders {
            for second in orders {
                for third in orders {
                    for flush_every in 1..=4 {
                        for crash in 0..14 {
                            let mut survivors = Survivors::default();
                            run(&mut survivors, &input, first, flush_every, Some(crash));
                            run(&mut survivors, &input, second, 1, Some(crash / 2));
                            run(&mut survivors, &input, third, 2, Some(crash / 3));
                            run(&mut survivors, &input, &[], 3, None);
                            let got: BTreeMap<String, u64> = survivors
                                .topic
                                .into_iter()
                                .map(|(word, (count, _))| (word, count))
                                .collect();
                            assert_eq!(got, want, "{first:?} {second:?} {third:?} {crash}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_result_reaches_as_far_as_it_did_before_the_restart() {
        let mut counts = Counts::new(10);
        let to = Arc::new(vec![(0, 100), (1, 100)]);
        counts.restore("a", 7, to).unwrap();
        counts.add(0, 99, "a").unwrap();
        assert_eq!(counts.changed(), 0);
        counts.add(0, 100, "a").unwrap();
        let changed = counts.take_changed(&[(0, 101), (1, 60)]);
        assert_eq!(changed[0].count, 8);
        assert_eq!(&changed[0].counted_to[..], b"0:101,1:100");
    }

    #[test]
    fn of_results_that_contradict_each_other_the_greatest_stands_and_is_written_again() {
        let mut counts = Counts::new(10);
        counts.restore("a", 9, Arc::new(vec![(0, 9)])).unwrap();
        counts.restore("a", 7, Arc::new(vec![(0, 7)])).unwrap();
        let changed = counts.take_changed(&[(0, 8)]);
        assert_eq!(changed[0].count, 9);
        assert_eq!(&changed[0].counted_to[..], b"0:9");
    }
}
