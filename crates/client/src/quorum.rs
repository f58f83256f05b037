//! Which node is the controller, as the quorum has it (`DescribeQuorum`, KIP-595).
//!
//! The library does not know this request, and what a broker's metadata (and its `DescribeCluster`) calls the controller is any broker
//! at all, a different one with each answer: it is there for clients that send the controller something, and any broker passes that
//! on. So this speaks the protocol itself, as far as needed, over connections of its own: with TLS and a login as the library's
//! properties have them ([`security`]), kept from one question to the next ([`connection`]).

mod connection;
mod login;
mod security;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::time::Duration;

use self::connection::Connection;
use self::security::Security;
use crate::context::locked;
use crate::{BrokerInfo, Kafka};

/// A broker passes the question on, and while there is no controller it waits for one.
const PATIENCE: Duration = Duration::from_secs(1);
/// Name resolution, TLS, login and question, each of which may take a while.
const LONGEST: Duration = Duration::from_secs(3);
/// Connections that are kept.
const MOST_KEPT: usize = 16;

/// Request header version 2 and `DescribeQuorum` version 0 for partition 0 of `__cluster_metadata`.
const QUESTION: &[u8] = b"\x00\x37\x00\x00\x00\x00\x00\x01\xff\xff\x00\
    \x02\x13__cluster_metadata\x02\x00\x00\x00\x00\x00\x00\x00";

/// Who the controller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Controller {
    /// This node. It need not be a broker.
    Node(i32),
    /// None just now, or none that is known: the controllers elect one.
    Nobody,
    /// It cannot be asked for, and why.
    NotTold(&'static str),
}

const NOT_LET_IN: &str = "the broker does not let weir ask for it";
const DENIED: &str =
    "this user may not describe the cluster (kafka-acls --cluster --operation Describe)";
const OTHER: &str = "this Kafka does not tell";

/// The connections to brokers that have been asked, by address.
#[derive(Default)]
pub(crate) struct Asked(Mutex<BTreeMap<String, Connection>>);

impl Kafka {
    /// Who the controller is, as this broker knows or is told; nothing where it does not answer.
    pub async fn controller(&self, broker: &BrokerInfo) -> Option<Controller> {
        let security = match Security::of(self.properties()) {
            Ok(security) => security,
            Err(why) => return Some(Controller::NotTold(why)),
        };
        let (kafka, address) = (self.clone(), broker.address.clone());
        let asking = tokio::task::spawn_blocking(move || ask(kafka.asked(), &address, &security));
        match tokio::time::timeout(LONGEST, asking).await {
            Ok(answer) => answer.unwrap_or_default(),
            Err(_) => Some(Controller::Nobody),
        }
    }
}

fn ask(kept: &Asked, address: &str, security: &Security) -> Option<Controller> {
    let open = || Connection::open(address, security, PATIENCE);
    let connection = locked(&kept.0).remove(address);
    let mut is_new = connection.is_none();
    let mut connection = connection.map_or_else(open, Ok);
    loop {
        let asked = connection.and_then(|mut connection| {
            let answer = connection.ask(&[QUESTION])?;
            Ok((connection, answer))
        });
        match asked {
            Ok((connection, answer)) => {
                let mut kept = locked(&kept.0);
                if kept.len() >= MOST_KEPT {
                    kept.clear();
                }
                kept.insert(address.to_owned(), connection);
                return Some(read(&answer).unwrap_or(Controller::NotTold(OTHER)));
            }
            Err(error) => match error.kind() {
                ErrorKind::PermissionDenied => {
                    tracing::debug!("{address} is not asked for the controller: {error}");
                    return Some(Controller::NotTold(NOT_LET_IN));
                }
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return Some(Controller::Nobody),
                _ if is_new => return None,
                // It was kept for too long.
                _ => (connection, is_new) = (open(), true),
            },
        }
    }
}

/// The leader in an answer of version 0; `None` if it is none.
fn read(answer: &[u8]) -> Option<Controller> {
    let mut rest = Bytes(answer);
    rest.take::<4>()?; // the question's number
    rest.tags()?;
    let said = i16::from_be_bytes(rest.take()?);
    if said != 0 {
        return Some(meant(said));
    }
    let topics = rest.varint()?;
    if topics < 2 {
        return None;
    }
    let name = rest.varint()?.checked_sub(1)?;
    rest.skip(name as usize)?;
    if rest.varint()? < 2 {
        return None;
    }
    rest.take::<4>()?; // the partition
    let said = i16::from_be_bytes(rest.take()?);
    if said != 0 {
        return Some(meant(said));
    }
    let leader = i32::from_be_bytes(rest.take()?);
    Some(if leader < 0 {
        Controller::Nobody
    } else {
        Controller::Node(leader)
    })
}

/// What Kafka's error codes mean here.
fn meant(code: i16) -> Controller {
    const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
    const UNSUPPORTED_VERSION: i16 = 35;
    const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    match code {
        CLUSTER_AUTHORIZATION_FAILED => Controller::NotTold(DENIED),
        UNSUPPORTED_VERSION | UNKNOWN_TOPIC_OR_PARTITION => Controller::NotTold(OTHER),
        // NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT, NOT_CONTROLLER: there is none yet.
        _ => Controller::Nobody,
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    /// An unsigned varint (KIP-482).
    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Tagged fields, passed over.
    fn tags(&mut self) -> Option<()> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let len_bytes = self.varint()?;
            self.skip(len_bytes as usize)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i16, partition_code: i16, leader: i32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 1, 0];
        bytes.extend(code.to_be_bytes());
        bytes.extend([2, 19]);
        bytes.extend(b"__cluster_metadata");
        bytes.extend([2, 0, 0, 0, 0]);
        bytes.extend(partition_code.to_be_bytes());
        bytes.extend(leader.to_be_bytes());
        bytes.extend([0; 20]);
        bytes
    }

    #[test]
    fn the_quorums_leader_is_the_controller() {
        assert_eq!(read(&answer(0, 0, 3)), Some(Controller::Node(3)));
        assert_eq!(read(&answer(0, 0, -1)), Some(Controller::Nobody));
        assert_eq!(read(&answer(0, 6, -1)), Some(Controller::Nobody));
        assert_eq!(read(&answer(31, 0, 0)), Some(Controller::NotTold(DENIED)));
    }

    #[test]
    fn an_answer_that_is_cut_or_none_is_no_controller() {
        let whole = answer(0, 0, 3);
        for len in 0..whole.len() - 20 {
            assert_eq!(read(&whole[..len]), None, "{len}");
        }
        for hostile in [&[0xff; 40][..], &[0; 40]] {
            let said = read(hostile);
            assert!(!matches!(said, Some(Controller::Node(_))), "{said:?}");
        }
    }
}
