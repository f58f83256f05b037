//! Groups and transactions through a broker's socket, on a disk that forgets what was not synced.
//!
//! The disk is looked at as a power cut would leave it, at a moment of the test's choosing; a second broker starts on that, and
//! must keep every promise the first one gave.

#![allow(clippy::unwrap_used)] // A test may end at the first thing that is not as expected; helpers count as none for clippy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, BrokerId, CreateTopicsRequest,
    EndTxnRequest, FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    InitProducerIdRequest, JoinGroupRequest, OffsetCommitRequest, OffsetFetchRequest,
    ProduceRequest, ProducerId, RequestHeader, ResponseHeader, SyncGroupRequest, TopicName,
    TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_base::fs::MemFs;
use weir_base::time::SystemClock;
use weir_broker::{BrokerConfig, RunningBroker, Settings};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

async fn start(disk: &MemFs) -> RunningBroker {
    let settings = Settings::parse([
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "2"),
        ("transaction.state.log.num.partitions", "2"),
    ])
    .unwrap();
    let config = BrokerConfig {
        data_dir: "/data".into(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        settings,
    };
    weir_broker::start(config, Arc::new(disk.clone()), Arc::new(SystemClock::new()))
        .await
        .unwrap()
}

struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    async fn of(broker: &RunningBroker) -> Self {
        Self {
            stream: TcpStream::connect(broker.addr()).await.unwrap(),
            correlation_id: 0,
        }
    }

    async fn ask<R: Request>(&mut self, version: i16, request: R) -> R::Response {
        self.correlation_id += 1;
        let mut bytes = BytesMut::new();
        bytes.put_i32(0);
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(text("test")))
            .encode(&mut bytes, R::header_version(version))
            .unwrap();
        request.encode(&mut bytes, version).unwrap();
        let len = bytes.len() as u32 - 4;
        bytes[..4].copy_from_slice(&len.to_be_bytes());
        self.stream.write_all(&bytes).await.unwrap();
        let len = self.stream.read_u32().await.unwrap();
        let mut answer = vec![0; len as usize];
        self.stream.read_exact(&mut answer).await.unwrap();
        let mut answer = Bytes::from(answer);
        let header = R::Response::header_version(version);
        ResponseHeader::decode(&mut answer, header).unwrap();
        let response = R::Response::decode(&mut answer, version).unwrap();
        assert!(!answer.has_remaining(), "the answer is as long as it says");
        response
    }

    async fn create(&mut self, name: &str, partitions: i32) {
        let asked = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![asked])
            .with_timeout_ms(10_000);
        let answer = self.ask(7, request).await;
        assert_eq!(answer.topics[0].error_code, 0);
    }

    async fn commit(&mut self, group: &str, member: &str, generation: i32, offset: i64) -> i16 {
        let partition = OffsetCommitRequestPartition::default()
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text("")));
        let of_topic = OffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_member_id(text(member))
            .with_generation_id_or_member_epoch(generation)
            .with_topics(vec![of_topic]);
        self.ask(8, request).await.topics[0].partitions[0].error_code
    }

    /// The committed offset, or the error's code.
    async fn committed(&mut self, group: &str) -> Result<i64, i16> {
        let of_topic = OffsetFetchRequestTopics::default()
            .with_name(topic("t"))
            .with_partition_indexes(vec![0]);
        let of_group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(Some(vec![of_topic]));
        let request = OffsetFetchRequest::default()
            .with_groups(vec![of_group])
            .with_require_stable(true);
        let answer = self.ask(8, request).await;
        let partition = &answer.groups[0].topics[0].partitions[0];
        match partition.error_code {
            0 => Ok(partition.committed_offset),
            code => Err(code),
        }
    }

    /// A member in a stable group: its id.
    async fn join(&mut self, group: &str) -> String {
        let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let answer = self.ask(9, request.clone()).await;
        assert_eq!(answer.error_code, ResponseError::MemberIdRequired.code());
        let id = answer.member_id.to_string();
        let answer = self.ask(9, request.with_member_id(text(&id))).await;
        assert_eq!((answer.error_code, answer.generation_id), (0, 1));
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(text(&id))
            .with_assignment(Bytes::from_static(b"work"));
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_member_id(text(&id))
            .with_generation_id(1)
            .with_assignments(vec![assignment]);
        let answer = self.ask(5, request).await;
        assert_eq!(
            (answer.error_code, &answer.assignment[..]),
            (0, &b"work"[..])
        );
        id
    }

    async fn heartbeat(&mut self, group: &str, member: &str, generation: i32) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_member_id(text(member))
            .with_generation_id(generation);
        self.ask(4, request).await.error_code
    }

    /// Takes a transactional id: producer id and epoch.
    async fn init(&mut self) -> (i64, i16) {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text("tid"))))
            .with_transaction_timeout_ms(60_000);
        // A broker that is completing the id's last transaction asks to be asked again.
        for _ in 0..1_000 {
            let answer = self.ask(4, request.clone()).await;
            if answer.error_code == 0 {
                return (answer.producer_id.0, answer.producer_epoch);
            }
            assert_eq!(
                answer.error_code,
                ResponseError::ConcurrentTransactions.code()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the transaction does not end");
    }

    async fn add_partitions(&mut self, (id, epoch): (i64, i16)) {
        let of_topic = AddPartitionsToTxnTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![0, 1]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(TransactionalId(text("tid")))
            .with_v3_and_below_producer_id(ProducerId(id))
            .with_v3_and_below_producer_epoch(epoch)
            .with_v3_and_below_topics(vec![of_topic]);
        let answer = self.ask(3, request).await;
        for partition in &answer.results_by_topic_v3_and_below[0].results_by_partition {
            assert_eq!(partition.partition_error_code, 0);
        }
    }

    /// Commits offset 9 of the group within the transaction.
    async fn add_offsets(&mut self, group: &str, (id, epoch): (i64, i16)) {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(text("tid")))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_group_id(GroupId(text(group)));
        assert_eq!(self.ask(3, request).await.error_code, 0);
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(9);
        let of_topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic("t"))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text("tid")))
            .with_group_id(GroupId(text(group)))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_generation_id(-1)
            .with_topics(vec![of_topic]);
        let answer = self.ask(3, request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }

    async fn produce(&mut self, (id, epoch): (i64, i16), partition: i32, sequence: i32) -> i16 {
        let record = Record {
            transactional: true,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: id,
            producer_epoch: epoch,
            timestamp_type: TimestampType::Creation,
            offset: 0,
            sequence,
            timestamp: 0,
            key: None,
            value: Some(Bytes::from_static(b"value")),
            headers: IndexMap::default(),
        };
        let options = RecordEncodeOptions {
            version: 2,
            compression: Compression::None,
        };
        let mut records = BytesMut::new();
        RecordBatchEncoder::encode(&mut records, [&record], &options).unwrap();
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(records.freeze()));
        let of_topic = TopicProduceData::default()
            .with_name(topic("t"))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(TransactionalId(text("tid"))))
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![of_topic]);
        self.ask(9, request).await.responses[0].partition_responses[0].error_code
    }

    async fn end(&mut self, (id, epoch): (i64, i16), commit: bool) -> i16 {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text("tid")))
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(epoch)
            .with_committed(commit);
        self.ask(3, request).await.error_code
    }

    /// Whether the one transaction in a partition committed; nothing while it is open.
    async fn outcome(&mut self, partition: i32) -> Option<bool> {
        let asked = FetchPartition::default()
            .with_partition(partition)
            .with_partition_max_bytes(1 << 20);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(1 << 20)
            .with_isolation_level(1)
            .with_topics(vec![
                FetchTopic::default()
                    .with_topic(topic("t"))
                    .with_partitions(vec![asked]),
            ]);
        let answer = self.ask(11, request).await;
        let found = &answer.responses[0].partitions[0];
        assert_eq!(found.error_code, 0);
        let aborted = found.aborted_transactions.as_deref().unwrap_or_default();
        (found.last_stable_offset == found.high_watermark).then_some(aborted.is_empty())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_commit_survives_a_power_cut() {
    let disk = MemFs::new();
    let broker = start(&disk).await;
    let mut client = Client::of(&broker).await;
    client.create("t", 2).await;
    for offset in 1..=5 {
        assert_eq!(client.commit("g", "", -1, offset).await, 0);
        for seed in 0..4 {
            let again = start(&disk.crash(seed)).await;
            let committed = Client::of(&again).await.committed("g").await;
            assert_eq!(committed, Ok(offset), "seed {seed}");
            again.shutdown().await;
        }
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_go_on_in_their_generation_after_a_power_cut() {
    let disk = MemFs::new();
    let broker = start(&disk).await;
    let mut client = Client::of(&broker).await;
    client.create("t", 1).await;
    let member = client.join("g").await;
    assert_eq!(client.commit("g", &member, 1, 5).await, 0);
    let again = start(&disk.crash(0)).await;
    let mut client = Client::of(&again).await;
    assert_eq!(client.heartbeat("g", &member, 1).await, 0);
    assert_eq!(client.commit("g", &member, 1, 6).await, 0);
    assert_eq!(
        client.commit("g", &member, 0, 7).await,
        ResponseError::IllegalGeneration.code()
    );
    assert_eq!(client.committed("g").await, Ok(6));
    again.shutdown().await;
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_ends_whole_whenever_the_power_goes() {
    let disk = MemFs::new();
    let broker = start(&disk).await;
    let mut client = Client::of(&broker).await;
    client.create("t", 2).await;
    assert_eq!(client.commit("g", "", -1, 5).await, 0);
    let producer = client.init().await;
    client.add_partitions(producer).await;
    for partition in 0..2 {
        assert_eq!(client.produce(producer, partition, 0).await, 0);
    }
    client.add_offsets("g", producer).await;
    assert_eq!(
        client.committed("g").await,
        Err(ResponseError::UnstableOffsetCommit.code())
    );

    // The disk at every stage of the end, without knowing which.
    let mut disks = vec![disk.crash(0), disk.crash(1)];
    let ending = tokio::spawn(async move {
        assert_eq!(client.end(producer, true).await, 0);
        client
    });
    while !ending.is_finished() {
        disks.push(disk.crash(disks.len() as u64));
        tokio::task::yield_now().await;
        if disks.len() > 40 {
            break;
        }
    }
    let mut client = ending.await.unwrap();
    assert_eq!(client.outcome(0).await, Some(true));
    assert_eq!(client.committed("g").await, Ok(9));
    let acknowledged = disks.len();
    disks.extend((0..4).map(|seed| disk.crash(seed)));

    for (stage, disk) in disks.iter().enumerate() {
        let again = start(disk).await;
        let mut client = Client::of(&again).await;
        // A new producer ends what the old one left open.
        client.init().await;
        let mut outcomes = [None; 2];
        for _ in 0..1_000 {
            outcomes = [client.outcome(0).await, client.outcome(1).await];
            if outcomes.iter().all(Option::is_some) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(
            outcomes[0].is_some() && outcomes[0] == outcomes[1],
            "stage {stage}: {outcomes:?}"
        );
        let committed = outcomes[0] == Some(true);
        assert!(
            committed || stage < acknowledged,
            "an acknowledged end was taken back"
        );
        assert_eq!(
            client.committed("g").await,
            Ok(if committed { 9 } else { 5 }),
            "stage {stage}"
        );
        again.shutdown().await;
    }
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_outside_its_transaction_is_refused() {
    let disk = MemFs::new();
    let broker = start(&disk).await;
    let mut client = Client::of(&broker).await;
    client.create("t", 2).await;
    let producer = client.init().await;
    assert_eq!(
        client.produce(producer, 0, 0).await,
        ResponseError::InvalidTxnState.code(),
        "no transaction has begun"
    );
    client.add_partitions(producer).await;
    assert_eq!(client.produce(producer, 0, 0).await, 0);
    assert_eq!(client.end(producer, false).await, 0);
    assert_eq!(client.outcome(0).await, Some(false));
    let newer = client.init().await;
    assert_eq!(
        client.produce(producer, 0, 1).await,
        ResponseError::InvalidProducerEpoch.code(),
        "a fenced producer"
    );
    assert_eq!(
        client.end(producer, true).await,
        ResponseError::ProducerFenced.code()
    );
    client.add_partitions(newer).await;
    assert_eq!(client.produce(newer, 0, 0).await, 0);
    assert_eq!(client.end(newer, true).await, 0);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_coordinator_is_found_in_every_version() {
    let disk = MemFs::new();
    let broker = start(&disk).await;
    let mut client = Client::of(&broker).await;
    for version in 0..=6 {
        for kind in if version == 0 { 0..=0 } else { 0..=1 } {
            let mut request = FindCoordinatorRequest::default();
            if version >= 1 {
                request = request.with_key_type(kind);
            }
            if version < 4 {
                let answer = client.ask(version, request.with_key(text("g"))).await;
                assert_eq!(
                    (answer.error_code, answer.port),
                    (0, i32::from(broker.addr().port()))
                );
            } else {
                let keys = vec![text("g"), text("h")];
                let answer = client
                    .ask(version, request.with_coordinator_keys(keys))
                    .await;
                assert_eq!(answer.coordinators.len(), 2);
                for found in &answer.coordinators {
                    assert_eq!(
                        (found.error_code, found.port),
                        (0, i32::from(broker.addr().port()))
                    );
                }
            }
        }
    }
    broker.shutdown().await;
}
