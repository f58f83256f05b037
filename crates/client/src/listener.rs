//! What listens at an address, for a client that was told nothing of security: Kafka as it should be, Kafka behind TLS or a login, or
//! something else. The client library only sees its connections end, again and again.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::ClientError;

/// Longer than a broker takes that is not overloaded; one that is gets asked all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// `ApiVersions` version 0 and an empty client id: any Kafka since 0.10 answers it before a login.
const API_VERSIONS: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0, 0];

/// `Metadata` version 1 of no topics: the connection is closed where a login should have come first.
const METADATA: &[u8] = &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0];

/// What answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Kafka,
    Tls,
    Http,
    Login,
    /// Nothing in time, or nothing that tells.
    Unknown,
}

/// What is wrong with `security.protocol` (Kafka's own words; nothing is `PLAINTEXT`), if what listens tells.
pub(crate) async fn check(
    stream: TcpStream,
    address: &str,
    protocol: Option<&str>,
) -> Result<(), ClientError> {
    let answer = tokio::time::timeout(PATIENCE, ask(stream)).await;
    let answer = answer.unwrap_or(Answer::Unknown);
    let protocol = protocol.unwrap_or("PLAINTEXT").to_ascii_uppercase();
    let (tls, login) = (protocol.ends_with("SSL"), protocol.starts_with("SASL_"));
    let (why, remedy) = match answer {
        Answer::Http => (
            "is a web server, not Kafka",
            "give Kafka's own port to --bootstrap, usually 9092",
        ),
        Answer::Tls if !tls && login => ("speaks TLS", "set -X security.protocol=SASL_SSL"),
        Answer::Tls if !tls => (
            "speaks TLS",
            "add -X security.protocol=SSL, or SASL_SSL with a login",
        ),
        Answer::Kafka | Answer::Login if tls => (
            "does not speak TLS",
            "set -X security.protocol=PLAINTEXT, or SASL_PLAINTEXT with a login",
        ),
        Answer::Login if !login => (
            "wants a login",
            "add -X security.protocol=SASL_PLAINTEXT, sasl.mechanism, sasl.username and sasl.password",
        ),
        Answer::Kafka if login => (
            "wants no login",
            "take away -X security.protocol and the sasl settings",
        ),
        Answer::Kafka | Answer::Tls | Answer::Login | Answer::Unknown => return Ok(()),
    };
    Err(ClientError::WrongProtocol {
        why: format!("{address} {why}"),
        remedy,
    })
}

async fn ask(mut stream: TcpStream) -> Answer {
    let mut head = [0; 5];
    if stream.write_all(API_VERSIONS).await.is_err() || stream.read_exact(&mut head).await.is_err()
    {
        return Answer::Unknown;
    }
    match head {
        // A TLS record of type alert.
        [0x15, 0x03, ..] => return Answer::Tls,
        [b'H', b'T', b'T', b'P', b'/'] => return Answer::Http,
        _ => {}
    }
    // The answer's length and the first byte of its number, of which three are left.
    let [a, b, c, d, _] = head;
    let mut number = [0; 3];
    let Some(rest) = u32::from_be_bytes([a, b, c, d]).checked_sub(4) else {
        return Answer::Unknown;
    };
    if stream.read_exact(&mut number).await.is_err() || number != [0, 0, 1] {
        return Answer::Unknown;
    }
    let mut answer = (&mut stream).take(u64::from(rest));
    let skipped = tokio::io::copy(&mut answer, &mut tokio::io::sink()).await;
    if !skipped.is_ok_and(|n| n == u64::from(rest)) || stream.write_all(METADATA).await.is_err() {
        return Answer::Unknown;
    }
    match stream.read(&mut head).await {
        Ok(0) => Answer::Login,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Answer::Login,
        Ok(_) => Answer::Kafka,
        Err(_) => Answer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    use super::*;

    /// One that answers the first bytes with `first`, the next ones with `second`, and hangs up.
    async fn listener(first: &'static [u8], second: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 64];
            for answer in [first, second] {
                if stream.read(&mut heard).await.unwrap_or(0) == 0 || answer.is_empty() {
                    return;
                }
                stream.write_all(answer).await.unwrap();
            }
        });
        address
    }

    async fn asked(first: &'static [u8], second: &'static [u8]) -> Answer {
        let address = listener(first, second).await;
        ask(TcpStream::connect(address).await.unwrap()).await
    }

    #[tokio::test]
    async fn what_listens_is_told_by_its_first_bytes() {
        let versions = &[0, 0, 0, 6, 0, 0, 0, 1, 0, 0];
        assert_eq!(
            asked(versions, &[0, 0, 0, 4, 0, 0, 0, 2]).await,
            Answer::Kafka
        );
        assert_eq!(asked(versions, b"").await, Answer::Login);
        assert_eq!(asked(&[0x15, 3, 3, 0, 2, 2, 80], b"").await, Answer::Tls);
        assert_eq!(
            asked(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"").await,
            Answer::Http
        );
        assert_eq!(asked(b"SSH-2.0-OpenSSH\r\n", b"").await, Answer::Unknown);
        assert_eq!(asked(b"", b"").await, Answer::Unknown);
        // A length that is too short for the answer's own number.
        assert_eq!(asked(&[0, 0, 0, 0, 0, 0, 0, 1], b"").await, Answer::Unknown);
    }

    #[tokio::test]
    async fn settings_that_do_not_fit_what_listens_are_named() {
        const VERSIONS: &[u8] = &[0, 0, 0, 6, 0, 0, 0, 1, 0, 0];
        const TOPICS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 2];
        const ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 80];
        for (protocol, first, second, said) in [
            (None, VERSIONS, TOPICS, None),
            (Some("ssl"), ALERT, b"" as &[u8], None),
            (Some("SASL_SSL"), ALERT, b"", None),
            (Some("sasl_plaintext"), VERSIONS, b"", None),
            (None, b"SSH-2.0-OpenSSH\r\n", b"", None),
            (
                None,
                ALERT,
                b"",
                Some("speaks TLS; add -X security.protocol=SSL"),
            ),
            (Some("SASL_PLAINTEXT"), ALERT, b"", Some("SASL_SSL")),
            (None, VERSIONS, b"", Some("wants a login")),
            (Some("SSL"), VERSIONS, TOPICS, Some("does not speak TLS")),
            (Some("SASL_SSL"), VERSIONS, b"", Some("SASL_PLAINTEXT")),
            (
                Some("SASL_PLAINTEXT"),
                VERSIONS,
                TOPICS,
                Some("wants no login"),
            ),
            (
                None,
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                b"",
                Some("web server"),
            ),
        ] {
            let address = listener(first, second).await;
            let stream = TcpStream::connect(address).await.unwrap();
            let checked = check(stream, "here", protocol).await;
            let found = checked.err().map(|error| error.to_string());
            match said {
                None => assert_eq!(found, None, "{protocol:?}"),
                Some(said) => assert!(
                    found.as_ref().is_some_and(|found| found.contains(said)),
                    "{protocol:?}: {found:?}"
                ),
            }
        }
    }
}
