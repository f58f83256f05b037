//! What reads one topic and writes another.
//!
//! Each processor is a plain struct of options with one `run(self, kafka, progress, shutdown)`. Results are topics, and say
//! themselves how far of the input is in them: a restarted processor goes on from there, and no result is lost or doubled,
//! whenever it was killed. Time is event time, never the wall clock's, so the same input gives the same results.
//!
//! | module | for |
//! |---|---|
//! | [`average`] | moving averages: a result for each record |
//! | [`combine`] | several producers side by side at the instants of a grid |
//! | [`stats`] | least, greatest, mean in windows |
//! | [`words`] | running counts of words, in a compacted topic |
//! | `running`, `machine` | the one loop, and what a processor is apart from it |
//! | `calculation`, `ledger` | what the processors of numbers share: reading numbers, knowing how far they are |
//! | `event_time`, `keys`, `sum`, `tally` | which times to believe, bounded memory, sums, what was passed over |
//!
//! What is computed stands apart from reading and writing, so that tests need no Kafka.

pub mod average;
mod calculation;
pub mod combine;
mod event_time;
mod json;
mod keys;
mod ledger;
mod machine;
#[cfg(test)]
mod memory;
mod outcome;
mod result_topic;
mod running;
mod sample;
pub mod stats;
mod sum;
mod tally;
pub mod words;

pub use outcome::{ProcessorError, Summary};
pub use weir_base::progress::{Progress, Silent, Snapshot};
