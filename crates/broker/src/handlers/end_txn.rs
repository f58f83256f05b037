//! `EndTxn` (KIP-98): a producer commits or aborts its transaction.
//!
//! Answered when the markers are in every partition, so that the next transaction need not wait for them. Version 5, which
//! bumps the epoch with every transaction (KIP-890), is not advertised.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse};

use super::{Context, Handler};
use crate::transactions::transaction::Producer;

pub(crate) struct EndTxn;

impl Handler for EndTxn {
    type Request = EndTxnRequest;
    const VERSIONS: (i16, i16) = (0, 4);

    async fn handle(context: &Context, request: EndTxnRequest) -> EndTxnResponse {
        let producer = Producer {
            id: request.producer_id.0,
            epoch: request.producer_epoch,
        };
        let result = context
            .broker
            .transactions
            .end(&request.transactional_id, producer, request.committed)
            .await;
        EndTxnResponse::default().with_error_code(match result {
            Ok(()) => 0,
            // Before version 2 there was no `PRODUCER_FENCED` (KIP-588).
            Err(ResponseError::ProducerFenced) if context.version < 2 => {
                ResponseError::InvalidProducerEpoch.code()
            }
            Err(error) => error.code(),
        })
    }
}
