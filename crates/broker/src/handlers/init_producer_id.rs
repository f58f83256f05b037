//! `InitProducerId` (KIP-98): an id for an idempotent producer, always a new one.
//!
//! With a transactional id the transaction coordinator answers.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Context, Handler};
use crate::transactions::transaction::Producer;

pub(crate) struct InitProducerId;

impl Handler for InitProducerId {
    type Request = InitProducerIdRequest;
    const VERSIONS: (i16, i16) = (0, 5);

    async fn handle(context: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
        let refuse = |error: ResponseError| {
            InitProducerIdResponse::default()
                .with_error_code(error.code())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1)
        };
        if let Some(id) = &request.transactional_id {
            let expected = (request.producer_id.0 != -1).then_some(Producer {
                id: request.producer_id.0,
                epoch: request.producer_epoch,
            });
            let taken = context
                .broker
                .transactions
                .init(id, request.transaction_timeout_ms, expected)
                .await;
            return match taken {
                Ok(producer) => InitProducerIdResponse::default()
                    .with_producer_id(ProducerId(producer.id))
                    .with_producer_epoch(producer.epoch),
                // Before version 4 there was no `PRODUCER_FENCED` (KIP-588).
                Err(ResponseError::ProducerFenced) if context.version < 4 => {
                    refuse(ResponseError::InvalidProducerEpoch)
                }
                Err(error) => refuse(error),
            };
        }
        match context.broker.producer_ids.next() {
            Ok(id) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(0),
            Err(error) => {
                tracing::error!(%error, "no producer id could be taken");
                refuse(ResponseError::KafkaStorageError)
            }
        }
    }
}
