//! The cluster as `GET /cluster` shows it: one task looks, everybody who watches sees the same.
//!
//! It looks once a second while somebody watches or something has happened lately, and every five seconds otherwise, so that what
//! happened before the page was opened stands in it, too. A look is one request for all metadata (the whole of it is what Kafka
//! answers), one for the controller, and a knock at each broker's door: Kafka counts on a dead broker until its session ends.

mod changes;
mod looking;
mod standing;

pub use looking::ClusterWatcher;
