//! Where followers' places are kept: a compacted topic, written in the transactions that write the lines.
//!
//! Two records a follower. One holds the place behind the lines of the last committed transaction. The other says who
//! follows: a follower that starts writes it before it looks for its place, and reads committed records until it meets it.
//! Everything written before it is decided by then, so the place found is the last one, whoever else has a transaction open
//! in this topic. And a follower that was shut out reads there whether another one took over.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_client::{
    Event, From, Kafka, NewRecord, Reader, ReaderOptions, TopicSpec, TransactionalProducer,
};

use super::place::Place;
use crate::SourceError;

/// The topic. Names that begin so are not listed among the user's.
const TOPIC: &str = "__weir_places";
/// Small segments, so that compaction, which leaves the last one alone, keeps little.
const SEGMENT_BYTES: &str = "1048576";

/// A follower's records in the topic.
#[derive(Debug, Clone)]
pub(super) struct Places {
    topic: Arc<str>,
    /// What both keys end with: the topic written to, and the follower's name.
    name: String,
    /// Names the last claim of this run; no two claims have the same.
    claim: String,
}

/// What the topic says of a follower.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The last place.
    pub(super) place: Option<Place>,
    /// The last claim.
    claim: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claim {
    claim: String,
}

impl Places {
    pub(super) async fn open(kafka: &Kafka, topic: &str, name: &str) -> Result<Self, SourceError> {
        let spec = TopicSpec::new(TOPIC)
            .partitions(1)
            .set("cleanup.policy", "compact")
            .set("segment.bytes", SEGMENT_BYTES);
        match kafka.topic(TOPIC).await {
            Ok(_) => {}
            Err(weir_client::ClientError::NoSuchTopic { .. }) => {
                kafka.create_topic(spec).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            topic: Arc::from(TOPIC),
            name: format!("{topic} {name}"),
            claim: String::new(),
        })
    }

    /// The transactional id: one follower of this name a topic.
    pub(super) fn transactional_id(&self) -> String {
        format!("weir publish lines {}", self.name)
    }

    /// The record that says where the follower stands.
    pub(super) fn record(&self, place: &Place) -> NewRecord {
        NewRecord::new(self.topic.clone(), place.to_json()).key(self.place_key())
    }

    /// Says in the log that this run follows now, and reads where the follower stood then.
    pub(super) async fn claim(
        &mut self,
        kafka: &Kafka,
        producer: &TransactionalProducer,
    ) -> Result<Option<Place>, SourceError> {
        self.claim = uuid::Uuid::new_v4().to_string();
        let claim = Claim {
            claim: self.claim.clone(),
        };
        let json = serde_json::to_vec(&claim).unwrap_or_default();
        let record = NewRecord::new(self.topic.clone(), json).key(self.claim_key());
        producer.write(&[record]).await?;
        let mut reader = self.reader(kafka).await?;
        let mut kept = Kept::default();
        while kept.claim.as_ref() != Some(&self.claim) {
            if let Event::Record(record) = reader.next().await? {
                self.take(&mut kept, record.key.as_deref(), record.value.as_deref());
            }
        }
        Ok(kept.place)
    }

    /// Whether another run than this one says that it follows.
    pub(super) async fn is_taken_over(&self, kafka: &Kafka) -> Result<bool, SourceError> {
        let mut reader = self.reader(kafka).await?;
        let mut kept = Kept::default();
        loop {
            match reader.next().await? {
                Event::Record(record) => {
                    self.take(&mut kept, record.key.as_deref(), record.value.as_deref());
                }
                Event::CaughtUp { .. } => break,
                _ => {}
            }
        }
        Ok(kept.claim.is_some_and(|last| last != self.claim))
    }

    async fn reader(&self, kafka: &Kafka) -> Result<Reader, SourceError> {
        Ok(kafka
            .reader(TOPIC, From::Start, ReaderOptions::default())
            .await?)
    }

    fn take(&self, kept: &mut Kept, key: Option<&[u8]>, value: Option<&[u8]>) {
        let value = value.unwrap_or_default();
        match key {
            Some(key) if key == self.place_key().as_bytes() => kept.place = Place::parse(value),
            Some(key) if key == self.claim_key().as_bytes() => {
                let claim: Option<Claim> = serde_json::from_slice(value).ok();
                kept.claim = claim.map(|claim| claim.claim);
            }
            _ => {}
        }
    }

    fn place_key(&self) -> String {
        format!("place {}", self.name)
    }

    fn claim_key(&self) -> String {
        format!("follower {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(name: &str) -> Places {
        Places {
            topic: Arc::from(TOPIC),
            name: name.to_owned(),
            claim: "mine".to_owned(),
        }
    }

    #[test]
    fn of_two_followers_each_finds_its_own_place_and_claim() {
        let (mine, other) = (places("t host:/a"), places("t host:/b"));
        let mut kept = Kept::default();
        let place = Place { files: Vec::new() };
        let record = mine.record(&place);
        other.take(&mut kept, record.key.as_deref(), record.value.as_deref());
        assert_eq!(kept, Kept::default());
        mine.take(&mut kept, record.key.as_deref(), record.value.as_deref());
        assert_eq!(kept.place, Some(place));
        mine.take(
            &mut kept,
            Some(b"follower t host:/a"),
            Some(br#"{"claim":"x"}"#),
        );
        assert_eq!(kept.claim.as_deref(), Some("x"));
    }

    #[test]
    fn what_is_no_place_counts_as_none() {
        let mine = places("t host:/a");
        let mut kept = Kept::default();
        for value in [None, Some(&b"\xff"[..]), Some(&b"[]"[..])] {
            mine.take(&mut kept, Some(b"place t host:/a"), value);
            mine.take(&mut kept, Some(b"follower t host:/a"), value);
            assert_eq!(kept, Kept::default());
        }
    }
}
