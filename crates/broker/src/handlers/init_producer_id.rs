//! InitProducerId (KIP-98): an id for an idempotent producer, always a new one.
//!
//! With a transactional id the transaction coordinator answers.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Context, Handler};

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
        if request.transactional_id.is_some() {
            return refuse(ResponseError::CoordinatorNotAvailable);
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
