//! The JSON of the HTTP interface: every body, event and WebSocket text that the server writes, as types.
//!
//! The page's `crates/ui/src/lib/api.ts` is made from this file, so server and page cannot disagree. Times are
//! milliseconds since the Unix epoch (`_ms`) or microseconds of the publisher's clock (`_us`), lengths are bytes.
//! Offsets go as JSON numbers: Kafka's are below 2^53 in any life.
//!
//! To make `api.ts` anew: `UPDATE_API=1 cargo test -p weir-web api::`; a plain `cargo test` says when it is stale.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What went wrong, as RFC 9457 `application/problem+json`; also inside a WebSocket's `error` text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Problem {
    /// Always `about:blank`: the status says the kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status, also where it comes in a WebSocket.
    pub status: u16,
    /// What is wrong, in a sentence that names the thing.
    pub detail: String,
    /// The parameter, path part or body member at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub field: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub remedy: Option<String>,
}

/// `GET /overview`: one look at everything. With `Accept: text/event-stream` one such object a second.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Overview {
    /// The server's clock.
    pub server_time_ms: i64,
    /// The Kafka in use, `HOST:PORT,…`.
    pub bootstrap: String,
    /// The version of this program.
    pub version: &'static str,
    /// Whether that Kafka answers.
    pub kafka: KafkaState,
    /// The topics by name; internal ones too, marked.
    pub topics: Vec<TopicOverview>,
}

/// `GET /sources`: what `weir serve` publishes by itself. With `Accept: text/event-stream` such an object whenever it changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Sources {
    /// The sources of `weir.toml`, in its order.
    pub sources: Vec<SourceStatus>,
}

/// How one source is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SourceStatus {
    /// `camera`, `rtsp`, `video`, …: a command of `weir publish`.
    pub kind: String,
    /// The topic it publishes to.
    pub topic: String,
    /// How it is.
    pub state: SourceState,
    /// Since when.
    pub since_ms: i64,
    /// The newest thing it had to say: why it waits, what was left out.
    pub note: Option<String>,
    /// Records acknowledged since it was last started.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// How often it broke off or could not begin.
    pub broke_off: u64,
}

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum SourceState {
    /// It has published nothing yet.
    Starting,
    /// It publishes.
    Running,
    /// It broke off and is tried again by itself.
    Waiting,
    /// There was no more to publish.
    Ended,
}

/// Whether the Kafka behind the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum KafkaState {
    /// It answers.
    Connected,
    /// It does not; the topics are those last seen.
    Disconnected {
        /// When it was noticed.
        since_ms: i64,
        /// The cause, with the remedy.
        why: String,
    },
}

/// What a topic holds, judged by its newest records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum TopicKind {
    /// Pictures, one a record; `content_type` says which.
    Video,
    /// JSON objects with numeric members, bare numbers, `timestamp,number`.
    Numbers,
    /// Any other UTF-8.
    Text,
    /// Anything else.
    Binary,
    /// No record to judge by.
    Empty,
}

/// One topic in the overview.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TopicOverview {
    /// The topic's name.
    pub name: String,
    /// Kafka's own, such as `__consumer_offsets`.
    pub internal: bool,
    /// What it holds.
    pub kind: TopicKind,
    /// `video/h264`, `image/jpeg`, …: of video topics.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub content_type: Option<String>,
    /// How many partitions.
    pub partitions: u32,
    /// The sum of the partitions' first offsets: more than 0 once retention has deleted something.
    pub start_offset_sum: i64,
    /// Records there now: the sum of end minus start over the partitions (compaction makes it an upper bound).
    pub records: i64,
    /// Arrivals over the last second.
    pub records_per_s: f64,
    /// `records_per_s` times the mean length of the records last looked at.
    pub bytes_per_s: f64,
    /// `records` times the mean length of the records last looked at; absent before one was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub size_bytes_estimate: Option<f64>,
    /// When the newest record was made or, while records arrive, when the last was seen to arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub newest_ms: Option<i64>,
    /// Keeps the newest record of each key: `/latest` is the view of it. Absent while unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub compacted: Option<bool>,
    /// Records a second over the last 60 s, oldest first; shorter when seen for less long.
    pub rates: Vec<f64>,
}

/// The texts of `GET /topics/{topic}/live` (WebSocket). Binary messages hold init segments and fragments
/// behind a [`FragmentHeader`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LiveEvent {
    /// What the next pictures are; a binary message of kind 0 follows with the init segment. Comes again
    /// when the publisher changes its parameters.
    Init {
        /// RFC 6381, such as `avc1.64001f`.
        codec: String,
        /// For `MediaSource.isTypeSupported`.
        mime: String,
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Caught up: what comes from now on is as fresh as it gets.
    Live,
    /// This viewer was too slow, or joined between key frames, and goes on at a key frame.
    Skipped {
        /// How many pictures it misses.
        pictures: u64,
    },
    /// Once a second: to reckon delay and position by.
    Clock {
        /// The server's clock.
        server_time_ms: i64,
        /// Where partition 0 ends, as far as known: how much there is ahead of a viewer of the past.
        end_offset: i64,
    },
    /// Pictures under several keys are in the topic, as of several cameras: one is shown; `key=` chooses.
    Keys {
        /// The records' keys, as text.
        keys: Vec<String>,
        /// The one that is shown.
        shown: String,
    },
    /// Nothing to show just now; the connection stays and goes on by itself.
    Waiting {
        /// The cause: Kafka is away, or there is no picture yet.
        why: String,
    },
    /// The cause of the last `waiting` is gone.
    Reconnected,
    /// It ends here; the socket closes next.
    Error {
        /// The cause, as it would stand in an HTTP answer.
        problem: Problem,
    },
}

/// The texts that a player may send to `GET /topics/{topic}/live`, up to 4,096 bytes each and 20 a second. Those of other types are
/// passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LiveRequest {
    /// This picture is on the screen: where `group=` was given, the group goes on behind it. Said about once a second.
    Shown {
        /// The record's partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
    },
    /// A type that a later version may know.
    #[serde(other)]
    #[cfg_attr(test, ts(skip))]
    Other,
}

/// What stands in front of every binary message of `/topics/{topic}/live`: 32 bytes, big-endian, in this order:
/// `u8 kind` · `u8 flags` · `u16 partition` · `u32 duration_us` · `i64 offset` · `i64 timestamp_ms` · `i64 pts_us`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentHeader {
    /// [`FragmentHeader::INIT`] or [`FragmentHeader::FRAGMENT`].
    pub kind: u8,
    /// [`FragmentHeader::KEY`], [`FragmentHeader::PREROLL`].
    pub flags: u8,
    /// The record's partition.
    pub partition: u16,
    /// How long the picture stands, as far as known when it came.
    pub duration_us: u32,
    /// The record's offset.
    pub offset: i64,
    /// The record's timestamp: when the picture was captured.
    pub timestamp_ms: i64,
    /// The picture's presentation time in the fragments' own time line, which never runs backwards within
    /// one connection.
    pub pts_us: i64,
}

impl FragmentHeader {
    /// `kind` of an init segment.
    pub const INIT: u8 = 0;
    /// `kind` of a fragment: one picture.
    pub const FRAGMENT: u8 = 1;
    /// Flag: a key frame.
    pub const KEY: u8 = 1;
    /// Flag: sent only so that later pictures can be decoded (in front of the position asked for).
    pub const PREROLL: u8 = 2;
    /// Its length on the wire.
    pub const LEN_BYTES: usize = 32;

    /// The header as it goes on the wire.
    pub fn to_bytes(&self) -> [u8; Self::LEN_BYTES] {
        let mut out = [0; Self::LEN_BYTES];
        out[0] = self.kind;
        out[1] = self.flags;
        out[2..4].copy_from_slice(&self.partition.to_be_bytes());
        out[4..8].copy_from_slice(&self.duration_us.to_be_bytes());
        out[8..16].copy_from_slice(&self.offset.to_be_bytes());
        out[16..24].copy_from_slice(&self.timestamp_ms.to_be_bytes());
        out[24..32].copy_from_slice(&self.pts_us.to_be_bytes());
        out
    }
}

/// `GET /topics/{topic}/series` asked once, as JSON: everything of the window up to now. The same as CSV has the columns
/// `series,t_ms,arrival_ms,offset,value`, and the two counts as the headers `Weir-Passed-Over` and `Weir-Reduced-To-Columns`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeriesAnswer {
    /// The topic.
    pub topic: String,
    /// Where the window begins: as asked for, or the earliest point's time where an offset was asked for.
    pub from_ms: f64,
    /// Where it ends.
    pub to_ms: f64,
    /// Into how many columns of time the window was cut, of each of which a series keeps its first, least, greatest and last point:
    /// `columns=`, or fewer or any where there were more points than are given out. Absent where every point is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub reduced_to_columns: Option<u32>,
    /// The series by name, each in order of time.
    pub series: Vec<SeriesColumns>,
    /// Records of which nothing is in `series`.
    pub passed_over: u64,
    /// Why records, or single members of them, are not there: how many for each reason.
    pub reasons: BTreeMap<String, u64>,
}

/// The texts of `GET /topics/{topic}/series`, as WebSocket and as Server-Sent Events.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum SeriesEvent {
    /// New points: first those of the window's past, then what arrives, at most 50 ms old.
    Columns {
        /// The series that have new points.
        series: Vec<SeriesColumns>,
        /// Records since the last batch of which nothing is in `series`.
        passed_over: u64,
        /// Why records, or single members of them, are not there: how many for each reason.
        reasons: BTreeMap<String, u64>,
    },
    /// Everything of the window's past has been sent.
    Live,
    /// Kafka is away; the connection stays and goes on by itself.
    Waiting {
        /// The cause.
        why: String,
    },
    /// Kafka is back.
    Reconnected,
    /// It ends here.
    Error {
        /// The cause, as it would stand in an HTTP answer.
        problem: Problem,
    },
}

/// The new points of one series; the four columns are equally long.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeriesColumns {
    /// `sensor-1.count`; the key alone where the object has one number; the member alone where there is no key.
    pub name: String,
    /// When each value was made.
    pub t_ms: Vec<f64>,
    /// The values.
    pub v: Vec<f64>,
    /// When each reached the server; of history read back, when it was appended as far as known.
    pub arrival_ms: Vec<f64>,
    /// Each record's offset.
    pub offset: Vec<i64>,
}

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

/// `GET /topics/{topic}/latest`: the newest value of each key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Latest {
    /// The topic.
    pub topic: String,
    /// By key: a key that is not text stands in hexadecimal behind `0x`. Records without a key share `""`.
    pub values: BTreeMap<String, LatestValue>,
    /// How many keys there are in all, so far as kept.
    pub keys: u64,
    /// There are more keys than are kept (10,000) or were asked for (`limit=`): the newest are here.
    pub truncated: bool,
}

/// The newest record of one key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LatestValue {
    /// JSON where the value is JSON, else text, else hexadecimal behind `0x`.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub value: serde_json::Value,
    /// The record's time.
    pub timestamp_ms: Option<i64>,
    /// Its number.
    pub offset: i64,
}

/// The events of `GET /topics/{topic}/latest` with `Accept: text/event-stream`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LatestEvent {
    /// First, and after a loss: everything.
    Whole(Latest),
    /// Then what changed, at most ten times a second; null where the key was deleted.
    Changed {
        /// By key.
        changed: BTreeMap<String, Option<LatestValue>>,
    },
    /// Kafka is away; the connection stays and goes on by itself.
    Waiting {
        /// The cause.
        why: String,
    },
    /// Kafka is back.
    Reconnected,
    /// It ends here.
    Error {
        /// The cause, as it would stand in an HTTP answer.
        problem: Problem,
    },
}

/// `GET /topics/{topic}` and what `GET /topics/{topic}/partitions` lists, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TopicMetadata {
    /// The topic's name.
    pub name: String,
    /// Its settings that are not secret.
    pub configs: BTreeMap<String, String>,
    /// Its partitions by number.
    pub partitions: Vec<PartitionMetadata>,
}

/// One partition, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PartitionMetadata {
    /// Its number.
    pub partition: i32,
    /// The broker that leads it.
    pub leader: i32,
    /// Who has it.
    pub replicas: Vec<ReplicaMetadata>,
}

/// One replica of a partition, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ReplicaMetadata {
    /// The broker.
    pub broker: i32,
    /// Whether it leads the partition.
    pub leader: bool,
    /// Whether it has everything acknowledged.
    pub in_sync: bool,
}

/// The answer to `POST /topics/{topic}`, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProduceAnswer {
    /// One for each record, in order.
    pub offsets: Vec<ProducedRecord>,
    /// Always null: there is no schema registry.
    pub key_schema_id: Option<i32>,
    /// Always null: there is no schema registry.
    pub value_schema_id: Option<i32>,
}

/// Where one record went, as the Confluent REST Proxy v2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ProducedRecord {
    /// Its partition.
    pub partition: Option<i32>,
    /// Its offset.
    pub offset: Option<i64>,
    /// 1: will never work; 2: may work if tried again.
    pub error_code: Option<i32>,
    /// The cause.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::PathBuf;

    use ts_rs::TS;

    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/lib/api.ts");

    fn the_pages_types() -> String {
        let config = ts_rs::Config::new().with_large_int("number");
        let mut out = String::from(
            "// The server's JSON, made from crates/web/src/api.rs by\n//   UPDATE_API=1 cargo test -p weir-web api::\n// Do not edit.\n",
        );
        macro_rules! declare {
            ($($name:ty),* $(,)?) => {$(
                let docs = <$name>::docs().unwrap_or_default();
                let _ = write!(out, "\n{docs}export {}\n", <$name>::decl(&config));
            )*};
        }
        declare!(
            Problem,
            Overview,
            Sources,
            SourceStatus,
            SourceState,
            KafkaState,
            TopicKind,
            TopicOverview,
            LiveEvent,
            LiveRequest,
            SeriesEvent,
            SeriesAnswer,
            SeriesColumns,
            RecordsEvent,
            RecordView,
            HeaderView,
            TextOrHex,
            TextEncoding,
            Latest,
            LatestValue,
            LatestEvent,
            TopicMetadata,
            PartitionMetadata,
            ReplicaMetadata,
            ProduceAnswer,
            ProducedRecord,
        );
        let _ = write!(
            out,
            "\n/** In front of every binary message of `/topics/{{topic}}/live`, big-endian: `u8 kind` · `u8 flags` · `u16 partition` ·\n * `u32 duration_us` · `i64 offset` · `i64 timestamp_ms` · `i64 pts_us`. */\nexport const FragmentHeader = {{ lenBytes: {}, init: {}, fragment: {}, keyFlag: {}, prerollFlag: {} }} as const;\n",
            FragmentHeader::LEN_BYTES,
            FragmentHeader::INIT,
            FragmentHeader::FRAGMENT,
            FragmentHeader::KEY,
            FragmentHeader::PREROLL,
        );
        out
    }

    #[test]
    fn the_pages_types_are_the_servers() {
        let made = the_pages_types();
        let path = PathBuf::from(FILE);
        if std::env::var_os("UPDATE_API").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == made,
            "crates/ui/src/lib/api.ts is stale: run `UPDATE_API=1 cargo test -p weir-web api::` and commit it"
        );
    }

    #[test]
    fn a_fragment_header_is_32_bytes_big_endian() {
        let header = FragmentHeader {
            kind: FragmentHeader::FRAGMENT,
            flags: FragmentHeader::KEY,
            partition: 2,
            duration_us: 40_000,
            offset: 7,
            timestamp_ms: -1,
            pts_us: 1 << 40,
        };
        let bytes = header.to_bytes();
        assert_eq!(&bytes[..8], &[1, 1, 0, 2, 0, 0, 0x9c, 0x40]);
        assert_eq!(&bytes[8..16], &7_i64.to_be_bytes());
        assert_eq!(&bytes[16..24], &[0xff; 8]);
        assert_eq!(&bytes[24..], &(1_i64 << 40).to_be_bytes());
    }
}
