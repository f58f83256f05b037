//! What was passed over, counted by reason, and told now and then.
//!
//! The first is told at once with its place in the log, then at most a line every [`TELL_EVERY`], so that a topic full of
//! something else fills no terminal and no log file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_base::time::Clock;
use weir_client::Record;

use crate::Progress;

/// The shortest time between two lines.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Counts of what did not go as it should.
pub(crate) struct Tally {
    passed_over: BTreeMap<&'static str, u64>,
    forgotten: u64,
    deaf: bool,
    /// Where the last one was.
    last: Option<(i32, i64, &'static str)>,
    untold: bool,
    told_at: Option<Duration>,
    progress: Arc<dyn Progress>,
    clock: Arc<dyn Clock>,
}

impl Tally {
    pub(crate) fn new(progress: Arc<dyn Progress>, clock: Arc<dyn Clock>) -> Self {
        Self {
            passed_over: BTreeMap::new(),
            forgotten: 0,
            deaf: false,
            last: None,
            untold: false,
            told_at: None,
            progress,
            clock,
        }
    }

    /// Whether what is said is counted: not while records are read again.
    pub(crate) fn listen(&mut self, listens: bool) {
        self.deaf = !listens;
    }

    /// Counts a record that is passed over.
    pub(crate) fn pass_over(&mut self, record: &Record, why: &'static str) {
        if self.deaf {
            return;
        }
        *self.passed_over.entry(why).or_default() += 1;
        self.last = Some((record.partition, record.offset, why));
        self.untold = true;
        if self.told_at.is_none() {
            self.tell();
        }
    }

    /// Counts keys of which nothing is known any more.
    pub(crate) fn forget(&mut self, keys: usize) {
        if self.deaf {
            return;
        }
        self.forgotten += keys as u64;
        self.untold |= keys > 0;
    }

    /// Says something to whoever runs this.
    pub(crate) fn note(&self, text: &str) {
        self.progress.note(text);
    }

    /// When there will be something to tell; `None` while there is not.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.untold
            .then(|| self.told_at.map_or(Duration::ZERO, |at| at + TELL_EVERY))
    }

    /// Tells what has not been told, if it is time.
    pub(crate) fn tell_when_due(&mut self) {
        if self.due().is_some_and(|due| self.clock.monotonic() >= due) {
            self.tell();
        }
    }

    /// Tells what has not been told.
    pub(crate) fn tell(&mut self) {
        if !std::mem::take(&mut self.untold) {
            return;
        }
        self.told_at = Some(self.clock.monotonic());
        let mut parts = Vec::new();
        if let Some((partition, offset, why)) = self.last {
            let counts: Vec<String> = self
                .passed_over
                .iter()
                .map(|(why, count)| format!("{count} ({why})"))
                .collect();
            parts.push(format!(
                "records passed over so far: {}; the last is at offset {offset} of partition {partition} ({why})",
                counts.join(", ")
            ));
        }
        if self.forgotten > 0 {
            parts.push(format!(
                "keys forgotten so far, which begin anew when they come again: {}",
                self.forgotten
            ));
        }
        self.progress.note(&parts.join("; "));
    }

    /// Records passed over for any reason.
    pub(crate) fn total(&self) -> u64 {
        self.passed_over.values().sum()
    }

    /// The counts.
    pub(crate) fn into_counts(self) -> (BTreeMap<&'static str, u64>, u64) {
        (self.passed_over, self.forgotten)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use weir_base::time::{ManualClock, Timestamp};

    use super::*;
    use crate::Snapshot;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Progress for Lines {
        fn update(&self, _snapshot: &Snapshot) {}
        fn note(&self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }

    fn record(offset: i64) -> Record {
        Record {
            topic: "t".into(),
            partition: 3,
            offset,
            timestamp: None,
            key: None,
            value: None,
            headers: Vec::new(),
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_rest_at_most_every_so_often() {
        let lines = Arc::new(Lines::default());
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let mut tally = Tally::new(lines.clone(), clock.clone());
        assert_eq!(tally.due(), None);
        tally.pass_over(&record(7), "no number");
        assert_eq!(lines.0.lock().unwrap().len(), 1);
        for offset in 8..1_000 {
            tally.pass_over(&record(offset), "no UTF-8");
            tally.tell_when_due();
        }
        assert_eq!(lines.0.lock().unwrap().len(), 1);
        assert_eq!(tally.due(), Some(TELL_EVERY));
        clock.advance(TELL_EVERY);
        tally.tell_when_due();
        tally.tell_when_due();
        let told = lines.0.lock().unwrap().clone();
        assert_eq!(told.len(), 2);
        assert!(told[0].contains("offset 7 of partition 3"), "{told:?}");
        assert!(told[1].contains("1 (no number)"), "{told:?}");
        assert!(told[1].contains("992 (no UTF-8)"), "{told:?}");
        assert_eq!(tally.total(), 993);
    }
}
