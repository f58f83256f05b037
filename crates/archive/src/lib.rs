//! Topics kept as files in HDFS, S3 and folders: every record once, whatever is killed.
//!
//! What flows in: topics, read as a member of a consumer group. What flows out: files of text, JSON lines, Parquet or MP4, each
//! under its final name only when it is whole. Read [`claim`] for why each record is in exactly one of them.
//!
//! | module | for |
//! |---|---|
//! | [`claim`] | which records are in which file, and the argument for it |
//! | `single` | one file that grows, and the argument for it |
//! | `layout` | every name in an archive |
//! | `pictures` | which pictures need one another, and so stay in one file |
//! | `range` | records on their way into files |
//! | `keeper` | one partition, from attempt to attempt |
//! | `topic` | one topic: reads, and hands its keepers their records |
//! | `formats` | what files hold |
//! | `store` | disks, S3, HDFS, and what each is relied on for |

mod archive;
pub mod claim;
mod destination;
mod error;
mod formats;
mod keeper;
mod layout;
mod pictures;
mod range;
mod single;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod topic;

pub use archive::{Archive, Archived};
pub use destination::Destination;
pub use error::ArchiveError;
pub use formats::{BadFormat, Format};
pub use layout::{Hour, Layout};
pub use pictures::NoVideo;
pub use status::{JobStatus, Status};
pub use store::{Entry, Folder, Hdfs, S3, Store, StoreError, Writer};
