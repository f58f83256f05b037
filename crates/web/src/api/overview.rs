//! What topics there are, whether Kafka answers, and how the sources are that run here: `GET /overview`, `GET /sources`.

use serde::Serialize;

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
    /// Sound stands beside its pictures: `/live?sound=true` gives it too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub sound: bool,
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
