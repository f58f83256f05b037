//! Records for people: `GET /topics/{topic}/records`.

use serde::Serialize;

use super::Problem;

/// The events of `GET /topics/{topic}/records` (Server-Sent Events). A record's `id` is `partition:offset`;
/// the browser sends it back as `Last-Event-ID` and goes on behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RecordsEvent {
    /// One record.
    Record(RecordView),
    /// Caught up with the edge.
    Live,
    /// Kafka is away; the connection stays and goes on by itself.
    Waiting {
        /// The cause.
        why: String,
    },
    /// Kafka is back.
    Reconnected,
    /// `limit` records were sent: do not connect again.
    End {
        /// How many records were sent.
        records: u64,
    },
    /// It ends here.
    Error {
        /// The cause, as it would stand in an HTTP answer.
        problem: Problem,
    },
}

/// One record, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RecordView {
    /// Its partition.
    pub partition: i32,
    /// Its number there.
    pub offset: i64,
    /// Its time; old records may have none.
    pub timestamp_ms: Option<i64>,
    /// Its key; null is none.
    pub key: Option<TextOrHex>,
    /// Its headers in their order.
    pub headers: Vec<HeaderView>,
    /// Its value; null is a tombstone. Cut at 4,096 bytes unless `full=true`.
    pub value: Option<TextOrHex>,
    /// The whole value's length.
    pub value_len_bytes: u64,
    /// Whether `value` was cut.
    pub truncated: bool,
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HeaderView {
    /// Its name.
    pub name: String,
    /// Its value; null is none.
    pub value: Option<TextOrHex>,
}

/// Bytes as text where they are UTF-8 without control characters, else in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TextOrHex {
    /// How `text` is to be read.
    pub encoding: TextEncoding,
    /// The text, or two hexadecimal digits a byte.
    pub text: String,
}

/// How a [`TextOrHex`] is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum TextEncoding {
    /// As it stands.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Two hexadecimal digits a byte.
    #[serde(rename = "hex")]
    Hex,
}
