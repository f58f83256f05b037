//! One member of a group.

use super::turn::CallId;
use bytes::Bytes;
use std::time::Duration;

/// An assignment strategy a member supports, with what it says about itself under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// The strategy's name.
    pub name: String,
    /// The member's subscription, in the strategy's own format.
    pub metadata: Bytes,
}

/// A member.
#[derive(Debug, Clone)]
pub struct Member {
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// Client id.
    pub client_id: String,
    /// The address it came from.
    pub client_host: String,
    /// How long it may take to rejoin, ms.
    pub rebalance_timeout_ms: i32,
    /// How long it may stay silent, ms.
    pub session_timeout_ms: i32,
    /// What it supports, the most liked first.
    pub protocols: Vec<Protocol>,
    /// What the leader gave it.
    pub assignment: Bytes,
    /// It has not been in a generation yet.
    pub is_new: bool,
    /// Its `JoinGroup`, parked until the group's next generation.
    pub awaiting_join: Option<CallId>,
    /// Its `SyncGroup`, parked until the leader's assignment.
    pub awaiting_sync: Option<CallId>,
    /// When it must have been heard of.
    pub heartbeat_deadline: Option<Duration>,
}

impl Member {
    /// Its metadata under a protocol; empty under one it does not support.
    pub fn metadata(&self, protocol: Option<&str>) -> Bytes {
        protocol
            .and_then(|name| self.protocols.iter().find(|protocol| protocol.name == name))
            .map(|protocol| protocol.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether it says the same as before: then it need not trigger a rebalance.
    pub fn matches(&self, protocols: &[Protocol]) -> bool {
        self.protocols == protocols
    }

    /// Members with a parked request are not expected to send heartbeats, except new ones, whose connection may have gone
    /// before their first generation.
    pub fn is_satisfied(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
