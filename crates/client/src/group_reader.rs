//! Topics shared out among the members of a consumer group.

use crate::{ClientError, Event, Kafka};

/// Where a group without a position starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupStart {
    /// The oldest record.
    #[default]
    Start,
    /// What is appended from now on.
    Live,
}

/// How a member of a group works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReaderOptions {
    /// Where a group without a position starts.
    pub start: GroupStart,
    /// Bytes kept ready in memory.
    pub max_queued_bytes: usize,
}

impl Default for GroupReaderOptions {
    fn default() -> Self {
        Self {
            start: GroupStart::Start,
            max_queued_bytes: 8 << 20,
        }
    }
}

/// A member of a consumer group. Nothing is committed but by [`GroupReader::commit`].
pub struct GroupReader {}

impl Kafka {
    /// Joins `group` to read `topics`.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn group_reader(
        &self,
        _topics: &[&str],
        _group: &str,
        _options: GroupReaderOptions,
    ) -> Result<GroupReader, ClientError> {
        todo!()
    }
}

impl GroupReader {
    /// The next event. Cancel-safe.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        todo!()
    }

    /// Commits everything that [`GroupReader::next`] has given out.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn commit(&self) -> Result<(), ClientError> {
        todo!()
    }

    /// Leaves the group.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn close(self) {
        todo!()
    }
}
