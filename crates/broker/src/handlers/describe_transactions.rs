//! `DescribeTransactions` (KIP-664): where transactional ids stand.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId,
};

use super::{Context, Handler, text, topic_name};

pub(crate) struct DescribeTransactions;

impl Handler for DescribeTransactions {
    type Request = DescribeTransactionsRequest;
    const VERSIONS: (i16, i16) = (0, 0);

    async fn handle(
        context: &Context,
        request: DescribeTransactionsRequest,
    ) -> DescribeTransactionsResponse {
        let states = request
            .transactional_ids
            .into_iter()
            .map(|id| {
                let found = context.broker.transactions.describe(&id);
                let state = TransactionState::default().with_transactional_id(id.clone());
                let Some(transaction) = found else {
                    return state.with_error_code(if id.is_empty() {
                        ResponseError::InvalidRequest.code()
                    } else {
                        ResponseError::TransactionalIdNotFound.code()
                    });
                };
                let producer = transaction.producer();
                let topics = transaction
                    .partitions()
                    .iter()
                    .map(|(topic, partitions)| {
                        TopicData::default()
                            .with_topic(topic_name(topic))
                            .with_partitions(partitions.iter().copied().collect())
                    })
                    .collect();
                state
                    .with_transaction_state(text(transaction.state().name()))
                    .with_transaction_timeout_ms(transaction.timeout_ms())
                    .with_transaction_start_time_ms(transaction.start_ms())
                    .with_producer_id(ProducerId(producer.id))
                    .with_producer_epoch(producer.epoch)
                    .with_topics(topics)
            })
            .collect();
        DescribeTransactionsResponse::default().with_transaction_states(states)
    }
}
