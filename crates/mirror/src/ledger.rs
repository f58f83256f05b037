//! What is known of the target's partitions, kept in the target: a compacted topic of its own.
//!
//! A run ([`Run`]) is written here, and acknowledged, before its first record is sent; how many of its records came is what the
//! target's partition itself ends with. So whatever is killed, the two say together what is mirrored, and no record is sent
//! twice or left out. Not in transactions: the marker that ends one takes an offset in every partition it wrote to, so no offset
//! would be the same on both sides.
//!
//! One record more says which run of the program wrote last and whether it ended in order. If it did not, something of it may
//! still arrive, and its successor waits a moment before it asks where partitions end.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_client::{
    ClientError, Event, From, Kafka, NewRecord, Producer, ProducerOptions, ReaderOptions, TopicSpec,
};

use crate::runs::{Run, Runs};

/// The topic. Names that begin so are not listed among the user's.
pub(crate) const TOPIC: &str = "__weir_mirror";
/// Small segments, so that compaction, which leaves the last one alone, keeps little.
const SEGMENT_BYTES: &str = "1048576";

/// Where the runs of one source's partitions are written down.
pub(crate) struct Ledger {
    kafka: Kafka,
    producer: Producer,
    topic: Arc<str>,
    /// The source's cluster id.
    source: String,
    /// Names this run of the program.
    own: String,
}

/// What the ledger says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// By topic and partition.
    pub(crate) runs: BTreeMap<(String, i32), Runs>,
    last: Option<Writer>,
}

/// Who wrote last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Writer {
    run: String,
    ended: bool,
}

#[derive(Serialize, Deserialize)]
struct Written {
    /// Source and target offset of each run's first record.
    runs: Vec<(i64, i64)>,
}

impl Ledger {
    /// The ledger in `kafka` of what comes from the cluster with the id `source`.
    pub(crate) async fn open(
        kafka: &Kafka,
        source: String,
        replication: Option<i32>,
    ) -> Result<Self, ClientError> {
        match kafka.topic(TOPIC).await {
            Ok(_) => {}
            Err(ClientError::NoSuchTopic { .. }) => {
                let mut spec = TopicSpec::new(TOPIC)
                    .partitions(1)
                    .set("cleanup.policy", "compact")
                    .set("segment.bytes", SEGMENT_BYTES);
                spec.replication = replication;
                kafka.create_topic(spec).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(Self {
            producer: kafka.producer(producer_options())?,
            kafka: kafka.clone(),
            topic: Arc::from(TOPIC),
            source,
            own: uuid::Uuid::new_v4().to_string(),
        })
    }

    /// Everything it says.
    pub(crate) async fn read(&self) -> Result<Known, ClientError> {
        let options = ReaderOptions::default();
        let mut reader = self.kafka.reader(TOPIC, From::Start, options).await?;
        let mut known = Known::default();
        loop {
            match reader.next().await? {
                Event::Record(record) => self.take(
                    &mut known,
                    record.key.as_deref().unwrap_or_default(),
                    record.value.as_deref().unwrap_or_default(),
                ),
                Event::CaughtUp { .. } => return Ok(known),
                _ => {}
            }
        }
    }

    fn take(&self, known: &mut Known, key: &[u8], value: &[u8]) {
        let Ok(key) = std::str::from_utf8(key) else {
            return;
        };
        if *key == self.writer_key() {
            known.last = serde_json::from_slice(value).ok();
            return;
        }
        let place = key
            .strip_prefix(self.source.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        // Neither a topic's name nor a cluster's id has a slash in it.
        let mut parts = place.unwrap_or_default().split('/');
        let (Some(topic), Some(partition)) = (parts.next(), parts.next()) else {
            return;
        };
        let written: Option<Written> = serde_json::from_slice(value).ok();
        let (Ok(partition), Some(written)) = (partition.parse(), written) else {
            return;
        };
        let runs = known.runs.entry((topic.to_owned(), partition)).or_default();
        for (source, target) in written.runs {
            runs.replay(Run { source, target });
        }
    }

    /// Says that this run of the program writes now.
    pub(crate) async fn begin(&self) -> Result<(), ClientError> {
        self.say(false).await
    }

    /// Says that everything this run of the program has sent is acknowledged.
    pub(crate) async fn end(&self) -> Result<(), ClientError> {
        self.say(true).await
    }

    async fn say(&self, ended: bool) -> Result<(), ClientError> {
        let writer = Writer {
            run: self.own.clone(),
            ended,
        };
        let json = serde_json::to_vec(&writer).unwrap_or_default();
        self.send(NewRecord::new(self.topic.clone(), json).key(self.writer_key()))
            .await
    }

    /// Writes runs of a partition down; they are there when this returns.
    pub(crate) async fn write(
        &self,
        topic: &str,
        partition: i32,
        runs: &[Run],
    ) -> Result<(), ClientError> {
        let Some(first) = runs.first() else {
            return Ok(());
        };
        let written = Written {
            runs: runs.iter().map(|run| (run.source, run.target)).collect(),
        };
        let key = format!("{}/{topic}/{partition}/{}", self.source, first.target);
        let json = serde_json::to_vec(&written).unwrap_or_default();
        self.send(NewRecord::new(self.topic.clone(), json).key(key))
            .await
    }

    async fn send(&self, record: NewRecord) -> Result<(), ClientError> {
        let delivery = self.producer.send(record).await?;
        delivery.await.map(|_| ())
    }

    fn writer_key(&self) -> String {
        format!("{} writer", self.source)
    }

    /// Whether another run of the program has written since this one began.
    pub(crate) fn is_taken_over(&self, known: &Known) -> bool {
        known.last.as_ref().is_some_and(|last| last.run != self.own)
    }
}

impl Known {
    /// Whether something of the last run may still arrive.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.last.as_ref().is_some_and(|last| !last.ended)
    }
}

fn producer_options() -> ProducerOptions {
    ProducerOptions {
        max_in_flight_bytes: 4 << 20,
        delivery_timeout_ms: 0,
        ..ProducerOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(source: &str) -> Ledger {
        let kafka = Kafka::new("127.0.0.1:1", &[]).unwrap();
        Ledger {
            producer: kafka.producer(producer_options()).unwrap(),
            kafka,
            topic: Arc::from(TOPIC),
            source: source.to_owned(),
            own: "mine".to_owned(),
        }
    }

    #[test]
    fn runs_are_read_for_their_own_source_topic_and_partition() {
        let ledger = ledger("cluster");
        let mut known = Known::default();
        for (key, value) in [
            ("cluster/t/0/0", r#"{"runs":[[7,0],[9,1]]}"#),
            ("cluster/t/1/0", r#"{"runs":[[0,0]]}"#),
            ("other/t/0/0", r#"{"runs":[[100,0]]}"#),
            ("cluster/t/x/0", r#"{"runs":[[100,0]]}"#),
            ("cluster/t", r#"{"runs":[[100,0]]}"#),
            ("cluster/t/0/5", "no JSON"),
            ("", ""),
        ] {
            ledger.take(&mut known, key.as_bytes(), value.as_bytes());
        }
        ledger.take(&mut known, b"\xff", b"");
        assert_eq!(known.runs.len(), 2);
        let mut runs = known.runs[&("t".to_owned(), 0)].clone();
        runs.resume(3);
        assert_eq!(runs.next_source(), Some(11));
    }

    #[test]
    fn a_run_that_did_not_end_in_order_leaves_doubt() {
        let ledger = ledger("cluster");
        let mut known = Known::default();
        assert!(!known.is_in_doubt() && !ledger.is_taken_over(&known));
        let key = ledger.writer_key();
        ledger.take(
            &mut known,
            key.as_bytes(),
            br#"{"run":"other","ended":false}"#,
        );
        assert!(known.is_in_doubt() && ledger.is_taken_over(&known));
        ledger.take(
            &mut known,
            key.as_bytes(),
            br#"{"run":"mine","ended":true}"#,
        );
        assert!(!known.is_in_doubt() && !ledger.is_taken_over(&known));
    }
}
