//! The counts themselves: text in, changed counts out, and back from the result topic after a restart.
//!
//! Each result says how far of each input partition is in it (`counted-to`, offsets of the next records). After a
//! crash some words' results are further on than others', and reading begins again before the furthest; a record that a
//! word's result already holds is not counted into that word again. So every record counts once, without transactions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

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
    /// Restored with the count; of no more use once it has been passed.
    counted_to: Option<Arc<CountedTo>>,
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

    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Takes up a result of an earlier run; the newest of a word stands.
    pub(super) fn restore(
        &mut self,
        word: &str,
        count: u64,
        counted_to: Arc<CountedTo>,
    ) -> Result<(), ProcessorError> {
        let entry = self.entry(word)?;
        entry.seen = count;
        entry.counted_to = Some(counted_to);
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

    /// The counts that changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> Vec<(Arc<str>, u64)> {
        let mut changed = Vec::with_capacity(self.changed.len());
        for word in std::mem::take(&mut self.changed) {
            if let Some(entry) = self.words.get_mut(&word) {
                entry.changed = false;
                changed.push((word, entry.seen));
            }
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
            .take_changed()
            .into_iter()
            .map(|(word, count)| (word.to_string(), count))
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
        assert!(!counts.has_changed());
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

    /// Runs over the same input with a crash after every possible number of written results, and counts what is there at
    /// the end.
    #[test]
    fn every_record_counts_once_whenever_it_crashes() {
        let input = ["a b", "b c c", "a", "d a b", "c"];
        let want = map(&[("a", 3), ("b", 3), ("c", 3), ("d", 1)]);
        for crash_after in 0..12 {
            for flush_every in 1..=3 {
                // The result topic (newest of each key) and the committed position survive.
                let mut topic: BTreeMap<String, (u64, String)> = BTreeMap::new();
                let mut committed = 0_i64;
                let mut writes = 0;
                for may_crash in [true, false] {
                    let mut counts = Counts::new(100);
                    for (word, (count, to)) in &topic {
                        let to = parse_counted_to(to.as_bytes()).unwrap();
                        counts.restore(word, *count, Arc::new(to)).unwrap();
                    }
                    let from = committed;
                    'run: for offset in from..5 {
                        counts.add(0, offset, input[offset as usize]).unwrap();
                        if offset % flush_every != 0 && offset != 4 {
                            continue;
                        }
                        let to = show_counted_to(&[(0, offset + 1)]);
                        for (word, count) in counts.take_changed() {
                            if may_crash && writes == crash_after {
                                break 'run;
                            }
                            writes += 1;
                            topic.insert(word.to_string(), (count, to.clone()));
                        }
                        // The commit may be lost too.
                        if !(may_crash && writes % 2 == 1) {
                            committed = offset + 1;
                        }
                    }
                }
                let got: BTreeMap<String, u64> =
                    topic.into_iter().map(|(w, (n, _))| (w, n)).collect();
                assert_eq!(got, want, "crash after {crash_after}, flush {flush_every}");
            }
        }
    }
}
