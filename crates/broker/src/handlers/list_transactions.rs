//! `ListTransactions` (KIP-664, 994): transactional ids, of some states, producers or ages, or all.
//!
//! Version 2's pattern is a regular expression, which nothing here reads; that version is not advertised.

use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};

use super::{Context, Handler, text};
use crate::transactions::transaction::{State, Transaction};

pub(crate) struct ListTransactions;

impl Handler for ListTransactions {
    type Request = ListTransactionsRequest;
    const VERSIONS: (i16, i16) = (0, 1);

    async fn handle(
        context: &Context,
        request: ListTransactionsRequest,
    ) -> ListTransactionsResponse {
        let coordinator = &context.broker.transactions;
        let now_ms = coordinator.wall_ms();
        let (states, unknown): (Vec<_>, Vec<_>) = request
            .state_filters
            .iter()
            .cloned()
            .partition(|name| State::is_name(name));
        let wanted = |transaction: &Transaction| {
            let state = transaction.state();
            let producer = ProducerId(transaction.producer().id);
            let running_ms = now_ms.saturating_sub(transaction.start_ms());
            let long_enough = request.duration_filter < 0
                || (matches!(
                    state,
                    State::Ongoing | State::PrepareCommit | State::PrepareAbort
                ) && running_ms > request.duration_filter);
            (request.state_filters.is_empty() || states.iter().any(|name| **name == *state.name()))
                && (request.producer_id_filters.is_empty()
                    || request.producer_id_filters.contains(&producer))
                && long_enough
        };
        let listed = coordinator
            .list()
            .iter()
            .filter(|transaction| wanted(transaction))
            .map(|transaction| {
                TransactionState::default()
                    .with_transactional_id(TransactionalId(text(transaction.id())))
                    .with_producer_id(ProducerId(transaction.producer().id))
                    .with_transaction_state(text(transaction.state().name()))
            })
            .collect();
        ListTransactionsResponse::default()
            .with_unknown_state_filters(unknown)
            .with_transaction_states(listed)
    }
}
