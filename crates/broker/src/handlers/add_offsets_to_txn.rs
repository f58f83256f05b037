//! `AddOffsetsToTxn` (KIP-98): a group whose offsets a producer is about to commit within its transaction.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::{Context, Handler};
use crate::groups::requests::check_group_id;
use crate::topics::CONSUMER_OFFSETS;
use crate::transactions::transaction::Producer;

pub(crate) struct AddOffsetsToTxn;

impl Handler for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;
    const VERSIONS: (i16, i16) = (0, 4);

    async fn handle(context: &Context, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
        let error = add(context, &request).await.err();
        AddOffsetsToTxnResponse::default().with_error_code(match error {
            None => 0,
            // Before version 2 there was no `PRODUCER_FENCED` (KIP-588).
            Some(ResponseError::ProducerFenced) if context.version < 2 => {
                ResponseError::InvalidProducerEpoch.code()
            }
            Some(error) => error.code(),
        })
    }
}

async fn add(context: &Context, request: &AddOffsetsToTxnRequest) -> Result<(), ResponseError> {
    let broker = &context.broker;
    check_group_id(&request.group_id)?;
    broker.groups.ready().await?;
    let partition = broker.groups.partition_for(&request.group_id);
    let partitions = BTreeMap::from([(CONSUMER_OFFSETS.to_owned(), BTreeSet::from([partition]))]);
    let producer = Producer {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    broker
        .transactions
        .add(&request.transactional_id, producer, &partitions)
        .await
}
