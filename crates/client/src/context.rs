//! What the library says besides answers: log lines, trouble with brokers, deliveries.
//!
//! Log lines go to `tracing`. A broker that cannot be reached makes the library complain with every attempt; here that
//! becomes one state, [`Trouble`], which whoever waits for the client looks at.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::sync::Notify;

use crate::error::code_of;
use crate::producer::InFlight;

/// The last complaint of a client about its brokers.
#[derive(Default)]
pub(crate) struct Trouble {
    last: Mutex<Option<(Code, String)>>,
    /// Told with every complaint.
    pub(crate) news: Notify,
}

impl Trouble {
    fn set(&self, code: Code, why: String) {
        let mut last = locked(&self.last);
        // "All brokers are down" follows the reason and says less than it.
        if code != Code::AllBrokersDown || last.is_none() {
            *last = Some((code, why));
        }
        drop(last);
        self.news.notify_one();
    }

    /// The last complaint.
    pub(crate) fn last(&self) -> Option<(Code, String)> {
        locked(&self.last).clone()
    }

    /// Forgets it.
    pub(crate) fn clear(&self) {
        *locked(&self.last) = None;
    }

    /// The last complaint if trying on cannot help: a refused login, a broken TLS handshake.
    pub(crate) fn hopeless(&self) -> Option<(Code, String)> {
        self.last().filter(|(code, _)| {
            matches!(
                code,
                Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL
            )
        })
    }
}

/// The offsets that come next in the partitions a group member has been given records of.
pub(crate) type Positions = Mutex<BTreeMap<(Arc<str>, i32), i64>>;

/// The callbacks of one client.
#[derive(Default)]
pub(crate) struct Context {
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) positions: Arc<Positions>,
    /// Where partitions are read only once the caller has said from where: what the group has said of them, in order.
    pub(crate) turns: Option<Arc<Turns>>,
}

/// What a group has said to a member and nobody has heard yet.
#[derive(Default)]
pub(crate) struct Turns {
    said: Mutex<VecDeque<Turn>>,
    /// Told with every turn.
    pub(crate) news: Notify,
}

impl Turns {
    /// The oldest.
    pub(crate) fn next(&self) -> Option<Turn> {
        locked(&self.said).pop_front()
    }
}

/// What a group says to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// These partitions are its own from now on.
    Assigned(Vec<(String, i32)>),
    /// It has none from now on.
    Revoked,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // Lost and refused connections are told as state (`Trouble`); as lines they would come with every attempt. So do
        // retries while a broker starts.
        let connection = matches!(
            facility,
            "FAIL" | "ERROR" | "CONFWARN" | "REQTMOUT" | "GETPID"
        );
        match level {
            RDKafkaLogLevel::Debug => tracing::trace!(target: "librdkafka", facility, "{line}"),
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(target: "librdkafka", facility, "{line}");
            }
            _ if connection => tracing::debug!(target: "librdkafka", facility, "{line}"),
            _ => tracing::warn!(target: "librdkafka", facility, "{line}"),
        }
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = code_of(&error) else { return };
        match code {
            Code::PartitionEOF => {}
            Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::SSL => self.trouble.set(code, tidy(reason)),
            _ => tracing::debug!(target: "librdkafka", "{error}: {reason}"),
        }
    }
}

/// `127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)` is for
/// the library's authors; people want the address and what happened.
fn tidy(reason: &str) -> String {
    let mut text = reason;
    if let Some(at) = text.rfind(" (after ") {
        text = text.get(..at).unwrap_or(text);
    }
    text.replace("/bootstrap", "")
        .replace("ipv4#", "")
        .replace("ipv6#", "")
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // A later commit must not set back the position of the member that has the partition now.
        if let Rebalance::Revoke(partitions) = rebalance {
            let mut positions = locked(&self.positions);
            for element in partitions.elements() {
                positions.retain(|(topic, partition), _| {
                    &**topic != element.topic() || *partition != element.partition()
                });
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        self.hear(consumer, rebalance);
    }
}

impl Context {
    /// What `turns` is told of a rebalance.
    fn hear(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Some(turns) = &self.turns else { return };
        let turn = match rebalance {
            Rebalance::Assign(partitions) => {
                let assigned = partitions
                    .elements()
                    .iter()
                    .map(|element| (element.topic().to_owned(), element.partition()))
                    .collect();
                // The library has begun where the group left off: nothing is read before `GroupReader::read_from` says from where.
                if let Err(error) = consumer.assign(&TopicPartitionList::new()) {
                    tracing::warn!("the partitions assigned could not be held back: {error}");
                }
                Turn::Assigned(assigned)
            }
            Rebalance::Revoke(_) => Turn::Revoked,
            Rebalance::Error(_) => return,
        };
        locked(&turns.said).push_back(turn);
        turns.news.notify_one();
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, in_flight: Self::DeliveryOpaque) {
        match result {
            Ok(message) => in_flight.delivered(message.partition(), message.offset()),
            Err((error, _)) => in_flight.failed(error, &self.trouble),
        }
    }
}

/// A client whose destructor waits for its threads, which must not be done on a thread of the async runtime.
pub(crate) struct Background<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Background<T> {
    pub(crate) fn new(client: T) -> Self {
        Self(Some(client))
    }

    /// Ends the client here and now.
    pub(crate) fn end(mut self) {
        drop(self.0.take());
    }
}

impl<T: Send + 'static> Deref for Background<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(client) => client,
            None => unreachable!("taken by `end` and `drop` alone, which nothing follows"),
        }
    }
}

impl<T: Send + 'static> Drop for Background<T> {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            let spawned = std::thread::Builder::new()
                .name("kafka-client-end".to_owned())
                .spawn(move || drop(client));
            if let Err(error) = spawned {
                tracing::warn!("no thread to end a Kafka client on: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_told_without_the_librarys_own_terms() {
        assert_eq!(
            tidy(
                "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)"
            ),
            "127.0.0.1:1: Connect to 127.0.0.1:1 failed: Connection refused"
        );
    }

    #[test]
    fn that_all_brokers_are_down_does_not_hide_the_reason() {
        let trouble = Trouble::default();
        trouble.set(Code::BrokerTransportFailure, "refused".to_owned());
        trouble.set(Code::AllBrokersDown, "1/1 brokers are down".to_owned());
        assert_eq!(
            trouble.last(),
            Some((Code::BrokerTransportFailure, "refused".to_owned()))
        );
        assert_eq!(trouble.hopeless(), None);
        trouble.set(Code::Authentication, "wrong password".to_owned());
        assert!(trouble.hopeless().is_some());
    }
}
