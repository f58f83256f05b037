//! Who may do what: access rules and users' credentials, kept for the tools that manage them.
//!
//! Connections have no users here, so nothing is refused because of a rule, and no credential opens anything. Both are kept
//! durably, checked as Kafka checks them, and shown.

mod acls;
mod scram;

pub(crate) use acls::{Acl, AclFilter, Acls};
pub(crate) use scram::{Mechanism, Scram, ScramError};
