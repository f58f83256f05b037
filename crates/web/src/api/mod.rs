//! The JSON of the HTTP interface: every body, event and WebSocket text that the server writes, as types, one file a subject.
//!
//! The page's `crates/ui/src/lib/api.ts` is made from these files, so server and page cannot disagree. Times are
//! milliseconds since the Unix epoch (`_ms`) or microseconds of the publisher's clock (`_us`), lengths are bytes.
//! Offsets go as JSON numbers: Kafka's are below 2^53 in any life.
//!
//! To make `api.ts` anew: `UPDATE_API=1 cargo test -p weir-web api::`; a plain `cargo test` says when it is stale.
//! To add a type: derive `ts_rs::TS` for tests as the others do, and name it in `declare!` below.

mod cluster;
mod latest;
mod library;
mod live;
mod overview;
mod records;
mod rest;
mod series;

use serde::Serialize;

pub use cluster::{
    BrokerState, Cluster, ClusterBroker, ClusterChange, ClusterEvent, ClusterPartition,
    ClusterTopic, PartitionCounts, PartitionState, Partitions,
};
pub use latest::{Latest, LatestEvent, LatestValue};
pub use library::{Library, Span, TopicProblem, Video, VideoViewer};
pub use live::{FragmentHeader, LiveEvent, LiveRequest};
pub use overview::{
    KafkaState, Overview, SourceState, SourceStatus, Sources, TopicKind, TopicOverview,
};
pub use records::{HeaderView, RecordView, RecordsEvent, TextEncoding, TextOrHex};
pub use rest::{PartitionMetadata, ProduceAnswer, ProducedRecord, ReplicaMetadata, TopicMetadata};
pub use series::{SeriesAnswer, SeriesColumns, SeriesEvent};

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
            "// The server's JSON, made from crates/web/src/api/ by\n//   UPDATE_API=1 cargo test -p weir-web api::\n// Do not edit.\n",
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
            Library,
            Video,
            Span,
            VideoViewer,
            TopicProblem,
            TopicMetadata,
            PartitionMetadata,
            ReplicaMetadata,
            ProduceAnswer,
            ProducedRecord,
            Cluster,
            PartitionCounts,
            ClusterBroker,
            BrokerState,
            ClusterTopic,
            ClusterPartition,
            PartitionState,
            ClusterEvent,
            ClusterChange,
            Partitions,
        );
        let _ = write!(
            out,
            "\n/** In front of every binary message of `/topics/{{topic}}/live`, big-endian: `u8 kind` · `u8 flags` · `u16 partition` ·\n * `u32 duration_us` · `i64 offset` · `i64 timestamp_ms` · `i64 pts_us`. */\nexport const FragmentHeader = {{ lenBytes: {}, init: {}, fragment: {}, keyFlag: {}, prerollFlag: {}, soundFlag: {} }} as const;\n",
            FragmentHeader::LEN_BYTES,
            FragmentHeader::INIT,
            FragmentHeader::FRAGMENT,
            FragmentHeader::KEY,
            FragmentHeader::PREROLL,
            FragmentHeader::SOUND,
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
