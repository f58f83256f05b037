//! The whole path in one process: the embedded broker on a disk in memory, the web server, and clients that know neither.

#![allow(
    dead_code,
    reason = "each test file is a program of its own and uses a part of this"
)]

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use weir_base::fs::MemFs;
use weir_base::time::{SystemClock, Timestamp};
use weir_broker::{BrokerConfig, RunningBroker, Settings};
use weir_client::{Kafka, NewRecord, Producer, ProducerOptions, TopicSpec};
use weir_media::encode::H264Encoder;
use weir_media::record::{self, PictureMeta, SoundMeta};
use weir_media::sound::SoundCodec;
use weir_media::testcard::TestCard;
use weir_media::{Codec, jpeg};
use weir_web::{IngestLimits, Limits, WebConfig};

/// Nothing here takes that long; what hangs fails with a name instead of for ever.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Broker, web server and a client.
pub struct World {
    pub kafka: Kafka,
    pub web: SocketAddr,
    pub shutdown: CancellationToken,
    pub served: JoinHandle<std::io::Result<()>>,
    pub producer: Producer,
    disk: MemFs,
    broker: Option<RunningBroker>,
    broker_addr: SocketAddr,
}

impl World {
    pub async fn start() -> Self {
        Self::limited(Limits::default()).await
    }

    pub async fn limited(limits: Limits) -> Self {
        Self::of(limits, IngestLimits::default()).await
    }

    pub async fn of(limits: Limits, ingest: IngestLimits) -> Self {
        let disk = MemFs::new();
        let broker = broker(&disk, "127.0.0.1:0".parse().unwrap()).await;
        let broker_addr = broker.addr();
        let kafka = Kafka::new(&broker_addr.to_string(), &[]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let web = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let config = WebConfig {
            sources: None,
            embedded: true,
            allowed_hosts: vec!["cam.lan".into()],
            default_video_topic: Some("cam".into()),
            limits,
            ingest,
        };
        let served = tokio::spawn(weir_web::serve(
            listener,
            kafka.clone(),
            Arc::new(SystemClock::new()),
            config,
            shutdown.clone(),
        ));
        let producer = kafka.producer(ProducerOptions::default()).unwrap();
        let world = Self {
            kafka,
            web,
            shutdown,
            served,
            producer,
            disk,
            broker: Some(broker),
            broker_addr,
        };
        // The server's first look at the topics is over: a test that ends at once interrupts no question.
        world.json("/overview").await;
        world
    }

    /// Everything ends in its order, so that nobody is left waiting for an answer.
    pub async fn end(mut self) {
        self.shutdown.cancel();
        self.served.await.unwrap().unwrap();
        if let Some(broker) = self.broker.take() {
            broker.shutdown().await;
        }
    }

    /// The web server and the broker, for a test that ends them itself.
    pub fn parts(self) -> (JoinHandle<std::io::Result<()>>, RunningBroker) {
        (self.served, self.broker.unwrap())
    }

    /// The broker goes away.
    pub async fn stop_broker(&mut self) {
        self.broker.take().unwrap().shutdown().await;
    }

    /// The broker comes back with what it had.
    pub async fn restart_broker(&mut self) {
        self.broker = Some(broker(&self.disk, self.broker_addr).await);
    }

    pub async fn topic(&self, name: &str) {
        self.topic_of(TopicSpec::new(name).partitions(1)).await;
    }

    pub async fn topic_of(&self, spec: TopicSpec) {
        self.kafka.create_topic(spec).await.unwrap();
    }

    /// Sends the records and waits until they are in the log.
    pub async fn publish(&self, records: impl IntoIterator<Item = NewRecord>) {
        for record in records {
            drop(self.producer.send(record).await.unwrap());
        }
        self.producer.flush().await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.web)
    }

    /// Status, content type and body of a request that ends.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], Vec::new()).await
    }

    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        self.read(method, path, headers, body, |_| false).await
    }

    /// Reads a body that does not end by itself until `enough`.
    pub async fn read_until(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        enough: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> Answer {
        self.read("GET", path, headers, Vec::new(), enough).await
    }

    async fn read(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        mut enough: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let (name, path) = (format!("{method} {path}"), path.to_owned());
        tokio::task::spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(PATIENCE))
                .build()
                .into();
            let mut response = agent.run(request).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut out = Vec::new();
            let mut reader = response.body_mut().as_reader();
            let mut chunk = vec![0; 64 << 10];
            loop {
                let len = reader
                    .read(&mut chunk)
                    .unwrap_or_else(|e| panic!("{name}: {e} after {} bytes", out.len()));
                out.extend_from_slice(&chunk[..len]);
                if len == 0 || enough(&out) {
                    break;
                }
            }
            let header = |name: &str| {
                let value = response.headers().get(name);
                value.map_or(String::new(), |v| v.to_str().unwrap().to_owned())
            };
            Answer {
                path,
                status: response.status().as_u16(),
                kind: header("content-type"),
                headers: response.headers().clone(),
                body: out,
            }
        })
        .await
        .unwrap()
    }

    pub async fn socket(&self, path: &str) -> Socket {
        let url = format!("ws://{}{path}", self.web);
        let (socket, _) = tokio_tungstenite::connect_async(url.into_client_request().unwrap())
            .await
            .unwrap();
        Socket { socket }
    }

    /// A figure of `/metrics`.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
            .parse()
            .unwrap()
    }
}

async fn broker(disk: &MemFs, listen: SocketAddr) -> RunningBroker {
    let settings = Settings::parse([("group.initial.rebalance.delay.ms", "0")]).unwrap();
    let config = BrokerConfig {
        data_dir: PathBuf::from("/data"),
        listen,
        settings,
    };
    weir_broker::start(config, Arc::new(disk.clone()), Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

pub struct Answer {
    pub path: String,
    pub status: u16,
    pub kind: String,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's text; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON of each event of a Server-Sent Events body.
    pub fn events(&self) -> Vec<Value> {
        events(&self.body)
    }

    /// It is a refusal that names this field.
    pub fn refuses(&self, status: u16, field: &str) {
        let (path, text) = (&self.path, self.text());
        assert_eq!(self.status, status, "{path}: {text}");
        assert_eq!(self.kind, "application/problem+json", "{path}: {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["field"], field, "{path}: {text}");
        assert_eq!(problem["status"], status, "{path}: {text}");
        assert!(problem["detail"].as_str().unwrap().len() > 5, "{path}");
    }
}

pub fn events(body: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(body);
    let Some((whole, _)) = text.rsplit_once("\n\n") else {
        return Vec::new();
    };
    whole
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// A player's socket.
pub struct Socket {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What comes over it.
#[derive(Debug, Clone, PartialEq)]
pub enum Got {
    Text(Value),
    Init(Bytes),
    Fragment {
        key: bool,
        preroll: bool,
        offset: i64,
        timestamp_ms: i64,
        pts_us: i64,
        fragment: Bytes,
    },
    SoundInit(Bytes),
    Sound {
        offset: i64,
        pts_us: i64,
        duration_us: i64,
        fragment: Bytes,
    },
    Closed,
}

impl Socket {
    pub async fn next(&mut self) -> Got {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("nothing came");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Got::Text(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Binary(bytes))) => return binary(&bytes),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Got::Closed,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next text of this type; texts of other types and pictures in front of it are passed over.
    pub async fn text(&mut self, kind: &str) -> Value {
        loop {
            match self.next().await {
                Got::Text(text) if text["type"] == kind => return text,
                Got::Closed => panic!("closed before {kind:?} came"),
                _ => {}
            }
        }
    }

    /// The next picture's offset.
    pub async fn offset(&mut self) -> i64 {
        loop {
            match self.next().await {
                Got::Fragment { offset, .. } => return offset,
                Got::Closed => panic!("closed before a picture came"),
                _ => {}
            }
        }
    }

    /// The offset and time of the next picture.
    pub async fn picture(&mut self) -> (i64, i64) {
        loop {
            match self.next().await {
                Got::Fragment { offset, pts_us, .. } => return (offset, pts_us),
                Got::Closed => panic!("closed before a picture came"),
                _ => {}
            }
        }
    }

    /// The offsets of the pictures up to and with this one.
    pub async fn offsets_to(&mut self, last: i64) -> Vec<i64> {
        let mut offsets = Vec::new();
        while offsets.last() != Some(&last) {
            offsets.push(self.offset().await);
        }
        offsets
    }

    /// The first picture that is not there only so that others can be decoded.
    pub async fn first_wanted(&mut self) -> i64 {
        loop {
            match self.next().await {
                Got::Fragment {
                    offset,
                    preroll: false,
                    ..
                } => return offset,
                Got::Closed => panic!("closed before a picture came"),
                _ => {}
            }
        }
    }

    /// Sends a text; a server that has hung up does not hear it.
    pub async fn say(&mut self, text: &str) {
        let _ = self.socket.send(Message::Text(text.into())).await;
    }

    pub async fn close(mut self) {
        let _ = self.socket.send(Message::Close(None)).await;
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

fn binary(bytes: &[u8]) -> Got {
    let i64_at = |at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let rest = Bytes::copy_from_slice(&bytes[32..]);
    let sound = bytes[1] & 4 != 0;
    if bytes[0] == 0 {
        return if sound {
            Got::SoundInit(rest)
        } else {
            Got::Init(rest)
        };
    }
    if sound {
        return Got::Sound {
            offset: i64_at(8),
            pts_us: i64_at(24),
            duration_us: u32::from_be_bytes(bytes[4..8].try_into().unwrap()).into(),
            fragment: rest,
        };
    }
    Got::Fragment {
        key: bytes[1] & 1 != 0,
        preroll: bytes[1] & 2 != 0,
        offset: i64_at(8),
        timestamp_ms: i64_at(16),
        pts_us: i64_at(24),
        fragment: rest,
    }
}

/// An H.264 publisher: a small test card, a key frame every `gop` pictures, 25 a second.
pub struct Camera {
    topic: Arc<str>,
    card: TestCard,
    encoder: H264Encoder,
    gop: u64,
    next: u64,
}

impl Camera {
    pub fn new(topic: &str, gop: u64) -> Self {
        Self::sized(topic, gop, (160, 128))
    }

    pub fn sized(topic: &str, gop: u64, (width, height): (u32, u32)) -> Self {
        Self {
            topic: topic.into(),
            card: TestCard::new(width, height).unwrap(),
            encoder: H264Encoder::new(width, height, 25.0, 500_000).unwrap(),
            gop,
            next: 0,
        }
    }

    pub fn pictures(&mut self, count: u64) -> Vec<NewRecord> {
        (0..count).map(|_| self.picture()).collect()
    }

    fn picture(&mut self) -> NewRecord {
        let n = self.next;
        self.next += 1;
        let at_us = n as i64 * 40_000;
        let yuv = self.card.draw(n, 1_000 + at_us / 1_000);
        let key = n.is_multiple_of(self.gop);
        let unit = self.encoder.encode(yuv, at_us, key && n > 0).unwrap();
        assert_eq!(
            unit.key, key,
            "the encoder puts key frames where they are asked for"
        );
        let described = key.then(|| record::describe(Codec::H264, &unit.data).unwrap());
        let (codec_string, size) = described.unzip();
        let meta = PictureMeta {
            codec: Codec::H264,
            key,
            pts_us: Some(unit.pts_us),
            dts_us: Some(unit.dts_us),
            codec_string,
            size,
            gop_index: Some((n % self.gop) as u32),
        };
        picture(&self.topic, &meta, unit.data).timestamp(Timestamp(1_000 + at_us / 1_000))
    }
}

fn picture(topic: &Arc<str>, meta: &PictureMeta, value: Bytes) -> NewRecord {
    let record = NewRecord::new(topic.clone(), value).key("camera");
    meta.to_headers()
        .into_iter()
        .fold(record, |record, (name, value)| record.header(name, value))
}

/// Key frames of VP9, as far as their headers go, 25 a second from `from_ms` on.
pub fn vp9(topic: &str, from_ms: i64, count: i64) -> Vec<NewRecord> {
    let value = Bytes::from_static(&[0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0e, 0xf6]);
    let (codec_string, size) = record::describe(Codec::Vp9, &value).unzip();
    let record = |n: i64| {
        let meta = PictureMeta {
            codec: Codec::Vp9,
            key: true,
            pts_us: Some(n * 40_000),
            dts_us: Some(n * 40_000),
            codec_string: codec_string.clone(),
            size,
            gop_index: Some(0),
        };
        let at = Timestamp(from_ms + n * 40);
        picture(&topic.into(), &meta, value.clone()).timestamp(at)
    };
    (0..count).map(record).collect()
}

/// JPEG files that differ, 25 a second, without any headers: as the tutorials' programs send them.
pub fn jpegs(topic: &str, count: u64) -> Vec<(NewRecord, Bytes)> {
    let mut card = TestCard::new(64, 48).unwrap();
    (0..count)
        .map(|n| {
            let file: Bytes = jpeg::encode(card.draw(n, n as i64 * 40), 80)
                .unwrap()
                .into();
            let at = Timestamp(1_000 + n as i64 * 40);
            let record = NewRecord::new(topic, file.clone()).timestamp(at);
            (record, file)
        })
        .collect()
}

/// Opus packets of 20 ms each, on the time line of a [`Camera`] and under its key.
pub fn sound(topic: &str, first: i64, count: i64) -> Vec<NewRecord> {
    let record = |n: i64| {
        let meta = SoundMeta {
            codec: SoundCodec::Opus,
            pts_us: Some(n * 20_000),
            codec_string: Some("opus".to_owned()),
            channels: Some(1),
        };
        // A packet of silence, and a number by which it is known.
        let value = Bytes::copy_from_slice(&[0xf8, (n >> 8) as u8, n as u8]);
        let record = NewRecord::new(topic, value)
            .key("camera")
            .timestamp(Timestamp(1_000 + n * 20));
        meta.to_headers()
            .into_iter()
            .fold(record, |record, (name, value)| record.header(name, value))
    };
    (first..first + count).map(record).collect()
}

/// The first pictures of a [`Camera`] with the sound that belongs to them: two behind each. Of key frames every ten pictures, it says
/// how far they are.
pub fn with_sound(topic: &str, pictures: Vec<NewRecord>) -> Vec<NewRecord> {
    let both = |(n, picture)| {
        let since_key = move |(at, record): (i64, NewRecord)| {
            record.header(record::SINCE_KEY, format!("{}", n % 10 * 3 + at))
        };
        let sound = (1..).zip(sound(topic, 2 * n, 2)).map(since_key);
        std::iter::once(picture).chain(sound)
    };
    (0_i64..).zip(pictures).flat_map(both).collect()
}
