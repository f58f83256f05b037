//! Which offset of the target is which offset of the source, in one partition.
//!
//! The target holds the source's visible records one after the other, so both sides' offsets run in step until the source leaves
//! offsets out: deleted heads, records that compaction took, aborted transactions, the markers that end a transaction. Each
//! time a new *run* begins. A partition that was mirrored from offset 0 and leaves none out is one run with the same offsets on
//! both sides. The runs and the target's own end say everything: what is mirrored, what comes next, where a group goes on.

/// How many runs of a partition are kept. Beyond that every second one of the older half goes; a position in between goes on a
/// few records early then, never late.
const MAX_RUNS: usize = 1 << 16;

/// Where both sides begin to run in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first record's offset in the source.
    pub(crate) source: i64,
    /// Its offset in the target.
    pub(crate) target: i64,
}

/// A partition's runs and what comes next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Runs {
    /// In order on both sides; each with its length, as far as the next one has begun.
    closed: Vec<(Run, i64)>,
    open: Option<Run>,
    /// The target offset of the next record.
    next: i64,
    /// The next record begins a run that is written down, even where it goes on in step: what stands in the ledger beyond is void.
    write_next: bool,
}

impl Runs {
    /// What the ledger says next: everything it said of this offset of the target and those behind it is void.
    pub(crate) fn replay(&mut self, run: Run) {
        self.cut(run.target);
        self.begin(run);
        self.next = self.next.max(run.target);
    }

    /// The target ends here: what was written down beyond never came. The next record is written down in any case.
    pub(crate) fn resume(&mut self, end: i64) {
        self.cut(end.saturating_add(1));
        self.next = end;
        self.write_next = true;
    }

    /// Plans the next record; gives the run that must be written down before it is sent, if it begins one.
    pub(crate) fn take(&mut self, source: i64) -> Option<Run> {
        let new = std::mem::take(&mut self.write_next) || self.next_source() != Some(source);
        let run = Run {
            source,
            target: self.next,
        };
        if new {
            self.cut(run.target);
            self.begin(run);
        }
        self.next += 1;
        new.then_some(run)
    }

    /// The source offset that goes on in step; `None` where nothing is mirrored.
    pub(crate) fn next_source(&self) -> Option<i64> {
        self.open.map(|run| run.source + (self.next - run.target))
    }

    /// The target offset of the next record.
    pub(crate) fn next_target(&self) -> i64 {
        self.next
    }

    /// Where a reader that stands before the record `source` goes on in the target: at that record, or the next there is.
    pub(crate) fn target_of(&self, source: i64) -> i64 {
        let (run, len) = match self.open {
            Some(run) if run.source <= source => (run, self.next - run.target),
            _ => {
                let after = self.closed.partition_point(|(run, _)| run.source <= source);
                let found = after.checked_sub(1).and_then(|at| self.closed.get(at));
                match found {
                    Some(found) => *found,
                    // Before everything that is mirrored.
                    None => return self.first().map_or(self.next, |run| run.target),
                }
            }
        };
        run.target + (source - run.source).min(len)
    }

    /// The source offset of the record at `target`, where it is in the last run.
    pub(crate) fn source_of(&self, target: i64) -> Option<i64> {
        let run = self.open.filter(|run| run.target <= target)?;
        Some(run.source + (target - run.target))
    }

    /// Whether every record has the same offset on both sides.
    pub(crate) fn is_same(&self) -> bool {
        self.closed.is_empty() && self.open.is_none_or(|run| run.source == run.target)
    }

    fn first(&self) -> Option<Run> {
        self.closed.first().map(|(run, _)| *run).or(self.open)
    }

    /// Forgets the runs that begin at `target` or behind it.
    fn cut(&mut self, target: i64) {
        while let Some(run) = self.open.filter(|run| run.target >= target) {
            let before = self.closed.pop().map(|(before, _)| before);
            self.open = before;
            self.next = self.next.min(run.target);
        }
    }

    fn begin(&mut self, run: Run) {
        match self.open {
            Some(open) if open.source - open.target == run.source - run.target => return,
            Some(open) => self.closed.push((open, run.target - open.target)),
            None => {}
        }
        self.open = Some(run);
        if self.closed.len() > MAX_RUNS {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let half = self.closed.len() / 2;
        let mut at = 0;
        self.closed.retain(|_| {
            at += 1;
            at > half || at % 2 == 1
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is known after these runs were written down.
    fn replayed<'a>(written: impl IntoIterator<Item = &'a Run>) -> Runs {
        let mut runs = Runs::default();
        for run in written {
            runs.replay(*run);
        }
        runs
    }

    /// Mirrors records of these source offsets and gives what had to be written down.
    fn mirrored(runs: &mut Runs, sources: &[i64]) -> Vec<Run> {
        sources.iter().filter_map(|at| runs.take(*at)).collect()
    }

    #[test]
    fn a_partition_without_gaps_has_the_same_offsets_and_one_run() {
        let mut runs = Runs::default();
        let written = mirrored(&mut runs, &[0, 1, 2, 3]);
        assert_eq!(
            written,
            [Run {
                source: 0,
                target: 0
            }]
        );
        assert!(runs.is_same());
        for at in 0..=4 {
            assert_eq!(runs.target_of(at), at);
        }
        assert_eq!(runs.target_of(99), 4, "never beyond what is mirrored");
    }

    #[test]
    fn a_position_in_a_gap_goes_on_at_the_next_record() {
        let mut runs = Runs::default();
        mirrored(&mut runs, &[10, 11, 20, 21, 22, 30]);
        assert!(!runs.is_same());
        for (source, target) in [
            (0, 0),
            (10, 0),
            (11, 1),
            (12, 2),
            (19, 2),
            (20, 2),
            (22, 4),
            (23, 5),
            (30, 5),
            (31, 6),
            (99, 6),
        ] {
            assert_eq!(runs.target_of(source), target, "{source}");
        }
    }

    #[test]
    fn what_was_written_down_and_never_came_is_void() {
        let mut runs = Runs::default();
        let written = mirrored(&mut runs, &[0, 1, 5, 6, 9]);
        let mut again = replayed(&written);
        // Only three records came.
        again.resume(3);
        assert_eq!(again.next_source(), Some(6));
        assert_eq!(again.next_target(), 3);
        // Compaction has taken the record at 6 meanwhile.
        let more = mirrored(&mut again, &[9, 10]);
        assert_eq!(
            more,
            [Run {
                source: 9,
                target: 3
            }]
        );
        let mut third = replayed(written.iter().chain(&more));
        third.resume(5);
        assert_eq!(third.next_source(), Some(11));
        assert_eq!(third.target_of(6), 3);
    }

    #[test]
    fn the_first_record_after_a_start_is_written_down_though_it_goes_on_in_step() {
        let mut runs = Runs::default();
        let written = mirrored(&mut runs, &[0, 1, 2, 7]);
        let mut again = replayed(&written);
        again.resume(2);
        assert_eq!(
            again.take(2),
            Some(Run {
                source: 2,
                target: 2
            })
        );
        assert_eq!(again.take(3), None);
        assert!(again.is_same());
        // Without it the run at 3, which never came, would count after the next start.
        let mut third = replayed(&written);
        third.replay(Run {
            source: 2,
            target: 2,
        });
        third.resume(4);
        assert_eq!(third.next_source(), Some(4));
    }

    #[test]
    fn a_target_that_was_emptied_begins_again_where_it_began() {
        let mut runs = Runs::default();
        mirrored(&mut runs, &[7, 8, 12]);
        runs.resume(0);
        assert_eq!(runs.next_source(), Some(7));
    }

    #[test]
    fn very_many_gaps_take_bounded_memory_and_positions_are_never_late() {
        let mut runs = Runs::default();
        let count = (MAX_RUNS * 3) as i64;
        for at in 0..count {
            runs.take(at * 2);
        }
        assert!(runs.closed.len() <= MAX_RUNS + 1);
        for at in (0..count).step_by(97) {
            assert!(runs.target_of(at * 2) <= at, "{at}");
        }
        let newest = count - 1;
        assert_eq!(runs.target_of(newest * 2), newest);
    }

    proptest! {
        /// Killed anywhere, with any part of what was planned in the target, every record is mirrored once and each position is exact.
        #[test]
        fn however_often_it_is_killed_each_record_comes_once(
            gaps in prop::collection::vec(1_i64..4, 1..200),
            ends in prop::collection::vec((1_usize..40, 0_usize..40), 0..12),
        ) {
            let sources: Vec<i64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut target: Vec<i64> = Vec::new();
            let mut ledger: Vec<Run> = Vec::new();
            let mut kills = ends.into_iter();
            let mut done = false;
            while !done {
                let mut runs = replayed(&ledger);
                runs.resume(target.len() as i64);
                let from = runs.next_source().unwrap_or(0);
                let rest = sources.iter().copied().filter(|at| *at >= from);
                let kill = kills.next();
                done = kill.is_none();
                let (planned, came) = kill.unwrap_or((usize::MAX, usize::MAX));
                let planned: Vec<i64> = rest.take(planned).collect();
                ledger.extend(mirrored(&mut runs, &planned));
                target.extend(planned.into_iter().take(came));
                if done {
                    for at in 0..=sources.last().copied().unwrap_or(0) + 1 {
                        let want = sources.partition_point(|source| *source < at) as i64;
                        prop_assert_eq!(runs.target_of(at), want);
                    }
                }
            }
            prop_assert_eq!(&target, &sources);
        }
    }
}
