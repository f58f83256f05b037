//! What can go wrong with Kafka, each as a sentence with its remedy.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// What kind of failure it is, to match on where the sentence does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No broker could be reached.
    Unreachable,
    /// No topic, partition or group of that name.
    NotFound,
    /// A name or a position that cannot be.
    BadRequest,
    /// Not let in, or not allowed.
    Denied,
    /// The record is larger than the topic takes.
    TooLarge,
    /// No answer in time.
    TimedOut,
    /// Anything else.
    Other,
}

/// A failure of the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No broker answers at the bootstrap addresses.
    #[error(
        "no Kafka at {bootstrap}: {cause}; start one with `weir serve` or `weir broker`, or name another with --bootstrap HOST:PORT"
    )]
    Unreachable {
        /// The addresses tried.
        bootstrap: String,
        /// What happened at them.
        cause: String,
    },
    /// The bootstrap addresses cannot be read.
    #[error("--bootstrap {given:?} is no list of addresses: {why}; write HOST:PORT,HOST:PORT")]
    BadBootstrap {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// The topic is not there.
    #[error(
        "there is no topic {topic:?}; `weir topic list` shows what there is, `weir topic create {topic}` makes it"
    )]
    NoSuchTopic {
        /// The topic asked for.
        topic: String,
    },
    /// The topic has no such partition.
    #[error("topic {topic:?} has no partition {partition}")]
    NoSuchPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
    },
    /// A name Kafka does not take.
    #[error(
        "{topic:?} cannot name a topic: use 1 to 249 letters, digits, dots, underscores and hyphens"
    )]
    BadTopicName {
        /// The name.
        topic: String,
    },
    /// The group is not there.
    #[error("there is no group {group:?}; `weir group list` shows what there is")]
    NoSuchGroup {
        /// The group asked for.
        group: String,
    },
    /// The group has members, and they alone commit its positions.
    #[error("group {group:?} has members, which keep its positions themselves; stop them first")]
    GroupInUse {
        /// The group.
        group: String,
    },
    /// The position asked for is not in the log.
    #[error(
        "offset {offset} is out of range: partition {partition} of {topic:?} holds offsets {start} to {end} (the next record's)"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset asked for.
        offset: i64,
        /// The oldest record's offset.
        start: i64,
        /// The next record's offset.
        end: i64,
    },
    /// The record is larger than the topic takes.
    #[error(
        "a record of {len_bytes} bytes is more than topic {topic:?} takes; raise its max.message.bytes"
    )]
    RecordTooLarge {
        /// The topic.
        topic: String,
        /// The record's size.
        len_bytes: usize,
    },
    /// The broker did not let us in.
    #[error(
        "the broker refused the login: {why}; check -X sasl.mechanism, sasl.username and sasl.password"
    )]
    Authentication {
        /// What the broker or the client library said.
        why: String,
    },
    /// What listens there is not spoken to as the settings have it.
    #[error("{why}; {remedy}")]
    WrongProtocol {
        /// What listens where.
        why: String,
        /// What to set.
        remedy: &'static str,
    },
    /// TLS failed.
    #[error("TLS failed: {why}; check -X security.protocol and ssl.ca.location")]
    Tls {
        /// What the client library said.
        why: String,
    },
    /// Let in, but not allowed.
    #[error("not allowed to {what}; an administrator grants it with kafka-acls")]
    Denied {
        /// What was tried.
        what: String,
    },
    /// A property the client library does not take.
    #[error("-X {key}: {why}")]
    Property {
        /// The property's name. Its value is never shown: it may be a password.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// A partition or group has no leader that could answer.
    #[error(
        "cannot {what}: {why}; a cluster that has lost a broker has elected others within seconds"
    )]
    Electing {
        /// What was tried.
        what: String,
        /// Kafka's own words.
        why: String,
    },
    /// A partition has no leader.
    #[error("partition {partition} of topic {topic:?} has no leader just now; {}", election(.needs))]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The brokers of which one must come back first, where nobody else may lead.
        needs: Vec<i32>,
    },
    /// The leader of a partition does not answer, and Kafka still counts on it.
    #[error(
        "broker {leader}, which leads partition {partition} of topic {topic:?}, does not answer ({why}); once Kafka counts it as gone (broker.session.timeout.ms, 9 s unless set) another leads, and it goes on by itself"
    )]
    LeaderAway {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The broker.
        leader: i32,
        /// What happened at its address.
        why: String,
    },
    /// Fewer replicas are in sync than the topic asks for.
    #[error(
        "topic {topic:?} takes no records with acks=all: partition {partition} has {} in sync, and its setting is {}={min_in_sync}; start the brokers that are away, and it goes on by itself, or set less (weir topic alter {topic} --config {}=1)",
        replicas(*.in_sync), crate::standstill::SETTING, crate::standstill::SETTING
    )]
    TooFewInSync {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// How many are.
        in_sync: usize,
        /// How many must be.
        min_in_sync: u32,
    },
    /// No answer in time.
    #[error(
        "{what}: no answer within {after:?}; the broker is overloaded or cannot be reached under the address it advertises"
    )]
    TimedOut {
        /// What was tried.
        what: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The cluster refused it.
    #[error("{what}: {why}")]
    Refused {
        /// What was tried.
        what: String,
        /// Kafka's own words.
        why: String,
    },
    /// Another producer writes under the same transactional id, or a transaction took longer than the broker allows.
    #[error("another producer has taken over the transactional id {id:?}")]
    Fenced {
        /// The transactional id.
        id: String,
    },
    /// The producer or reader was closed meanwhile.
    #[error("the connection to Kafka was closed before {what}")]
    Closed {
        /// What was still to come.
        what: String,
    },
}

impl ClientError {
    /// Whether the same may succeed later with nobody doing anything here: brokers come back, elect leaders, catch up.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Electing { .. }
                | Self::NoLeader { .. }
                | Self::LeaderAway { .. }
                | Self::TooFewInSync { .. }
                | Self::TimedOut { .. }
                | Self::Refused { .. }
        )
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. }
            | Self::WrongProtocol { .. }
            | Self::Electing { .. }
            | Self::NoLeader { .. }
            | Self::LeaderAway { .. }
            | Self::TooFewInSync { .. } => ErrorKind::Unreachable,
            Self::NoSuchTopic { .. } | Self::NoSuchPartition { .. } | Self::NoSuchGroup { .. } => {
                ErrorKind::NotFound
            }
            Self::BadBootstrap { .. }
            | Self::BadTopicName { .. }
            | Self::OffsetOutOfRange { .. }
            | Self::Property { .. } => ErrorKind::BadRequest,
            Self::Authentication { .. } | Self::Denied { .. } | Self::Tls { .. } => {
                ErrorKind::Denied
            }
            Self::RecordTooLarge { .. } => ErrorKind::TooLarge,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Refused { .. }
            | Self::Fenced { .. }
            | Self::Closed { .. }
            | Self::GroupInUse { .. } => ErrorKind::Other,
        }
    }
}

fn replicas(count: usize) -> String {
    format!("{count} replica{}", if count == 1 { "" } else { "s" })
}

/// What a partition without a leader waits for.
fn election(needs: &[i32]) -> String {
    match needs {
        [] => "the brokers elect one, and it goes on by itself".to_owned(),
        [one] => format!(
            "only broker {one} has all of its records: start broker {one}, and it goes on by itself"
        ),
        several => {
            let several: Vec<_> = several.iter().map(i32::to_string).collect();
            let several = several.join(" or ");
            format!(
                "only its replicas in sync may lead: start broker {several}, and it goes on by itself"
            )
        }
    }
}

/// Kafka's rule for topic names: 1 to 249 of `[a-zA-Z0-9._-]`, neither `.` nor `..`.
pub(crate) fn check_topic_name(topic: &str) -> Result<(), ClientError> {
    let fits = (1..=249).contains(&topic.len())
        && topic != "."
        && topic != ".."
        && topic
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if fits {
        Ok(())
    } else {
        Err(ClientError::BadTopicName {
            topic: topic.chars().take(80).collect(),
        })
    }
}

/// The code inside an error of the library, where it has one.
pub(crate) fn code_of(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code)
        | KafkaError::ConsumerCommit(code)
        | KafkaError::ConsumerQueueClose(code)
        | KafkaError::Flush(code)
        | KafkaError::Global(code)
        | KafkaError::GroupListFetch(code)
        | KafkaError::MessageConsumption(code)
        | KafkaError::MessageConsumptionFatal(code)
        | KafkaError::MessageProduction(code)
        | KafkaError::MetadataFetch(code)
        | KafkaError::OffsetFetch(code)
        | KafkaError::Rebalance(code)
        | KafkaError::SetPartitionOffset(code)
        | KafkaError::StoreOffset(code)
        | KafkaError::MockCluster(code) => Some(*code),
        KafkaError::Transaction(error) => Some(error.code()),
        _ => None,
    }
}

/// Kafka's words for a code, without the library's name for it and its `Broker:` or `Local:`.
pub(crate) fn words(code: Code) -> String {
    // The broker's own sentence does not reach us through the library, so the remedy is said here.
    match code {
        Code::InvalidPartitions => {
            return "a topic has at least 1 partition, and never fewer than before".to_owned();
        }
        Code::InvalidReplicationFactor => {
            return "there are not so many brokers: ask for at most as many replicas as the cluster has brokers (the embedded broker is one)".to_owned();
        }
        Code::InvalidConfig => {
            return "one of its settings has no such name or takes no such value: use Kafka's names for topic settings, such as retention.ms=3600000".to_owned();
        }
        _ => {}
    }
    let text = code.to_string();
    let inner = text
        .split_once(" (")
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(&text);
    inner
        .strip_prefix("Broker: ")
        .or_else(|| inner.strip_prefix("Local: "))
        .unwrap_or(inner)
        .to_owned()
}

/// A property the library refused. Its value is told only where it cannot be a secret.
pub(crate) fn property_error(error: &KafkaError) -> ClientError {
    match error {
        KafkaError::ClientConfig(_, why, key, _) => {
            let secret = [
                "password",
                "secret",
                "pem",
                "token",
                "oauthbearer",
                "username",
            ]
            .iter()
            .any(|part| key.contains(part));
            ClientError::Property {
                key: key.clone(),
                why: if secret {
                    "its value is not accepted".to_owned()
                } else {
                    why.clone()
                },
            }
        }
        KafkaError::ClientCreation(why) => ClientError::Property {
            key: "…".to_owned(),
            why: why.clone(),
        },
        KafkaError::Nul(_) => ClientError::Property {
            key: "…".to_owned(),
            why: "a value holds a NUL character".to_owned(),
        },
        other => ClientError::Refused {
            what: "the Kafka client cannot start".to_owned(),
            why: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_name_is_checked_by_kafkas_rule() {
        for good in ["a", "my-topic", "A.b_c-9", "__consumer_offsets"] {
            assert_eq!(check_topic_name(good), Ok(()), "{good}");
        }
        let long = "x".repeat(250);
        for bad in ["", ".", "..", "a b", "ü", "a/b", "a\0", long.as_str()] {
            assert!(check_topic_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn kafkas_words_stand_without_the_librarys_label() {
        assert_eq!(
            words(Code::TopicAuthorizationFailed),
            "Topic authorization failed"
        );
    }
}
