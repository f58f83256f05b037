//! What came out of a step or a case, and how it is counted and shown. A case that cannot run is an error of the kind
//! [`Cannot`], which becomes SKIPPED; every other error is FAILED.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};

/// Why something could not be tried at all: the sentence after SKIPPED.
#[derive(Debug)]
pub struct Cannot(pub String);

impl std::fmt::Display for Cannot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Cannot {}

/// An error that is counted as SKIPPED.
pub fn cannot(why: impl Into<String>) -> Error {
    Error::new(Cannot(why.into()))
}

/// The end of a step or a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it should.
    Passed,
    /// It did not; the remark says how.
    Failed,
    /// It could not be tried; the remark says why.
    Skipped,
}

impl Outcome {
    /// As tables and logs show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
        }
    }
}

/// One finished step or case.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was tried.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Versions and counts when it passed, the reason when not.
    pub remark: String,
    /// How long it took.
    pub took: Duration,
}

/// Runs one piece of work and makes its row.
pub fn row(name: &str, work: impl FnOnce() -> Result<String>) -> Row {
    let started = Instant::now();
    let (outcome, remark) = match work() {
        Ok(remark) => (Outcome::Passed, remark),
        Err(error) if error.is::<Cannot>() => (Outcome::Skipped, format!("{error:#}")),
        Err(error) => (Outcome::Failed, format!("{error:#}")),
    };
    Row {
        name: name.to_owned(),
        outcome,
        remark,
        took: started.elapsed(),
    }
}

/// Numbers for the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests, cases and steps that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that could not run.
    pub skipped: usize,
}

impl Tally {
    /// Counts one outcome.
    pub fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
        }
    }

    /// Adds another tally.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The names of the tests that a runner said failed: Rust's harness (`test NAME ... FAILED`), Vitest (` FAIL  FILE > NAME`) and
/// Playwright's list (`  ✘  7 FILE › NAME (1.2s)`, or `x` where its output is no terminal).
pub fn failures(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        let rust = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"));
        let vitest = line.strip_prefix("FAIL  ");
        let playwright = || {
            let rest = line.strip_prefix('✘').or(line.strip_prefix("x "))?.trim();
            let (number, name) = rest.split_once(' ')?;
            number.parse::<u32>().ok()?;
            Some(name.trim())
        };
        let found = rust.or(vitest).or_else(playwright);
        names.extend(found.map(str::to_owned));
    }
    names.dedup();
    names
}

impl Tally {
    /// Adds up `N passed`, `N failed`, `N skipped` wherever a runner's summary says so: on a line of their own
    /// (Playwright) or on the line that starts with `Tests` (Vitest).
    pub fn of_summary(text: &str) -> Self {
        let mut tally = Self::default();
        for line in plain(text).lines().map(str::trim) {
            let counts = line.strip_prefix("Tests ").unwrap_or(line);
            for part in counts.split('|') {
                let mut words = part.split_whitespace();
                let (Some(Ok(number)), Some(what)) =
                    (words.next().map(str::parse::<usize>), words.next())
                else {
                    break;
                };
                match what {
                    "passed" => tally.passed += number,
                    "failed" | "flaky" => tally.failed += number,
                    "skipped" => tally.skipped += number,
                    "did" if part.contains("did not run") => tally.skipped += number,
                    _ => {}
                }
            }
        }
        tally
    }
}

/// A terminal's text without its colours (`ESC [ … m`, ECMA-48 §8.3.117).
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| {
        plain + part.split_once('m').map_or("", |(_, rest)| rest)
    })
}

impl std::fmt::Display for Tally {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// A Markdown table; columns are padded so that it reads well as plain text too.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .chain([title.chars().count()])
                .max()
                .unwrap_or(0)
                .min(60)
        })
        .collect();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (cell, width) in cells.zip(&width) {
            let cell = cell.replace('|', "\\|").replace('\n', " ");
            let _ = write!(text, "| {cell:<width$} ");
        }
        text.push_str("|\n");
    };
    line(&mut head.iter().copied());
    let rules: Vec<String> = width.iter().map(|&width| "-".repeat(width)).collect();
    line(&mut rules.iter().map(String::as_str));
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// Seconds with one decimal, as all our tables show time.
pub fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_that_failed_are_named_whoever_ran_them() {
        let text = "test series::peaks_survive ... FAILED\ntest series::fine ... ok\n\
                    \x20 ✓  1 e2e/live.spec.ts:5:3 › it plays (1.0s)\n  ✘  2 e2e/live.spec.ts:9:3 › it goes on (20.1s)\n\
                    \x20 x  3 e2e/live.spec.ts:12:3 › it ends (3.0s)\n FAIL  src/lib/units.test.ts > bytes\n";
        let names = [
            "series::peaks_survive",
            "e2e/live.spec.ts:9:3 › it goes on (20.1s)",
            "e2e/live.spec.ts:12:3 › it ends (3.0s)",
            "src/lib/units.test.ts > bytes",
        ];
        assert_eq!(failures(text), names);
    }

    #[test]
    fn what_cannot_run_is_skipped_and_never_counts_as_passed() {
        let rows = [
            row("a", || Ok("fine".to_owned())),
            row("b", || Err(cannot("no Java here"))),
            row("c", || anyhow::bail!("wrong")),
        ];
        let mut tally = Tally::default();
        for row in &rows {
            tally.count(row.outcome);
        }
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(rows[1].remark, "no Java here");
    }

    #[test]
    fn the_summaries_of_playwright_and_vitest_are_added_up() {
        let playwright = "  ok 1 [x] › a 5 passed things\n\n  1 failed\n    e2e/live.spec.ts\n  2 skipped\n  3 did not run\n  14 passed (1.2m)\n";
        assert_eq!(
            Tally::of_summary(playwright).to_string(),
            "14 passed, 1 failed, 5 skipped"
        );
        let vitest =
            " Test Files  8 passed (8)\n      Tests  1 failed | 56 passed | 2 skipped (59)\n";
        assert_eq!(
            Tally::of_summary(vitest).to_string(),
            "56 passed, 1 failed, 2 skipped"
        );
    }

    #[test]
    fn a_bar_in_a_cell_does_not_break_the_table() {
        let text = table(&["what", "n"], &[vec!["a|b".to_owned(), "1".to_owned()]]);
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains("a\\|b"));
    }
}
