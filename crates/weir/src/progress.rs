//! How a long job shows where it is: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use weir_base::time::Clock;
use weir_base::units::{show_bytes, show_duration};
use weir_sources::{Progress, Silent, Snapshot};

use crate::context::Context;

const LINE_EVERY: Duration = Duration::from_secs(5);

/// The reporter that fits where standard error goes.
pub fn reporter(context: &Context) -> Arc<dyn Progress> {
    if context.quiet {
        Arc::new(Silent)
    } else if std::io::stderr().is_terminal() {
        Arc::new(Bar::new())
    } else {
        Arc::new(Lines {
            clock: context.clock.clone(),
            last: Mutex::new(None),
        })
    }
}

struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        bar.set_style(plain("{spinner} {msg}"));
        Self(bar)
    }
}

fn plain(template: &str) -> ProgressStyle {
    // A template is a constant of this file; should one be wrong, the default style still shows progress.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for Bar {
    fn update(&self, snapshot: &Snapshot) {
        if let Some(duration_us) = snapshot.duration_us.filter(|&us| us > 0) {
            if self.0.length() == Some(0) {
                self.0.set_style(plain("{bar:30} {percent:>3} %  {msg}"));
            }
            self.0.set_length(duration_us.unsigned_abs());
            self.0.set_position(
                snapshot
                    .position_us
                    .unwrap_or(0)
                    .clamp(0, duration_us)
                    .unsigned_abs(),
            );
        } else if let Some(total) = snapshot.total.filter(|&total| total > 0) {
            if self.0.length() == Some(0) {
                self.0.set_style(plain("{bar:30} {percent:>3} %  {msg}"));
            }
            self.0.set_length(total);
            self.0.set_position(snapshot.records.min(total));
        } else {
            self.0.tick();
        }
        self.0.set_message(describe(snapshot));
    }

    fn note(&self, text: &str) {
        self.0.suspend(|| eprintln!("weir: {text}"));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish();
    }
}

struct Lines {
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Duration>>,
}

impl Progress for Lines {
    fn update(&self, snapshot: &Snapshot) {
        let now = self.clock.monotonic();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.saturating_sub(last) >= LINE_EVERY) {
            *last = Some(now);
            eprintln!("weir: {}", describe(snapshot));
        }
    }

    fn note(&self, text: &str) {
        eprintln!("weir: {text}");
    }
}

/// Position, records, size and speed in a line.
pub fn describe(snapshot: &Snapshot) -> String {
    let mut parts = Vec::new();
    if let Some(position_us) = snapshot.position_us {
        let position = clock_time(position_us);
        parts.push(match snapshot.duration_us {
            Some(duration_us) => format!("{position} / {}", clock_time(duration_us)),
            None => position,
        });
    }
    parts.push(match snapshot.total {
        Some(total) => format!("{} of {total} records", snapshot.records),
        None => format!("{} records", snapshot.records),
    });
    parts.push(show_bytes(snapshot.bytes));
    if let Some(speed) = snapshot.speed {
        parts.push(format!("{speed:.2}×"));
    }
    if snapshot.passed_over > 0 {
        parts.push(format!("{} passed over", snapshot.passed_over));
    }
    parts.join("  ")
}

/// `1:02:03` for people.
pub fn clock_time(us: i64) -> String {
    let seconds = us.max(0) / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// The last line of a job that has ended.
pub fn summary(what: &str, records: u64, bytes: u64, took: Duration) -> String {
    format!(
        "{what}: {records} records, {} in {}",
        show_bytes(bytes),
        show_duration(took)
    )
}
