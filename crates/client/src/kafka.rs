//! Where the cluster is and how to talk to it; the questions asked of it, each with a limit of time.
//!
//! Questions (metadata, positions, groups) go through one client that all clones share. The library answers them on the
//! calling thread, so each runs on a thread of its own, a bounded number at a time, while [`Kafka::ask`] watches: a port
//! nobody listens at or a refused login is an answer at once, not after the time limit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

use crate::ClientError;
use crate::context::{Background, Context, Trouble, locked};
use crate::error::{code_of, property_error, words};
use crate::listener;
use crate::quorum::Asked;

/// How long a question may take.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What to ask for where only the brokers matter: a name no topic can have, so that the answer is small and nothing is made.
pub(crate) const NO_TOPIC: &str = ".";
/// Questions under way at once.
const QUESTIONS: usize = 8;

/// A topic that was made is known to every broker of a cluster within this time, also while one of them is being replaced.
const KNOWN: Duration = Duration::from_secs(15);

/// A cluster's address and properties. Cheap to clone; nothing connects until it is used.
#[derive(Clone)]
pub struct Kafka {
    inner: Arc<Inner>,
}

struct Inner {
    bootstrap: String,
    addresses: Vec<(String, u16)>,
    properties: Vec<(String, String)>,
    query: OnceLock<Arc<Background<BaseConsumer<Context>>>>,
    query_trouble: Arc<Trouble>,
    admin: OnceCell<Arc<Background<AdminClient<Context>>>>,
    /// An address has accepted a connection, and no question failed since.
    reached: AtomicBool,
    slots: Semaphore,
    /// Connections over which brokers were asked for the controller.
    asked: Asked,
    /// Topics made from here lately, which not every broker may know yet.
    made: Mutex<Vec<(String, Instant)>>,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The properties may hold passwords.
        f.debug_struct("Kafka")
            .field("bootstrap", &self.inner.bootstrap)
            .finish_non_exhaustive()
    }
}

impl Kafka {
    /// `bootstrap` is `HOST:PORT,…` (without a port: 9092); `properties` are librdkafka's, as kcat's `-X`.
    pub fn new(bootstrap: &str, properties: &[(String, String)]) -> Result<Self, ClientError> {
        let addresses = parse_bootstrap(bootstrap)?;
        let kafka = Self {
            inner: Arc::new(Inner {
                bootstrap: addresses
                    .iter()
                    .map(|(host, port)| show_address(host, *port))
                    .collect::<Vec<_>>()
                    .join(","),
                addresses,
                properties: properties.to_vec(),
                query: OnceLock::new(),
                query_trouble: Arc::default(),
                admin: OnceCell::new(),
                reached: AtomicBool::new(false),
                slots: Semaphore::new(QUESTIONS),
                asked: Asked::default(),
                made: Mutex::default(),
            }),
        };
        kafka
            .config(&[])
            .create_native_config()
            .map_err(|error| property_error(&error))?;
        Ok(kafka)
    }

    /// The bootstrap addresses, for people.
    pub fn bootstrap(&self) -> &str {
        &self.inner.bootstrap
    }

    /// Whether a broker answers now, or why none does.
    pub async fn check(&self) -> Result<(), ClientError> {
        self.brokers().await.map(|_| ())
    }

    /// The library's settings: ours, over them the user's, over them those in `fixed`.
    pub(crate) fn config(&self, fixed: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.inner.bootstrap);
        config.set("client.id", "weir");
        // Small requests must not wait for the acknowledgement of the one before (RFC 896).
        config.set("socket.nagle.disable", "true");
        config.set("reconnect.backoff.ms", "20");
        config.set("reconnect.backoff.max.ms", "500");
        config.set("socket.connection.setup.timeout.ms", "5000");
        config.set("topic.metadata.refresh.fast.interval.ms", "50");
        config.set("topic.metadata.propagation.max.ms", "5000");
        config.set("log.connection.close", "false");
        for (key, value) in &self.inner.properties {
            config.set(key, value);
        }
        for (key, value) in fixed {
            // What the user sets stands unless this program could not work with it.
            config.set(*key, *value);
        }
        let debug = config
            .get("debug")
            .is_some_and(|contexts| !contexts.is_empty());
        config.set_log_level(if debug {
            RDKafkaLogLevel::Debug
        } else {
            RDKafkaLogLevel::Info
        });
        config
    }

    /// What the user set this property to.
    pub(crate) fn property(&self, key: &str) -> Option<&str> {
        let found = self.inner.properties.iter().rfind(|(k, _)| k == key);
        found.map(|(_, value)| value.as_str())
    }

    /// What the user set, in the order in which it was set.
    pub(crate) fn properties(&self) -> &[(String, String)] {
        &self.inner.properties
    }

    /// The connections over which brokers were asked for the controller.
    pub(crate) fn asked(&self) -> &Asked {
        &self.inner.asked
    }

    /// Whether the user set this property.
    pub(crate) fn is_set(&self, key: &str) -> bool {
        self.property(key).is_some()
    }

    fn query(&self) -> Result<Arc<Background<BaseConsumer<Context>>>, ClientError> {
        if let Some(query) = self.inner.query.get() {
            return Ok(query.clone());
        }
        let mut config = self.config(&[("enable.auto.commit", "false")]);
        config.remove("group.id");
        // Nobody waits at this client's queue, so nothing may pile up in it.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let context = Context {
            trouble: self.inner.query_trouble.clone(),
            ..Context::default()
        };
        let consumer: BaseConsumer<Context> = config
            .create_with_context(context)
            .map_err(|error| property_error(&error))?;
        Ok(self
            .inner
            .query
            .get_or_init(|| Arc::new(Background::new(consumer)))
            .clone())
    }

    /// A client for one group's positions: it never joins the group.
    pub(crate) fn group_client(
        &self,
        group: &str,
    ) -> Result<Background<BaseConsumer<Context>>, ClientError> {
        let mut config = self.config(&[("enable.auto.commit", "false"), ("group.id", group)]);
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let consumer: BaseConsumer<Context> = config
            .create_with_context(Context::default())
            .map_err(|error| property_error(&error))?;
        Ok(Background::new(consumer))
    }

    pub(crate) async fn admin(&self) -> Result<Arc<Background<AdminClient<Context>>>, ClientError> {
        self.reach().await?;
        self.inner
            .admin
            .get_or_try_init(|| async {
                let mut config = self.config(&[]);
                config.set_log_level(RDKafkaLogLevel::Emerg);
                let admin: AdminClient<Context> = config
                    .create_with_context(Context::default())
                    .map_err(|error| property_error(&error))?;
                Ok(Arc::new(Background::new(admin)))
            })
            .await
            .cloned()
    }

    /// Notes that a topic was made from here.
    pub(crate) fn note_made(&self, name: &str) {
        let mut made = locked(&self.inner.made);
        made.retain(|(_, at)| at.elapsed() < KNOWN);
        made.push((name.to_owned(), Instant::now()));
    }

    /// Waits a moment where a topic was made from here so lately that the broker that was asked may not know it, and says so: each
    /// broker of a cluster hears of it for itself.
    pub(crate) async fn known_soon(&self, name: &str) -> bool {
        let soon = self.was_made(name);
        if soon {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        soon
    }

    /// Notes that a topic is no more.
    pub(crate) fn note_deleted(&self, name: &str) {
        let mut made = locked(&self.inner.made);
        made.retain(|(made, _)| made != name);
    }

    /// Whether a topic was made from here so lately that a broker may not know it.
    pub(crate) fn was_made(&self, name: &str) -> bool {
        let made = locked(&self.inner.made);
        made.iter()
            .any(|(made, at)| made == name && at.elapsed() < KNOWN)
    }

    /// Asks the cluster with the shared client. `what` completes "cannot …" for people.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        what: &str,
        question: impl FnOnce(&BaseConsumer<Context>) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, ClientError> {
        self.reach().await?;
        let query = self.query()?;
        let slot = self.inner.slots.acquire().await;
        let asked = query.clone();
        let mut answer = tokio::task::spawn_blocking(move || question(&asked));
        let mut looks = 0_u32;
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    looks += 1;
                    // Serves the callbacks, which tell of trouble.
                    for _ in 0..16 {
                        drop(query.poll(Duration::ZERO));
                    }
                    if let Some((code, why)) = self.inner.query_trouble.hopeless() {
                        self.inner.query_trouble.clear();
                        return Err(hopeless(code, why));
                    }
                    if looks % 5 == 2 {
                        self.probe().await?;
                    }
                }
            }
        };
        drop(slot);
        for _ in 0..4 {
            drop(query.poll(Duration::ZERO));
        }
        match answer {
            Ok(Ok(answer)) => {
                self.inner.query_trouble.clear();
                Ok(answer)
            }
            Ok(Err(error)) => Err(self.explain(what, &error).await),
            Err(_) => Err(ClientError::Closed {
                what: what.to_owned(),
            }),
        }
    }

    /// What an error of the library means to people.
    pub(crate) async fn explain(&self, what: &str, error: &KafkaError) -> ClientError {
        match code_of(error) {
            Some(
                Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::TimedOutQueue
                | Code::RequestTimedOut
                | Code::NodeUpdate,
            ) => {
                self.inner.reached.store(false, Ordering::Relaxed);
                if let Some((code, why)) = self.inner.query_trouble.hopeless() {
                    self.inner.query_trouble.clear();
                    return hopeless(code, why);
                }
                if let Err(unreachable) = self.probe().await {
                    return unreachable;
                }
                ClientError::TimedOut {
                    what: format!("cannot {what}"),
                    after: ASK_TIMEOUT,
                }
            }
            Some(
                code @ (Code::LeaderNotAvailable
                | Code::NotLeaderForPartition
                | Code::BrokerNotAvailable
                | Code::ReplicaNotAvailable
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::DestroyBroker
                | Code::BrokerDestroy),
            ) => ClientError::Electing {
                what: what.to_owned(),
                why: words(code),
            },
            Some(code) => refused(what, code),
            None => ClientError::Refused {
                what: format!("cannot {what}"),
                why: error.to_string(),
            },
        }
    }

    /// Makes sure, before the first question, that somebody listens.
    pub(crate) async fn reach(&self) -> Result<(), ClientError> {
        if self.inner.reached.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.probe().await
    }

    /// Whether any bootstrap address accepts a connection now, and speaks as it is spoken to.
    pub(crate) async fn probe(&self) -> Result<(), ClientError> {
        if self.is_set("test.mock.num.brokers") {
            return Ok(());
        }
        let mut causes = Vec::new();
        for (host, port) in &self.inner.addresses {
            let connect = TcpStream::connect((host.as_str(), *port));
            let address = show_address(host, *port);
            match tokio::time::timeout(CONNECT_TIMEOUT, connect).await {
                Ok(Ok(stream)) => {
                    let protocol = self.property("security.protocol");
                    listener::check(stream, &address, protocol).await?;
                    self.inner.reached.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    causes.push(format!("nobody listens at {address}"));
                }
                Ok(Err(error)) => causes.push(format!("{address}: {error}")),
                Err(_) => causes.push(format!(
                    "{address} did not accept a connection within {} s",
                    CONNECT_TIMEOUT.as_secs()
                )),
            }
        }
        self.inner.reached.store(false, Ordering::Relaxed);
        Err(ClientError::Unreachable {
            bootstrap: self.inner.bootstrap.clone(),
            cause: causes.join("; "),
        })
    }
}

/// A failure that trying on cannot help.
pub(crate) fn hopeless(code: Code, why: String) -> ClientError {
    match code {
        Code::SSL => ClientError::Tls { why },
        _ => ClientError::Authentication { why },
    }
}

/// Kafka said no.
pub(crate) fn refused(what: &str, code: Code) -> ClientError {
    match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => ClientError::Denied {
            what: what.to_owned(),
        },
        Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL => {
            hopeless(code, words(code))
        }
        _ => ClientError::Refused {
            what: format!("cannot {what}"),
            why: words(code),
        },
    }
}

pub(crate) fn show_address(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn parse_bootstrap(text: &str) -> Result<Vec<(String, u16)>, ClientError> {
    let bad = |why: String| ClientError::BadBootstrap {
        given: text.chars().take(200).collect(),
        why,
    };
    let mut addresses = Vec::new();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (host, port) = if let Some(rest) = part.strip_prefix('[') {
            let (host, rest) = rest
                .split_once(']')
                .ok_or_else(|| bad(format!("{part:?} lacks its ]")))?;
            (host, rest.strip_prefix(':'))
        } else if part.matches(':').count() > 1 {
            return Err(bad(format!("an IPv6 address stands in brackets: [{part}]")));
        } else {
            match part.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (part, None),
            }
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(bad(format!("{part:?} has no host name")));
        }
        let port = match port {
            None => 9092,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err(bad(format!("{port:?} is no port (1 to 65535)"))),
            },
        };
        addresses.push((host.to_owned(), port));
    }
    if addresses.is_empty() {
        return Err(bad("it names none".to_owned()));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kafkas_own_tools_read_them() {
        for (text, want) in [
            ("127.0.0.1:9092", "127.0.0.1:9092"),
            ("kafka", "kafka:9092"),
            ("a:1, b:2,", "a:1,b:2"),
            ("[::1]:9093,[::1]", "[::1]:9093,[::1]:9092"),
        ] {
            assert_eq!(Kafka::new(text, &[]).unwrap().bootstrap(), want, "{text}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_the_reason() {
        for text in [
            "",
            ",",
            ":9092",
            "a:0",
            "a:65536",
            "a:x",
            "::1",
            "[::1",
            "http://a:1",
            "a b",
        ] {
            let error = Kafka::new(text, &[]).unwrap_err().to_string();
            assert!(error.contains("HOST:PORT"), "{text}: {error}");
        }
    }

    #[test]
    fn a_property_that_does_not_exist_is_refused_by_name() {
        let error = Kafka::new("a", &[("no.such".to_owned(), "1".to_owned())]).unwrap_err();
        assert!(error.to_string().starts_with("-X no.such: "), "{error}");
    }

    #[test]
    fn a_secret_is_in_no_error_and_no_debug_text() {
        let secret = "hunter2\0hunter2";
        for key in ["sasl.password", "ssl.key.password", "ssl.key.pem"] {
            let properties = [(key.to_owned(), secret.to_owned())];
            match Kafka::new("a", &properties) {
                Ok(kafka) => assert!(!format!("{kafka:?}").contains("hunter2"), "{key}"),
                Err(error) => {
                    assert!(!error.to_string().contains("hunter2"), "{key}: {error}");
                    assert!(!format!("{error:?}").contains("hunter2"), "{key}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_port_nobody_listens_at_is_one_sentence_with_the_remedy() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = Kafka::new(&address, &[])
            .unwrap()
            .topics()
            .await
            .unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), crate::ErrorKind::Unreachable);
        assert!(
            text.contains(&format!("nobody listens at {address}")),
            "{text}"
        );
        assert!(text.contains("--bootstrap"), "{text}");
    }
}
