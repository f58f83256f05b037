//! Topics from one Kafka to another while everything runs: records with keys, headers and times in their partitions, settings,
//! groups' positions; and when it is safe to switch.
//!
//! In flow two clusters, out flow sentences about how far it is ([`Told`]). One carrier a topic reads committed records at the source
//! and sends them to the target (`carrier`); where offsets differ on the two sides is written down in the target (`ledger`,
//! `runs`), which together with the partitions' own ends says after any end of the program what comes next. One mirror works
//! at a time (`lock`). A look every second takes up new topics, moves groups' positions (`groups`) and says how far everything
//! is (`safe`).
//!
//! This crate does not interpret records.

mod carrier;
mod error;
mod events;
mod groups;
mod ledger;
mod lock;
mod mirror;
mod runs;
mod safe;
mod settings;
mod state;
mod target;

pub use error::{MirrorError, Side};
pub use events::{Told, TopicProgress};
pub use mirror::Mirror;
