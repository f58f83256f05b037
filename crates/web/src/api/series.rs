//! Numbers in columns: `GET /topics/{topic}/series`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Problem;

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
