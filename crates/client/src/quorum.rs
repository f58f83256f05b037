//! Which node is the controller, as the quorum has it (`DescribeQuorum`, KIP-595).
//!
//! The library does not know this request, and what a broker's metadata calls the controller is any broker at all, a different one
//! with each answer: it is there for clients that send the controller something, and any broker passes that on. So this speaks
//! the protocol itself, as far as needed and where neither TLS nor a login is asked for.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{BrokerInfo, Kafka};

/// A broker passes the question on, and while there is no controller it waits for one.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest answer that is read: some hundred bytes a voter and observer.
const MAX_ANSWER_BYTES: u32 = 1 << 20;

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

const LOGIN: &str = "weir asks for it only where Kafka needs neither TLS nor a login";
const DENIED: &str = "this user may not describe the cluster";
const OTHER: &str = "this Kafka does not tell";

impl Kafka {
    /// Who the controller is, as this broker knows or is told; nothing where it does not answer.
    pub async fn controller(&self, broker: &BrokerInfo) -> Option<Controller> {
        if self
            .property("security.protocol")
            .is_some_and(|protocol| !protocol.eq_ignore_ascii_case("plaintext"))
        {
            return Some(Controller::NotTold(LOGIN));
        }
        match tokio::time::timeout(PATIENCE, ask(&broker.address)).await {
            Ok(Ok(answer)) => Some(read(&answer).unwrap_or(Controller::NotTold(OTHER))),
            Ok(Err(_)) => None,
            Err(_) => Some(Controller::Nobody),
        }
    }
}

async fn ask(address: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let mut question = u32::to_be_bytes(QUESTION.len() as u32).to_vec();
    question.extend(QUESTION);
    stream.write_all(&question).await?;
    let len_bytes = stream.read_u32().await?;
    let mut answer = Vec::new();
    (&mut stream)
        .take(len_bytes.min(MAX_ANSWER_BYTES).into())
        .read_to_end(&mut answer)
        .await?;
    Ok(answer)
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
