//! The transaction coordinator: what each transactional id is doing, and that its transactions end whole everywhere.
//!
//! A [`transaction::Transaction`] is a state machine without clock, disk or network: a request and the time go in, a record
//! into its journal and a decision come out. [`coordinator`] is the asynchronous shell: one mutex a transactional id, and the
//! steps of an end that must each be durable before the next: the decision in `__transaction_state`, a marker in every
//! partition that took part ([`participants`]), the completion. A crash in between is made good by doing the steps again.
//!
//! The semantics are Apache Kafka's: KIP-98, KIP-360 (epoch bump), KIP-447 (offsets), KIP-664 (describe and list), KIP-890's
//! first part (a record is taken only in a transaction that knows its partition). Its second part, an epoch for every
//! transaction, is not advertised.

pub mod coordinator;
pub(crate) mod participants;
#[cfg(test)]
mod tests;
pub mod transaction;

pub use coordinator::TransactionCoordinator;
