//! What an archive could not do, each as a sentence with its remedy.

use weir_client::ClientError;

use crate::pictures::NoVideo;
use crate::store::StoreError;

/// An archive that could not begin, or not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Kafka would not.
    #[error(transparent)]
    Kafka(#[from] ClientError),
    /// The store would not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Where to archive to cannot be read.
    #[error("--to {given:?}: {why}; write file:///DIR, s3://BUCKET/PREFIX or hdfs://HOST:PORT/DIR")]
    BadDestination {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// A single file was asked for where none can grow.
    #[error(
        "--single-file: a file in S3 cannot grow; leave --single-file out (a new file is then begun every few minutes, --roll-time), or \
         archive to file:///DIR or hdfs://HOST:PORT/DIR"
    )]
    NothingGrowsThere,
    /// A single file was asked for of a format that cannot grow.
    #[error(
        "--single-file: a file of {0} cannot grow; write --format text or --format jsonl, or leave --single-file out"
    )]
    CannotGrow(&'static str),
    /// A topic cannot be kept as MP4.
    #[error("partition {partition} of topic {topic:?} cannot be kept as MP4: {why}")]
    NoVideo {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Why, and what to do.
        why: NoVideo,
    },
    /// The archive is ahead of the log.
    #[error(
        "partition {partition} of topic {topic:?} ends at offset {end}, but the archive already holds its offsets up to {archived}: \
         the topic has been deleted and made again, or lost records; archive it to another folder (--to)"
    )]
    Ahead {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The log's next offset.
        end: i64,
        /// The archive's next offset.
        archived: i64,
    },
}
