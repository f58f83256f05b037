//! What a line becomes: a record, with a key where one is asked for, and a word about what was odd.

use std::sync::Arc;

use weir_base::time::Clock;
use weir_base::units::show_bytes;
use weir_client::NewRecord;

use super::split::{self, Line};
use crate::Progress;

/// Makes records of lines and counts what a person should know of them.
pub(super) struct Records {
    topic: Arc<str>,
    separator: Option<Vec<u8>>,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    /// Lines that became several records.
    long: u64,
    /// The line before this one was cut.
    within_line: bool,
    /// Records that are no UTF-8, or hold NUL.
    not_text: u64,
}

impl Records {
    pub(super) fn new(
        topic: Arc<str>,
        separator: Option<&str>,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self {
            topic,
            separator: separator.map(|text| text.as_bytes().to_vec()),
            clock,
            progress,
            long: 0,
            within_line: false,
            not_text: 0,
        }
    }

    /// The record of a line.
    pub(super) fn of(&mut self, line: &Line, max_line_bytes: usize) -> NewRecord {
        if line.cut && !self.within_line {
            self.long += 1;
            if self.long == 1 {
                self.progress.note(&format!(
                    "a line is longer than {} and becomes several records",
                    show_bytes(max_line_bytes as u64)
                ));
            }
        }
        self.within_line = line.cut;
        if line.bytes.contains(&0) || std::str::from_utf8(&line.bytes).is_err() {
            self.not_text += 1;
            if self.not_text == 1 {
                self.progress.note(
                    "a line is no UTF-8 or holds NUL bytes; such lines are published as they are",
                );
            }
        }
        let record =
            NewRecord::new(self.topic.clone(), line.bytes.clone()).timestamp(self.clock.now());
        let parts = self
            .separator
            .as_deref()
            .and_then(|separator| split::key(&line.bytes, separator));
        match parts {
            Some((key, value)) => NewRecord {
                key: Some(key),
                value: Some(value),
                ..record
            },
            None => record,
        }
    }

    /// What was odd, as sentences.
    pub(super) fn damage(&self) -> Vec<String> {
        let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
        [
            counted(
                self.long,
                "lines were too long for a record and became several",
            ),
            counted(
                self.not_text,
                "records are no UTF-8 or hold NUL bytes; they were published as they are",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
