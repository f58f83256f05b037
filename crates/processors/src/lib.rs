//! What reads one topic and writes another.
//!
//! Each processor is a plain struct of options with one `run(self, kafka, progress, shutdown)`. Results are topics: a
//! compacted one whose newest record of each key is the state, from which a restarted processor goes on. What is computed
//! stands apart from reading and writing, so that tests need no Kafka.

mod outcome;
pub mod words;

pub use outcome::{ProcessorError, Summary};
pub use weir_base::progress::{Progress, Silent, Snapshot};
