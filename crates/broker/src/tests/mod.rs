//! The broker as its clients see it: a client of the protocol, over a real loopback socket, on a disk in memory.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_base::fs::MemFs;
use weir_base::time::SystemClock;

use crate::{BrokerConfig, RunningBroker, Settings, start};

mod every_api;
mod hostile;
mod records;
mod rules;
mod topics;

/// A broker whose disk is `fs`.
pub(crate) async fn broker_on(fs: &MemFs, settings: &[(&str, &str)]) -> RunningBroker {
    let config = BrokerConfig {
        data_dir: "/data".into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        settings: Settings::parse(
            [("group.initial.rebalance.delay.ms", "0")]
                .iter()
                .chain(settings)
                .copied(),
        )
        .unwrap(),
    };
    start(config, Arc::new(fs.clone()), Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

/// A client that sends requests one at a time.
pub(crate) struct Client {
    pub stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub async fn connect(broker: &RunningBroker) -> Self {
        Self {
            stream: TcpStream::connect(broker.addr()).await.unwrap(),
            correlation_id: 0,
        }
    }

    /// Sends a request and reads its answer, which must be all there is in its frame.
    pub async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.answer::<R>(version).await
    }

    pub async fn send<R: Request>(&mut self, version: i16, request: &R) {
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        self.correlation_id += 1;
        let frame = frame(R::KEY, version, self.correlation_id, &body);
        self.stream.write_all(&frame).await.unwrap();
    }

    pub async fn answer<R: Request>(&mut self, version: i16) -> R::Response {
        let mut frame = self
            .frame()
            .await
            .expect("the broker closed the connection");
        let header = ResponseHeader::decode(
            &mut frame,
            <R::Response as HeaderVersion>::header_version(version),
        )
        .unwrap();
        assert!(header.correlation_id <= self.correlation_id);
        let response = R::Response::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "bytes behind the answer");
        response
    }

    /// An answer whose request was sent by hand.
    pub async fn answer_of_any<R: Request>(&mut self, version: i16) -> R::Response {
        self.correlation_id = i32::MAX;
        let answer = self.answer::<R>(version).await;
        self.correlation_id = 0;
        answer
    }

    /// The next answer's frame; `None` when the broker has closed the connection.
    pub async fn frame(&mut self) -> Option<Bytes> {
        let len = self.stream.read_i32().await.ok()?;
        let mut frame = vec![0; usize::try_from(len).unwrap()];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }
}

/// A request's bytes as they are sent, with their length in front.
pub(crate) fn frame(key: i16, version: i16, correlation_id: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")))
        .encode(
            &mut frame,
            ApiKey::try_from(key)
                .unwrap()
                .request_header_version(version),
        )
        .unwrap();
    frame.extend_from_slice(body);
    let mut bytes = (frame.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&frame);
    bytes
}

/// A record batch of these values.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_of(values, NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE)
}

/// A record batch of an idempotent producer.
#[expect(
    clippy::default_trait_access,
    reason = "the type of headers is of a crate that is no dependency"
)]
pub(crate) fn batch_of(
    values: &[&str],
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) -> Bytes {
    let records: Vec<Record> = values
        .iter()
        .zip(0..)
        .map(|(value, at)| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            producer_id,
            producer_epoch,
            timestamp_type: TimestampType::Creation,
            offset: at,
            sequence: if base_sequence == NO_SEQUENCE {
                base_sequence
            } else {
                base_sequence + at as i32
            },
            timestamp: 1_700_000_000_000 + at,
            key: None,
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            headers: Default::default(),
        })
        .collect();
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
    bytes.freeze()
}

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
