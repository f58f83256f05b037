//! Where the cluster is and how to talk to it.

use crate::ClientError;

/// A cluster's address and properties. Cheap to clone; nothing connects until it is used.
#[derive(Clone)]
pub struct Kafka {}

impl Kafka {
    /// `bootstrap` is `HOST:PORT,…`; `properties` are librdkafka's, as kcat's `-X`.
    pub fn new(_bootstrap: &str, _properties: &[(String, String)]) -> Result<Self, ClientError> {
        todo!()
    }

    /// The bootstrap addresses, for people.
    pub fn bootstrap(&self) -> &str {
        todo!()
    }

    /// Whether a broker answers now, or why none does.
    #[allow(clippy::unused_async, reason = "the skeleton")]
    pub async fn check(&self) -> Result<(), ClientError> {
        todo!()
    }
}
