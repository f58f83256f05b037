//! Who may do what: access rules and users' credentials, kept for the tools that manage them.
//!
//! Rules on topics hold: every client is `User:ANONYMOUS`, because connections do not log in here, and a topic no rule is about is
//! everybody's. Rules on groups, transactional ids and the cluster are kept and shown, and so are credentials: checked as Kafka
//! checks them, durable, and without effect.

mod acls;
mod scram;

pub(crate) use acls::{Acl, AclFilter, Acls, Operation};
pub(crate) use scram::{Mechanism, Scram, ScramError};
