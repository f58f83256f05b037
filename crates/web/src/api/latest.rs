//! The newest value of each key: `GET /topics/{topic}/latest`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Problem;

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
