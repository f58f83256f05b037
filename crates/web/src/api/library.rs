//! What there is to watch: `GET /library`, `GET /topics/{topic}/timeline`.

use serde::Serialize;

/// `GET /library`: every video in the topics.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Library {
    /// The live ones first, then by their newest picture, the youngest first.
    pub videos: Vec<Video>,
    /// There are more than are looked for or given out.
    pub truncated: bool,
    /// Topics that nothing is known of yet: ask again in a second.
    pub pending: u32,
    /// Topics that could not be looked at, and why.
    pub problems: Vec<TopicProblem>,
}

/// Why nothing new is known of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TopicProblem {
    /// The topic.
    pub topic: String,
    /// The cause.
    pub why: String,
}

/// One video: the pictures that a topic holds under one key. `GET /topics/{topic}/timeline` gives this one, with `key=` that
/// of a camera or file, without it everything that the topic holds.
///
/// It is found by looking here and there, never by reading the topic: a pause or a short piece between two looks that agree may
/// be missing from `spans`, and `records` and `size_bytes` are estimates.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Video {
    /// The topic.
    pub topic: String,
    /// The camera's or file's name: the records' key. Null where they have none, or where it is several in one.
    pub key: Option<String>,
    /// `video/h264`, `image/jpeg`, …
    pub content_type: String,
    /// RFC 6381, such as `avc1.64001f`; null where no key frame has said so.
    pub codec: Option<String>,
    /// Pixels across; null where no key frame has said so.
    pub width: Option<u32>,
    /// Pixels down.
    pub height: Option<u32>,
    /// When the oldest picture was captured.
    pub from_ms: i64,
    /// When the newest was.
    pub to_ms: i64,
    /// How long it takes to watch: the spans together, or longer where it was published faster than it plays.
    pub length_ms: i64,
    /// A picture was captured within the last 10 s.
    pub live: bool,
    /// When there were pictures: stretches without a pause of more than 10 s, by time; 500 at most.
    pub spans: Vec<Span>,
    /// About how many records it has.
    pub records: u64,
    /// About how many bytes they have.
    pub size_bytes: f64,
    /// Where each named viewer stopped, by name.
    pub viewers: Vec<VideoViewer>,
    /// The address of a picture of it; null where such pictures cannot be decoded here.
    pub poster: Option<String>,
}

/// A stretch of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Span {
    /// The first picture's capture time.
    pub from_ms: i64,
    /// The last one's.
    pub to_ms: i64,
}

/// Where a named viewer stopped.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct VideoViewer {
    /// The consumer group it goes on as: `group=`, with `from=resume`.
    pub group: String,
    /// When the last picture it saw was captured.
    pub at_ms: i64,
    /// The offset it goes on at.
    pub offset: i64,
    /// That offset's partition.
    pub partition: i32,
    /// How much of the video it has seen, 0 to 1.
    pub part: f64,
}
