//! For tests: an internal topic in memory, whose records are durable at once, and which can refuse them.

use super::batch::{self, Content};
use super::journal::{Appended, InternalTopic, Later};
use bytes::BytesMut;
use kafka_protocol::ResponseError;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The topic.
#[derive(Default)]
pub struct MemoryTopic {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    partitions: BTreeMap<i32, Vec<Content>>,
    next_offset: i64,
    refuse: Option<ResponseError>,
}

impl MemoryTopic {
    /// Appends are refused with this from now on, or taken again.
    pub fn refuse(&self, error: Option<ResponseError>) {
        self.state.lock().unwrap().refuse = error;
    }

    /// Ends a transaction in a partition.
    pub fn mark(&self, partition: i32, producer: batch::BatchProducer, commit: bool) {
        let mut state = self.state.lock().unwrap();
        let marker = Content::Marker { producer, commit };
        state.partitions.entry(partition).or_default().push(marker);
    }

    /// How many batches there are.
    pub fn len(&self) -> usize {
        self.state
            .lock()
            .unwrap()
            .partitions
            .values()
            .map(Vec::len)
            .sum()
    }
}

impl InternalTopic for MemoryTopic {
    fn partitions(&self) -> i32 {
        50
    }

    fn ensure(&self) -> Later<'_, Result<(), ResponseError>> {
        Box::pin(async { Ok(()) })
    }

    fn append(&self, partition: i32, batch: BytesMut) -> Result<Appended, ResponseError> {
        let mut state = self.state.lock().unwrap();
        if let Some(error) = state.refuse {
            return Err(error);
        }
        let (content, len) = batch::decode(&batch).unwrap();
        assert_eq!(len, batch.len(), "one batch at a time");
        let Content::Records { producer, records } = content else {
            panic!("a coordinator appends records");
        };
        let base_offset = state.next_offset;
        state.next_offset += records.len() as i64;
        let records = records
            .into_iter()
            .map(|(delta, record)| (base_offset + delta, record))
            .collect();
        let last_offset = state.next_offset - 1;
        state
            .partitions
            .entry(partition)
            .or_default()
            .push(Content::Records { producer, records });
        Ok(Appended {
            base_offset,
            last_offset,
        })
    }

    fn durable(&self, _: i32, _: i64) -> Later<'_, Result<(), ResponseError>> {
        Box::pin(async { Ok(()) })
    }

    fn read(&self, partition: i32, each: &mut dyn FnMut(Content)) -> Result<(), ResponseError> {
        let state = self.state.lock().unwrap();
        for content in state.partitions.get(&partition).into_iter().flatten() {
            each(content.clone());
        }
        Ok(())
    }
}
