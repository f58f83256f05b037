//! A connection to a broker that has let us in, over which questions are asked one after the other. It blocks; every answer is waited
//! for a bounded time.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use openssl::ssl::HandshakeError;

use super::login::{Login, refused};
use super::security::{Security, Tls};

/// The longest answer that is read: some hundred bytes a voter and observer.
const MAX_ANSWER_BYTES: u32 = 1 << 20;

/// `SaslHandshake` version 1 and `SaslAuthenticate` version 0, each behind request header version 1 without a client id.
const HANDSHAKE: &[u8] = b"\x00\x11\x00\x01\x00\x00\x00\x02\xff\xff";
const AUTHENTICATE: &[u8] = b"\x00\x24\x00\x00\x00\x00\x00\x03\xff\xff";

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Ready for questions.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
}

impl Connection {
    /// Connects. [`io::ErrorKind::PermissionDenied`]: the broker is there, and one of the two does not let the other in.
    pub(super) fn open(address: &str, security: &Security, patience: Duration) -> io::Result<Self> {
        let tcp = connect(address, patience)?;
        tcp.set_read_timeout(Some(patience))?;
        tcp.set_write_timeout(Some(patience))?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &security.tls {
            Some(tls) => encrypted(tcp, tls, host(address))?,
            None => Box::new(tcp),
        };
        let mut connection = Self { stream };
        if let Some(login) = &security.login {
            connection.log_in(login)?;
        }
        Ok(connection)
    }

    /// A request with its header; the answer with its own, without its length.
    pub(super) fn ask(&mut self, question: &[&[u8]]) -> io::Result<Vec<u8>> {
        let len_bytes: usize = question.iter().map(|part| part.len()).sum();
        let mut bytes = u32::to_be_bytes(len_bytes as u32).to_vec();
        for part in question {
            bytes.extend_from_slice(part);
        }
        self.stream.write_all(&bytes)?;
        self.stream.flush()?;
        let mut len_bytes = [0; 4];
        self.stream.read_exact(&mut len_bytes)?;
        let len_bytes = u32::from_be_bytes(len_bytes);
        if len_bytes > MAX_ANSWER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut answer = vec![0; len_bytes as usize];
        self.stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    fn log_in(&mut self, login: &Login) -> io::Result<()> {
        let mechanism = login.mechanism.name().as_bytes();
        let len_bytes = (mechanism.len() as u16).to_be_bytes();
        let answer = self.ask(&[HANDSHAKE, &len_bytes, mechanism])?;
        if answer.get(4..6) != Some(&[0, 0]) {
            return Err(refused("it does not take this mechanism"));
        }
        login.run(&mut |said| {
            let len_bytes = (said.len() as u32).to_be_bytes();
            let answer = self.ask(&[AUTHENTICATE, &len_bytes, said])?;
            said_back(&answer).ok_or_else(|| refused("it refuses the login"))
        })
    }
}

/// What an answer to `SaslAuthenticate` version 0 carries, unless it says no.
fn said_back(answer: &[u8]) -> Option<Vec<u8>> {
    // The question's number, error code 0, no sentence; then a length and so many bytes.
    let rest = answer.get(4..)?.strip_prefix(&[0, 0])?;
    let (len_bytes, rest) = rest.split_first_chunk()?;
    let sentence_bytes = i16::from_be_bytes(*len_bytes).max(0) as usize;
    let (len_bytes, said) = rest.get(sentence_bytes..)?.split_first_chunk()?;
    let len_bytes = usize::try_from(i32::from_be_bytes(*len_bytes)).ok()?;
    Some(said.get(..len_bytes)?.to_vec())
}

fn connect(address: &str, patience: Duration) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for found in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&found, patience) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn encrypted(tcp: TcpStream, tls: &Tls, host: &str) -> io::Result<Box<dyn Stream>> {
    let (connector, named) = tls.connector()?;
    let connecting = connector.configure()?.verify_hostname(named);
    match connecting.connect(host, tcp) {
        Ok(stream) => Ok(Box::new(stream)),
        Err(HandshakeError::SetupFailure(error)) => Err(error.into()),
        Err(HandshakeError::WouldBlock(_)) => Err(io::ErrorKind::TimedOut.into()),
        Err(HandshakeError::Failure(stream)) => Err(match stream.into_error().into_io_error() {
            Ok(error) => error,
            Err(error) => refused(&error.to_string()),
        }),
    }
}

/// The host of `HOST:PORT`.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc;
    use std::thread;

    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::ssl::{SslAcceptor, SslMethod};
    use openssl::x509::extension::SubjectAlternativeName;
    use openssl::x509::{X509, X509NameBuilder};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Reads a question and answers it, over and over; gives what was asked.
    fn answer(stream: &mut dyn Stream, answers: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut asked = Vec::new();
        for answer in answers {
            let mut len_bytes = [0; 4];
            if stream.read_exact(&mut len_bytes).is_err() {
                break;
            }
            let mut question = vec![0; u32::from_be_bytes(len_bytes) as usize];
            stream.read_exact(&mut question).unwrap();
            asked.push(question);
            let len_bytes = u32::to_be_bytes(answer.len() as u32);
            stream.write_all(&[&len_bytes, *answer].concat()).unwrap();
        }
        asked
    }

    const HELLO: &[u8] = b"\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00";
    const LET_IN: &[u8] = b"\x00\x00\x00\x03\x00\x00\xff\xff\x00\x00\x00\x00";
    const NOT_LET_IN: &[u8] = b"\x00\x00\x00\x03\x00\x3a\xff\xff\x00\x00\x00\x00";

    fn security(protocol: &str, authority: &str) -> Security {
        let properties = [
            ("security.protocol", protocol),
            ("ssl.ca.pem", authority),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "ann"),
            ("sasl.password", "secret"),
        ];
        let owned = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Security::of(&owned).unwrap()
    }

    /// A certificate of its own for 127.0.0.1.
    fn certificate() -> (X509, PKey<Private>) {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "broker").unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let number = BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&number).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        let (from, to) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
        builder.set_not_before(&from.unwrap()).unwrap();
        builder.set_not_after(&to.unwrap()).unwrap();
        let mut names = SubjectAlternativeName::new();
        let names = names
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(None, None));
        builder.append_extension(names.unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        (builder.build(), key)
    }

    /// One that speaks TLS, takes any password and answers one question; what it heard, once the connection has ended.
    fn broker(
        certificate: &X509,
        key: &PKey<Private>,
    ) -> (SocketAddr, mpsc::Receiver<Vec<Vec<u8>>>) {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(certificate).unwrap();
        acceptor.set_private_key(key).unwrap();
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, hears) = mpsc::channel();
        thread::spawn(move || {
            let (tcp, _) = listener.accept().unwrap();
            let asked = match acceptor.accept(tcp) {
                Ok(mut stream) => answer(&mut stream, &[HELLO, LET_IN, b"\x00\x00\x00\x01yes"]),
                Err(_) => Vec::new(),
            };
            heard.send(asked).unwrap();
        });
        (address, hears)
    }

    #[test]
    fn a_broker_that_is_known_is_asked_after_the_login() {
        let (certificate, key) = certificate();
        let (address, hears) = broker(&certificate, &key);
        let authority = String::from_utf8(certificate.to_pem().unwrap()).unwrap();
        let security = security("sasl_ssl", &authority);
        let mut connection = Connection::open(&address.to_string(), &security, PATIENCE).unwrap();
        assert_eq!(
            connection.ask(&[b"a ", b"question"]).unwrap(),
            b"\x00\x00\x00\x01yes"
        );
        let heard = hears.recv().unwrap();
        assert!(heard[0].ends_with(b"\x00\x05PLAIN"), "{heard:?}");
        assert!(heard[1].ends_with(b"\0ann\0secret"), "{heard:?}");
        assert_eq!(heard[2], b"a question");
    }

    #[test]
    fn a_broker_whose_certificate_is_not_known_never_hears_the_password() {
        let (certificate, key) = certificate();
        let (address, hears) = broker(&certificate, &key);
        let (other, _) = self::certificate();
        let authority = String::from_utf8(other.to_pem().unwrap()).unwrap();
        let security = security("sasl_ssl", &authority);
        let opened = Connection::open(&address.to_string(), &security, PATIENCE);
        assert_eq!(
            opened.err().unwrap().kind(),
            io::ErrorKind::PermissionDenied
        );
        assert!(hears.recv().unwrap().is_empty());
    }

    #[test]
    fn a_refused_login_is_told_from_a_broker_that_is_away() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let security = security("sasl_plaintext", "");
        let answering = thread::spawn(move || {
            let (mut tcp, _) = listener.accept().unwrap();
            answer(&mut tcp, &[HELLO, NOT_LET_IN]);
        });
        let opened = Connection::open(&address, &security, PATIENCE);
        assert_eq!(
            opened.err().unwrap().kind(),
            io::ErrorKind::PermissionDenied
        );
        answering.join().unwrap();
        let opened = Connection::open(&address, &security, PATIENCE);
        assert_ne!(
            opened.err().unwrap().kind(),
            io::ErrorKind::PermissionDenied
        );
    }

    #[test]
    fn an_answer_to_the_login_that_is_cut_lets_nobody_in() {
        assert_eq!(
            said_back(b"\x00\x00\x00\x03\x00\x00\xff\xff\x00\x00\x00\x02ab"),
            Some(b"ab".to_vec())
        );
        assert_eq!(
            said_back(b"\x00\x00\x00\x03\x00\x00\x00\x01x\x00\x00\x00\x01a"),
            Some(b"a".to_vec())
        );
        for cut in [
            &b""[..],
            b"\x00\x00\x00\x03",
            b"\x00\x00\x00\x03\x00\x00\xff",
            b"\x00\x00\x00\x03\x00\x00\x7f\xff\x00\x00\x00\x00",
            b"\x00\x00\x00\x03\x00\x00\xff\xff\x00\x00\x00\x03ab",
            b"\x00\x00\x00\x03\x00\x00\xff\xff\xff\xff\xff\xffab",
        ] {
            assert_eq!(said_back(cut), None, "{cut:?}");
        }
    }

    #[test]
    fn the_host_is_what_stands_before_the_port() {
        assert_eq!(host("kafka-1:9092"), "kafka-1");
        assert_eq!(host("[::1]:9092"), "::1");
    }
}
