//! What the archive of this process has done and has still to do, for whoever shows it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Shared by those who archive and those who show it.
#[derive(Debug, Default)]
pub struct Status {
    jobs: Mutex<BTreeMap<String, Job>>,
}

#[derive(Debug, Default)]
struct Job {
    to: String,
    format: &'static str,
    files: u64,
    records: u64,
    bytes: u64,
    passed_over: u64,
    waiting: Option<String>,
    partitions: BTreeMap<i32, Place>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Place {
    archived_to: i64,
    end: i64,
}

/// How one topic's archive stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    /// The topic.
    pub topic: String,
    /// Where it is archived to.
    pub to: String,
    /// The format's name.
    pub format: &'static str,
    /// Partitions this process archives now.
    pub partitions: usize,
    /// Files archived by this process.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Their length.
    pub bytes: u64,
    /// Records that are in no file, since they are no pictures.
    pub passed_over: u64,
    /// Offsets read or known of that are not archived yet.
    pub lag: u64,
    /// Why nothing is written at the moment, if the store would not.
    pub waiting: Option<String>,
}

impl Status {
    /// How each topic's archive stands, by topic.
    pub fn jobs(&self) -> Vec<JobStatus> {
        self.lock()
            .iter()
            .map(|(topic, job)| JobStatus {
                topic: topic.clone(),
                to: job.to.clone(),
                format: job.format,
                partitions: job.partitions.len(),
                files: job.files,
                records: job.records,
                bytes: job.bytes,
                passed_over: job.passed_over,
                lag: job
                    .partitions
                    .values()
                    .map(|place| {
                        place
                            .end
                            .saturating_sub(place.archived_to)
                            .max(0)
                            .unsigned_abs()
                    })
                    .sum(),
                waiting: job.waiting.clone(),
            })
            .collect()
    }

    pub(crate) fn begins(&self, topic: &str, to: String, format: &'static str) {
        let job = Job {
            to,
            format,
            ..Job::default()
        };
        self.lock().insert(topic.to_owned(), job);
    }

    /// The partitions are another's from now on.
    pub(crate) fn gives_up(&self, topic: &str) {
        self.change(topic, |job| job.partitions.clear());
    }

    pub(crate) fn log_ends(&self, topic: &str, partition: i32, end: i64) {
        self.change(topic, |job| {
            let place = job.partitions.entry(partition).or_default();
            place.end = place.end.max(end);
        });
    }

    pub(crate) fn archived(&self, topic: &str, partition: i32, next: i64) {
        self.change(topic, |job| {
            job.waiting = None;
            job.partitions.entry(partition).or_default().archived_to = next;
        });
    }

    pub(crate) fn file(&self, topic: &str, records: u64, bytes: u64) {
        self.change(topic, |job| {
            job.files += 1;
            job.records += records;
            job.bytes += bytes;
        });
    }

    pub(crate) fn passed_over(&self, topic: &str, records: u64) {
        self.change(topic, |job| job.passed_over += records);
    }

    pub(crate) fn waits(&self, topic: &str, why: String) {
        self.change(topic, |job| job.waiting = Some(why));
    }

    fn change(&self, topic: &str, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.lock().get_mut(topic) {
            change(job);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_the_log_has_and_the_archive_has_not() {
        let status = Status::default();
        status.begins("t", "file:///a".to_owned(), "text");
        status.log_ends("t", 0, 100);
        status.archived("t", 0, 40);
        status.log_ends("t", 1, 5);
        status.archived("t", 1, 9);
        status.file("t", 40, 4000);
        let jobs = status.jobs();
        assert_eq!((jobs[0].lag, jobs[0].files, jobs[0].partitions), (60, 1, 2));
        status.gives_up("t");
        assert_eq!(status.jobs()[0].lag, 0);
    }
}
