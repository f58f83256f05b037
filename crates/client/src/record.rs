//! What a record is on its way in and on its way out.

use std::sync::Arc;

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use weir_base::time::Timestamp;

/// A record as it was read. The bytes were copied once, out of the client library's buffer; clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The topic it was read from.
    pub topic: Arc<str>,
    /// The partition it was read from.
    pub partition: i32,
    /// Its number in the partition.
    pub offset: i64,
    /// When it was created or appended, by the topic's `message.timestamp.type`; records written before Kafka 0.10 have none.
    pub timestamp: Option<Timestamp>,
    /// What it is about; decides its partition, and what compaction keeps.
    pub key: Option<Bytes>,
    /// What it says; without one it deletes its key from a compacted topic.
    pub value: Option<Bytes>,
    /// Names with values, in the order they were sent; a name may come more than once.
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl Record {
    /// The last header of this name that has a value, as Kafka's own clients look one up.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .and_then(|(_, value)| value.as_deref())
    }

    /// Headers that have a value, as `weir_media::record::read` takes them.
    pub fn header_pairs(&self) -> impl Iterator<Item = (&str, &[u8])> + Clone {
        self.headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)))
    }

    /// Bytes of key, value and headers.
    pub fn len_bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len)
            + self.value.as_ref().map_or(0, Bytes::len)
            + self
                .headers
                .iter()
                .map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len))
                .sum::<usize>()
    }

    pub(crate) fn copied(message: &BorrowedMessage<'_>, topic: Arc<str>) -> Self {
        let headers = message
            .headers()
            .map(|headers| {
                headers
                    .iter()
                    .map(|header| {
                        (
                            header.key.to_owned(),
                            header.value.map(Bytes::copy_from_slice),
                        )
                    })
                    .collect()
            })
            .unwrap_or_default();
        Self {
            topic,
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().map(Timestamp),
            key: message.key().map(Bytes::copy_from_slice),
            value: message.payload().map(Bytes::copy_from_slice),
            headers,
        }
    }
}

/// A record to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic it goes to.
    pub topic: Arc<str>,
    /// The partition; `None`: by the key's hash as Kafka's Java client does it, or any for want of a key.
    pub partition: Option<i32>,
    /// What it is about.
    pub key: Option<Bytes>,
    /// What it says.
    pub value: Option<Bytes>,
    /// Names with values.
    pub headers: Vec<(String, Bytes)>,
    /// When it was created; `None`: when it is sent.
    pub timestamp: Option<Timestamp>,
}

impl NewRecord {
    /// A record without key, headers and timestamp.
    pub fn new(topic: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            key: None,
            value: Some(value.into()),
            headers: Vec::new(),
            timestamp: None,
        }
    }

    /// The same with a key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with its creation time.
    #[must_use]
    pub fn timestamp(mut self, at: Timestamp) -> Self {
        self.timestamp = Some(at);
        self
    }

    /// Bytes of key, value and headers.
    pub fn len_bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Bytes::len)
            + self.value.as_ref().map_or(0, Bytes::len)
            + self
                .headers
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum::<usize>()
    }
}
