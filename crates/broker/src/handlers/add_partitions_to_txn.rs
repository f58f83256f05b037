//! `AddPartitionsToTxn` (KIP-98, 890): partitions a producer is about to write to within its transaction.
//!
//! All of a request's partitions are taken or none. From version 4 on it is what brokers ask each other, several
//! transactions at once, to verify (`verify_only`) or to add.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::{Context, Handler};
use crate::transactions::transaction::{Partitions, Producer};

pub(crate) struct AddPartitionsToTxn;

impl Handler for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;
    const VERSIONS: (i16, i16) = (0, 5);

    async fn handle(
        context: &Context,
        request: AddPartitionsToTxnRequest,
    ) -> AddPartitionsToTxnResponse {
        let response = AddPartitionsToTxnResponse::default();
        if context.version < 4 {
            let producer = Producer {
                id: request.v3_and_below_producer_id.0,
                epoch: request.v3_and_below_producer_epoch,
            };
            let id = request.v3_and_below_transactional_id.as_str();
            let topics = request.v3_and_below_topics;
            let results = add(context, id, producer, false, &topics).await;
            return response.with_results_by_topic_v3_and_below(results);
        }
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in request.transactions {
            let producer = Producer {
                id: transaction.producer_id.0,
                epoch: transaction.producer_epoch,
            };
            let id = transaction.transactional_id.as_str();
            let topics = add(
                context,
                id,
                producer,
                transaction.verify_only,
                &transaction.topics,
            )
            .await;
            results.push(
                AddPartitionsToTxnResult::default()
                    .with_transactional_id(transaction.transactional_id.clone())
                    .with_topic_results(topics),
            );
        }
        response.with_results_by_transaction(results)
    }
}

async fn add(
    context: &Context,
    id: &str,
    producer: Producer,
    verify_only: bool,
    topics: &[AddPartitionsToTxnTopic],
) -> Vec<AddPartitionsToTxnTopicResult> {
    let broker = &context.broker;
    let exists = |topic: &str, partition: i32| broker.topics.partition(topic, partition).is_some();
    let mut partitions: Partitions = BTreeMap::new();
    let mut all_exist = true;
    for topic in topics {
        for &partition in &topic.partitions {
            all_exist &= exists(&topic.name, partition);
            partitions
                .entry(topic.name.to_string())
                .or_default()
                .insert(partition);
        }
    }
    let result = if verify_only || !all_exist {
        Ok(())
    } else {
        broker.transactions.add(id, producer, &partitions).await
    };
    let one = |topic: &str, partition: i32| -> Result<(), ResponseError> {
        if !all_exist {
            return Err(if exists(topic, partition) {
                ResponseError::OperationNotAttempted
            } else {
                ResponseError::UnknownTopicOrPartition
            });
        }
        if verify_only {
            return broker.transactions.verify(id, producer, topic, partition);
        }
        result
    };
    topics
        .iter()
        .map(|topic| {
            let results = topic
                .partitions
                .iter()
                .map(|&partition| {
                    let error = one(&topic.name, partition).err();
                    AddPartitionsToTxnPartitionResult::default()
                        .with_partition_index(partition)
                        .with_partition_error_code(
                            error.map_or(0, |error| fenced_code(error, context.version)),
                        )
                })
                .collect();
            AddPartitionsToTxnTopicResult::default()
                .with_name(topic.name.clone())
                .with_results_by_partition(results)
        })
        .collect()
}

/// Before version 2 there was no `PRODUCER_FENCED` (KIP-588).
fn fenced_code(error: ResponseError, version: i16) -> i16 {
    match error {
        ResponseError::ProducerFenced if version < 2 => ResponseError::InvalidProducerEpoch.code(),
        other => other.code(),
    }
}
