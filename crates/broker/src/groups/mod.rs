//! The group coordinator: who is in a consumer group, which of its generations is current, and what it has committed.
//!
//! A [`group::Group`] is a state machine without clock, disk or network: a request and a [`turn::Turn`] (the time, a
//! journal to append to, a list for answers) go in; what it decides stands in the turn afterwards. `group` holds its
//! state, and the files beside it one kind of request each: `join`, `rebalance`, `sync`, `leave`, `offsets`, `describe`.
//! [`coordinator`] is the thin asynchronous shell: one mutex a group, parked answers, timers; [`requests`] lets an
//! answer out when what it promises is durable. `load` reads `__consumer_offsets` back when the broker starts.
//!
//! The semantics are those of Apache Kafka's classic groups: KIP-134 (initial delay), KIP-345 and KIP-814 (static
//! members), KIP-394 (member id required), KIP-429 (cooperative, which is the clients' matter), KIP-559, KIP-800.

pub mod coordinator;
mod describe;
pub mod group;
mod join;
mod leave;
mod load;
pub mod member;
pub mod offsets;
mod rebalance;
pub mod requests;
pub mod settings;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
pub mod turn;

pub use coordinator::GroupCoordinator;
