//! Why a mirror cannot begin or go on, each as a sentence that says which side it is and what to do.

use weir_client::{ClientError, ErrorKind};

/// One of the two Kafkas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What is mirrored.
    From,
    /// Where it is mirrored to.
    To,
}

impl Side {
    /// The option that names it.
    pub fn option(self) -> &'static str {
        match self {
            Self::From => "--from",
            Self::To => "--to",
        }
    }
}

/// A mirror that could not begin, or not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// One side would not.
    #[error("{}", of_side(*.side, .error))]
    Kafka {
        /// Which.
        side: Side,
        /// What it said.
        error: ClientError,
    },
    /// Both sides are one.
    #[error("--from and --to are the same cluster ({0}); name two different ones")]
    SameCluster(String),
    /// There is nothing to mirror.
    #[error(
        "there is no topic to mirror at --from; name one with --topic, or leave --follow on to wait for one"
    )]
    NoTopics,
    /// The target has records that are none of the source's.
    #[error(
        "topic {topic:?} holds {records} records at --to that were not mirrored from --from: delete it there, or leave it out by \
         naming the others with --topic"
    )]
    NotOurs {
        /// The topic.
        topic: String,
        /// How many.
        records: i64,
    },
    /// Somebody else has written to the target since.
    #[error(
        "partition {partition} of topic {topic:?} holds a record at --to (offset {offset}) that was not mirrored: somebody writes to it \
         there already. If that is meant, the switch is done: leave the topic out by naming the others with --topic. If not, delete \
         it at --to and mirror it again"
    )]
    InUse {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The record's offset in the target.
        offset: i64,
    },
    /// The target has too few partitions.
    #[error(
        "topic {topic:?} has {has} partitions at --to and {wanted} at --from: give it as many (`weir --bootstrap {to} topic alter {topic} \
         --partitions {wanted}`), or delete it there and let the mirror make it"
    )]
    FewerPartitions {
        /// The topic.
        topic: String,
        /// The target's partitions.
        has: usize,
        /// The source's.
        wanted: usize,
        /// Where the target is.
        to: String,
    },
    /// The source ends before what was mirrored.
    #[error(
        "partition {partition} of topic {topic:?} ends at offset {end} at --from, but {mirrored} were mirrored: it was deleted and made \
         again there, or lost records; delete it at --to to mirror what it holds now"
    )]
    Ahead {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The source's next offset.
        end: i64,
        /// The source offset mirrored up to.
        mirrored: i64,
    },
    /// A record is larger than the target takes.
    #[error(
        "record {offset} in partition {partition} of topic {topic:?} has {len_bytes} bytes, more than --to takes: raise max.message.bytes of \
         the topic there, or the broker's message.max.bytes; the topic waits until then"
    )]
    TooLarge {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The record's offset in the source.
        offset: i64,
        /// Its size.
        len_bytes: usize,
    },
    /// Another mirror of the same two clusters works now.
    #[error(
        "another `weir mirror` between these two clusters has taken over; one at a time is enough"
    )]
    TakenOver,
}

impl MirrorError {
    /// Whether it passes by itself: a broker that is away, an election.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Kafka { error, .. } => match error.kind() {
                ErrorKind::Unreachable | ErrorKind::TimedOut => {
                    !matches!(error, ClientError::WrongProtocol { .. })
                }
                ErrorKind::Other => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the topic alone has to wait until somebody mends it, while others go on.
    pub(crate) fn is_of_a_topic(&self) -> bool {
        match self {
            Self::Kafka { error, .. } => {
                matches!(error.kind(), ErrorKind::NotFound | ErrorKind::TooLarge)
            }
            Self::SameCluster(_) | Self::NoTopics | Self::TakenOver => false,
            _ => true,
        }
    }
}

/// Says of which side an error is, by its options.
fn of_side(side: Side, error: &ClientError) -> String {
    let option = side.option();
    match error {
        ClientError::Unreachable { bootstrap, cause } => format!(
            "no Kafka at {bootstrap} ({option}): {cause}; see whether it runs and {option} names its address"
        ),
        ClientError::BadBootstrap { given, why } => {
            format!("{option} {given:?} is no list of addresses: {why}; write HOST:PORT,HOST:PORT")
        }
        other => {
            let text = other.to_string().replace("-X ", &format!("{option}-X "));
            if text.starts_with(option) {
                text
            } else {
                format!("{option}: {text}")
            }
        }
    }
}

/// Why a side does not answer, without a remedy: it is waited for.
pub(crate) fn cause(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { cause, .. } => cause.clone(),
        other => other.to_string(),
    }
}

/// Results of one side.
pub(crate) trait OfSide<T> {
    /// Notes which side an error is of.
    fn of(self, side: Side) -> Result<T, MirrorError>;
}

impl<T> OfSide<T> for Result<T, ClientError> {
    fn of(self, side: Side) -> Result<T, MirrorError> {
        self.map_err(|error| MirrorError::Kafka { side, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_side_and_its_own_options() {
        let unreachable = ClientError::Unreachable {
            bootstrap: "b:1".to_owned(),
            cause: "nobody listens at b:1".to_owned(),
        };
        let text = of_side(Side::To, &unreachable);
        assert!(text.starts_with("no Kafka at b:1 (--to): nobody"), "{text}");
        assert!(!text.contains("--bootstrap"), "{text}");
        let login = ClientError::Authentication {
            why: "wrong password".to_owned(),
        };
        let text = of_side(Side::From, &login);
        assert!(
            text.starts_with("--from: ") && text.contains("--from-X sasl.mechanism"),
            "{text}"
        );
    }

    #[test]
    fn what_passes_is_waited_for_and_what_does_not_is_told() {
        let of = |error| MirrorError::Kafka {
            side: Side::To,
            error,
        };
        let unreachable = of(ClientError::Unreachable {
            bootstrap: String::new(),
            cause: String::new(),
        });
        let denied = of(ClientError::Denied {
            what: String::new(),
        });
        assert!(unreachable.passes() && !denied.passes() && !denied.is_of_a_topic());
        assert!(!MirrorError::TakenOver.passes() && !MirrorError::TakenOver.is_of_a_topic());
    }
}
