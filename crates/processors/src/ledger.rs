//! How far the input is in the results, as each result says it, so that a restart neither loses nor doubles one.
//!
//! Every result carries two headers. `processed-to` names the next record of each input partition that is not in the results
//! up to this one, as `0:15,1:20`; where the record at 15 gives several results and two of them are there, `0:15+2`.
//! `rebuilt-from` names the record from which on reading makes the state anew (the last values of each key) that the next
//! result needs. Results of an input partition all go into one partition of the result topic, in order, so the newest result
//! of each partition says all, and without transactions: whoever reads the topic, committed records only or not, sees each
//! result once.
//!
//! `processor` says which processor over which topic wrote the result: two must not share a result topic.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use weir_client::Record;

/// The headers' names.
pub(crate) const PROCESSOR: &str = "processor";
pub(crate) const PROCESSED_TO: &str = "processed-to";
pub(crate) const REBUILT_FROM: &str = "rebuilt-from";

/// Into which partition of the result topic results go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The one with the input partition's number; where there are fewer, they are dealt out.
    Same,
    /// The first.
    One,
}

impl Layout {
    /// The result partition, of so many, for what comes of an input partition.
    pub(crate) fn partition(self, input: i32, partitions: i32) -> i32 {
        match self {
            Self::Same => input.rem_euclid(partitions.max(1)),
            Self::One => 0,
        }
    }
}

/// How far an input partition is in the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Mark {
    /// The record whose results are not all there.
    pub(crate) next: i64,
    /// How many of that record's results are there.
    pub(crate) given: usize,
}

/// How far each input partition is in the results.
pub(crate) struct Ledger {
    layout: Layout,
    /// Of the result topic.
    partitions: i32,
    marks: BTreeMap<i32, Mark>,
    rebuilt_from: BTreeMap<i32, i64>,
    processor: Bytes,
}

impl Ledger {
    /// Nothing is done yet. `processor` is what the header of that name says.
    pub(crate) fn new(layout: Layout, partitions: i32, processor: &str) -> Self {
        Self {
            layout,
            partitions,
            marks: BTreeMap::new(),
            rebuilt_from: BTreeMap::new(),
            processor: Bytes::copy_from_slice(processor.as_bytes()),
        }
    }

    /// Takes up what the newest result of one partition of the result topic says. An error is the rest of a sentence.
    pub(crate) fn restore(&mut self, newest: &Record) -> Result<(), String> {
        let of = newest.header(PROCESSOR).ok_or_else(|| {
            "was not written by a processor of this kind; name a topic of its own with --to"
                .to_owned()
        })?;
        if of != self.processor {
            return Err(format!(
                "is a result of `{}`, and this is `{}`; name a topic of its own with --to",
                String::from_utf8_lossy(of),
                String::from_utf8_lossy(&self.processor)
            ));
        }
        let unsound = |name: &str| format!("has a header {name} that cannot be read");
        let marks = newest
            .header(PROCESSED_TO)
            .and_then(parse_marks)
            .ok_or_else(|| unsound(PROCESSED_TO))?;
        let from = newest
            .header(REBUILT_FROM)
            .and_then(parse_marks)
            .ok_or_else(|| unsound(REBUILT_FROM))?;
        let known = self.marks.clone();
        for (partition, mark) in marks {
            let further = known.get(&partition).is_none_or(|known| mark > *known);
            if further {
                self.marks.insert(partition, mark);
                let from = from.iter().find(|(p, _)| *p == partition);
                self.rebuilt_from
                    .insert(partition, from.map_or(mark.next, |(_, from)| from.next));
            }
        }
        Ok(())
    }

    /// A partition of which no result says how far it is goes on here.
    pub(crate) fn begin(&mut self, partition: i32, next: i64) {
        self.marks
            .entry(partition)
            .or_insert(Mark { next, given: 0 });
        self.rebuilt_from.entry(partition).or_insert(next);
    }

    /// How far the partition is.
    pub(crate) fn mark(&self, partition: i32) -> Mark {
        self.marks.get(&partition).copied().unwrap_or_default()
    }

    /// From where on reading the partition makes the state anew, as far as that was said.
    pub(crate) fn rebuilt_from(&self, partition: i32) -> Option<i64> {
        self.rebuilt_from.get(&partition).copied()
    }

    pub(crate) fn set(&mut self, partition: i32, mark: Mark, rebuilt_from: i64) {
        self.marks.insert(partition, mark);
        self.rebuilt_from.insert(partition, rebuilt_from);
    }

    /// So many results of the record at `offset` are there.
    pub(crate) fn give(&mut self, partition: i32, offset: i64, given: usize) {
        self.rebuilt_from.entry(partition).or_insert(offset);
        self.marks.insert(
            partition,
            Mark {
                next: offset,
                given,
            },
        );
    }

    /// Where reading begins, so that the state is there when the first record comes whose results are not.
    pub(crate) fn read_from(&self) -> Vec<(i32, i64)> {
        self.marks
            .iter()
            .map(|(partition, mark)| {
                let from = self.rebuilt_from.get(partition).copied();
                (*partition, from.unwrap_or(mark.next).min(mark.next))
            })
            .collect()
    }

    /// The partition of the result topic for what comes of an input partition.
    pub(crate) fn result_partition(&self, input: i32) -> i32 {
        self.layout.partition(input, self.partitions)
    }

    /// The headers of a result that goes to `result_partition`.
    pub(crate) fn headers(&self, result_partition: i32) -> Vec<(String, Bytes)> {
        let mut to = String::new();
        let mut from = String::new();
        for (partition, mark) in &self.marks {
            if self.result_partition(*partition) != result_partition {
                continue;
            }
            let comma = if to.is_empty() { "" } else { "," };
            // Strings format without fail.
            let _ = write!(to, "{comma}{partition}:{}", mark.next);
            if mark.given > 0 {
                let _ = write!(to, "+{}", mark.given);
            }
            let oldest = self.rebuilt_from.get(partition).copied();
            let _ = write!(from, "{comma}{partition}:{}", oldest.unwrap_or(mark.next));
        }
        vec![
            (PROCESSOR.to_owned(), self.processor.clone()),
            (PROCESSED_TO.to_owned(), Bytes::from(to)),
            (REBUILT_FROM.to_owned(), Bytes::from(from)),
        ]
    }
}

/// Reads `0:15+2,1:20`; `None` if it is none.
fn parse_marks(text: &[u8]) -> Option<Vec<(i32, Mark)>> {
    let text = std::str::from_utf8(text).ok()?;
    text.split(',')
        .map(|part| {
            let (partition, offset) = part.split_once(':')?;
            let (next, given) = match offset.split_once('+') {
                Some((next, given)) => (next, given.parse().ok()?),
                None => (offset, 0),
            };
            let next: i64 = next.parse().ok()?;
            (next >= 0).then_some((partition.parse().ok()?, Mark { next, given }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(headers: Vec<(String, Bytes)>) -> Record {
        Record {
            topic: "r".into(),
            partition: 0,
            offset: 0,
            timestamp: None,
            key: None,
            value: None,
            headers: headers
                .into_iter()
                .map(|(name, value)| (name, Some(value)))
                .collect(),
        }
    }

    #[test]
    fn what_the_headers_say_is_taken_up_again() {
        let mut ledger = Ledger::new(Layout::Same, 2, "average of t");
        ledger.set(0, Mark { next: 15, given: 2 }, 9);
        ledger.set(1, Mark { next: 20, given: 0 }, 20);
        ledger.set(2, Mark { next: 7, given: 0 }, 3);
        let first = result(ledger.headers(0));
        assert_eq!(first.header(PROCESSED_TO), Some(&b"0:15+2,2:7"[..]));
        assert_eq!(first.header(REBUILT_FROM), Some(&b"0:9,2:3"[..]));
        let mut again = Ledger::new(Layout::Same, 2, "average of t");
        again.restore(&first).unwrap();
        again.restore(&result(ledger.headers(1))).unwrap();
        assert_eq!(again.read_from(), [(0, 9), (1, 20), (2, 3)]);
        assert_eq!(again.mark(0), Mark { next: 15, given: 2 });
        assert_eq!(again.headers(0), ledger.headers(0));
    }

    #[test]
    fn of_two_results_that_name_a_partition_the_further_counts() {
        let mut older = Ledger::new(Layout::Same, 1, "average of t");
        older.set(1, Mark { next: 5, given: 0 }, 1);
        let mut newer = Ledger::new(Layout::Same, 2, "average of t");
        newer.set(1, Mark { next: 50, given: 0 }, 40);
        for order in [[&older, &newer], [&newer, &older]] {
            let mut again = Ledger::new(Layout::Same, 2, "average of t");
            for ledger in order {
                again
                    .restore(&result(ledger.headers(ledger.result_partition(1))))
                    .unwrap();
            }
            assert_eq!(again.read_from(), [(1, 40)]);
        }
    }

    #[test]
    fn results_of_others_are_refused_with_what_they_are() {
        let mut ledger = Ledger::new(Layout::One, 1, "combine of t");
        let other = Ledger::new(Layout::One, 1, "average of t");
        let why = ledger.restore(&result(other.headers(0))).unwrap_err();
        assert!(
            why.contains("`average of t`") && why.contains("--to"),
            "{why}"
        );
        let why = ledger.restore(&result(Vec::new())).unwrap_err();
        assert!(why.contains("--to"), "{why}");
    }

    #[test]
    fn headers_that_cannot_be_read_are_refused() {
        for text in [
            &b""[..],
            b"0",
            b"0:",
            b":1",
            b"0:1+",
            b"0:-1",
            b"0:1,,",
            b"\xff",
            b"0:1+x",
        ] {
            assert_eq!(parse_marks(text), None, "{text:?}");
        }
    }
}
