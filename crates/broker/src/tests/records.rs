//! Records: produced, fetched, found by place and time, deleted.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiVersionsRequest, DeleteRecordsRequest, FetchRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, ProduceRequest,
};
use kafka_protocol::records::RecordBatchDecoder;
use tokio::io::AsyncWriteExt;
use weir_base::fs::MemFs;

use super::topics::create;
use super::{Client, batch, batch_of, broker_on, frame, name};

fn produce_request(topic: &str, acks: i16, records: Option<Bytes>) -> ProduceRequest {
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![
            TopicProduceData::default()
                .with_name(name(topic))
                .with_partition_data(vec![
                    PartitionProduceData::default()
                        .with_index(0)
                        .with_records(records),
                ]),
        ])
}

async fn produce_records(
    client: &mut Client,
    version: i16,
    topic: &str,
    records: Bytes,
) -> PartitionProduceResponse {
    let request = produce_request(topic, -1, Some(records));
    let response = client.call(version, &request).await;
    response.responses[0].partition_responses[0].clone()
}

/// Produces values to partition 0 with acks=all; the first one's offset.
pub(super) async fn produce(client: &mut Client, topic: &str, values: &[&str]) -> i64 {
    let response = produce_records(client, 9, topic, batch(values)).await;
    assert_eq!(response.error_code, 0, "{response:?}");
    response.base_offset
}

fn fetch_request(topic: &str, from: i64, max_wait_ms: i32) -> FetchRequest {
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![
            FetchTopic::default()
                .with_topic(name(topic))
                .with_partitions(vec![
                    FetchPartition::default()
                        .with_partition(0)
                        .with_fetch_offset(from)
                        .with_partition_max_bytes(1 << 20),
                ]),
        ])
}

async fn fetch(client: &mut Client, topic: &str, from: i64) -> PartitionData {
    let response = client.call(12, &fetch_request(topic, from, 0)).await;
    response.responses[0].partitions[0].clone()
}

fn values(data: &PartitionData) -> Vec<String> {
    let Some(mut records) = data.records.clone() else {
        return Vec::new();
    };
    RecordBatchDecoder::decode_all(&mut records)
        .unwrap()
        .into_iter()
        .flat_map(|set| set.records)
        .map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap())
        .collect()
}

/// What is said of partition 0 at `time`: offset and timestamp.
async fn offset_at(client: &mut Client, version: i16, topic: &str, time: i64) -> (i64, i64) {
    let request = ListOffsetsRequest::default().with_topics(vec![
        ListOffsetsTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![ListOffsetsPartition::default().with_timestamp(time)]),
    ]);
    let response = client.call(version, &request).await;
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    (partition.offset, partition.timestamp)
}

/// Partition 0's end offset.
pub(super) async fn end(client: &mut Client, topic: &str) -> i64 {
    offset_at(client, 7, topic, -1).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_produced_in_any_version_is_fetched_in_any_version() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    let id = client
        .call(12, &MetadataRequest::default().with_topics(None))
        .await
        .topics[0]
        .topic_id;
    let mut expected = Vec::new();
    for version in 3..=13 {
        for acks in [1, -1] {
            let value = format!("v{version} acks {acks}");
            let mut request = produce_request("t", acks, Some(batch(&[&value])));
            if version >= 13 {
                request.topic_data[0].name = name("");
                request.topic_data[0].topic_id = id;
            }
            let response = client.call(version, &request).await;
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!(partition.error_code, 0, "version {version}");
            assert_eq!(partition.base_offset, expected.len() as i64);
            expected.push(value);
        }
    }
    for version in 4..=18 {
        let mut request = fetch_request("t", 0, 0);
        if version >= 13 {
            request.topics[0].topic = name("");
            request.topics[0].topic_id = id;
        }
        let response = client.call(version, &request).await;
        let partition = &response.responses[0].partitions[0];
        assert_eq!(values(partition), expected, "version {version}");
        assert_eq!(partition.high_watermark, expected.len() as i64);
    }
    let known = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(known.error_code, 0);
    broker.shutdown().await;
}

#[tokio::test]
async fn produce_below_version_3_is_refused_with_a_code_and_not_with_a_closed_connection() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    for version in 0..3 {
        let mut body = vec![0, 1, 0, 0, 0x75, 0x30, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1];
        body.extend([0, 0, 0, 0, 0, 0, 0, 2, 9, 9]);
        let mut bytes = frame(0, 3, 5, &body);
        bytes[6..8].copy_from_slice(&i16::to_be_bytes(version));
        client.stream.write_all(&bytes).await.unwrap();
        let answer = client.frame().await.unwrap();
        let mut expected = vec![
            0, 0, 0, 5, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 35,
        ];
        expected.extend([0xff; 8]);
        if version >= 2 {
            expected.extend([0xff; 8]);
        }
        if version >= 1 {
            expected.extend([0; 4]);
        }
        assert_eq!(&answer[..], &expected[..], "version {version}");
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn what_was_acknowledged_to_acks_all_is_there_after_a_power_cut() {
    for seed in 0..8 {
        let disk = MemFs::new();
        let broker = broker_on(&disk, &[]).await;
        let mut client = Client::connect(&broker).await;
        create(&mut client, "t").await;
        produce(&mut client, "t", &["one", "two"]).await;
        produce(&mut client, "t", &["three"]).await;
        let after = disk.crash(seed);
        drop(broker);
        let broker = broker_on(&after, &[]).await;
        let mut client = Client::connect(&broker).await;
        let data = fetch(&mut client, "t", 0).await;
        assert_eq!(values(&data), ["one", "two", "three"], "seed {seed}");
        broker.shutdown().await;
    }
}

#[tokio::test]
async fn refusals_of_produce_are_kafkas() {
    let broker = broker_on(&MemFs::new(), &[("message.max.bytes", "200")]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    let mut corrupt = batch(&["x"]).to_vec();
    *corrupt.last_mut().unwrap() ^= 1;
    let mut zstd = batch(&["x"]).to_vec();
    zstd[22] |= 4;
    let large = "x".repeat(300);
    let cases = [
        (9, produce_request("nowhere", -1, Some(batch(&["x"]))), 3),
        (9, produce_request("t", 2, Some(batch(&["x"]))), 21),
        (9, produce_request("t", -1, None), 87),
        (9, produce_request("t", -1, Some(corrupt.into())), 2),
        (9, produce_request("t", -1, Some(batch(&[&large]))), 10),
        (6, produce_request("t", -1, Some(zstd.into())), 76),
        (13, produce_request("", -1, Some(batch(&["x"]))), 100),
    ];
    for (version, request, code) in cases {
        let response = client.call(version, &request).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, code, "{request:?}");
        assert_eq!(partition.base_offset, -1);
    }
    assert_eq!(end(&mut client, "t").await, 0);
    broker.shutdown().await;
}

#[tokio::test]
async fn acks_0_is_not_answered_and_its_failure_closes_the_connection() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    client
        .send(9, &produce_request("t", 0, Some(batch(&["quiet"]))))
        .await;
    // The next answer is the next request's.
    let known = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(known.error_code, 0);
    let data = client.call(12, &fetch_request("t", 0, 10_000)).await;
    assert_eq!(values(&data.responses[0].partitions[0]), ["quiet"]);
    client
        .send(9, &produce_request("nowhere", 0, Some(batch(&["x"]))))
        .await;
    assert!(client.frame().await.is_none());
    broker.shutdown().await;
}

#[tokio::test]
async fn a_batch_of_an_idempotent_producer_that_comes_twice_is_written_once() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    let producer = client.call(4, &request).await;
    assert_eq!(producer.error_code, 0);
    let (id, epoch) = (producer.producer_id.0, producer.producer_epoch);
    let first = batch_of(&["a", "b"], id, epoch, 0);
    for _ in 0..2 {
        let response = produce_records(&mut client, 9, "t", first.clone()).await;
        assert_eq!((response.error_code, response.base_offset), (0, 0));
    }
    let gap = produce_records(&mut client, 9, "t", batch_of(&["d"], id, epoch, 3)).await;
    assert_eq!(gap.error_code, 45);
    let next = produce_records(&mut client, 9, "t", batch_of(&["c"], id, epoch, 2)).await;
    assert_eq!((next.error_code, next.base_offset), (0, 2));
    assert_eq!(values(&fetch(&mut client, "t", 0).await), ["a", "b", "c"]);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_waits_for_records_and_no_other_connection_waits_for_it() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut waiting = Client::connect(&broker).await;
    let mut busy = Client::connect(&broker).await;
    create(&mut busy, "t").await;
    waiting.send(12, &fetch_request("t", 0, 600_000)).await;
    produce(&mut busy, "t", &["woken"]).await;
    let response = waiting.answer::<FetchRequest>(12).await;
    assert_eq!(values(&response.responses[0].partitions[0]), ["woken"]);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_fetch_does_not_hold_up_the_shutdown() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    client.send(12, &fetch_request("t", 0, 600_000)).await;
    // The fetch is being handled once a later connection's request has been.
    let mut other = Client::connect(&broker).await;
    other.call(0, &ApiVersionsRequest::default()).await;
    tokio::time::timeout(Duration::from_secs(30), broker.shutdown())
        .await
        .unwrap();
}

#[tokio::test]
async fn requests_of_one_connection_are_answered_in_order() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    let mut bytes = Vec::new();
    for correlation_id in 0..100 {
        let mut body = bytes::BytesMut::new();
        let request = produce_request(
            "t",
            if correlation_id % 2 == 0 { -1 } else { 1 },
            Some(batch(&["x"])),
        );
        kafka_protocol::protocol::Encodable::encode(&request, &mut body, 9).unwrap();
        bytes.extend(frame(0, 9, correlation_id, &body));
    }
    client.stream.write_all(&bytes).await.unwrap();
    for correlation_id in 0..100_i32 {
        let answer = client.frame().await.unwrap();
        assert_eq!(answer[..4], correlation_id.to_be_bytes());
    }
    assert_eq!(end(&mut client, "t").await, 100);
    broker.shutdown().await;
}

#[tokio::test]
async fn offsets_are_found_by_place_and_by_time() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    produce(&mut client, "t", &["a", "b", "c"]).await;
    let at = 1_700_000_000_000;
    for version in 1..=10 {
        assert_eq!(offset_at(&mut client, version, "t", -1).await, (3, -1));
        assert_eq!(offset_at(&mut client, version, "t", -2).await, (0, -1));
        assert_eq!(
            offset_at(&mut client, version, "t", at + 1).await,
            (1, at + 1)
        );
        assert_eq!(offset_at(&mut client, version, "t", at + 3).await, (-1, -1));
    }
    assert_eq!(offset_at(&mut client, 7, "t", -3).await, (2, at + 2));
    assert_eq!(offset_at(&mut client, 8, "t", -4).await, (0, -1));
    broker.shutdown().await;
}

#[tokio::test]
async fn deleted_records_are_out_of_range() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    produce(&mut client, "t", &["a"]).await;
    produce(&mut client, "t", &["b"]).await;
    let delete = |offset| {
        DeleteRecordsRequest::default().with_topics(vec![
            DeleteRecordsTopic::default()
                .with_name(name("t"))
                .with_partitions(vec![DeleteRecordsPartition::default().with_offset(offset)]),
        ])
    };
    let response = client.call(2, &delete(1)).await;
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.low_watermark), (0, 1));
    let response = client.call(2, &delete(9)).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 1);
    assert_eq!(fetch(&mut client, "t", 0).await.error_code, 1);
    assert_eq!(values(&fetch(&mut client, "t", 1).await), ["b"]);
    let response = client.call(2, &delete(-1)).await;
    assert_eq!(response.topics[0].partitions[0].low_watermark, 2);
    broker.shutdown().await;
}

#[tokio::test]
async fn the_first_batch_comes_whole_however_little_is_asked_for() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    produce(&mut client, "t", &["a"]).await;
    produce(&mut client, "t", &["b"]).await;
    let mut request = fetch_request("t", 0, 0).with_max_bytes(1);
    request.topics[0].partitions[0].partition_max_bytes = 1;
    let response = client.call(12, &request).await;
    assert_eq!(values(&response.responses[0].partitions[0]), ["a"]);
    broker.shutdown().await;
}

#[tokio::test]
async fn on_a_full_disk_produce_is_refused_and_reading_goes_on() {
    let disk = MemFs::new();
    let broker = broker_on(&disk, &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    produce(&mut client, "t", &["kept"]).await;
    disk.set_capacity(Some(disk.used_bytes()));
    let refused = produce_records(&mut client, 9, "t", batch(&["too much"])).await;
    assert_eq!(refused.error_code, 56);
    assert_eq!(values(&fetch(&mut client, "t", 0).await), ["kept"]);
    disk.set_capacity(None);
    assert_eq!(produce(&mut client, "t", &["room again"]).await, 1);
    broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_ends_the_broker() {
    let disk = MemFs::new();
    let broker = broker_on(&disk, &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    produce(&mut client, "t", &["kept"]).await;
    // The next operation is the write, the one after it the sync.
    disk.fail_at(Some((disk.operations() + 2, ErrorKind::Other)));
    client
        .send(9, &produce_request("t", -1, Some(batch(&["lost"]))))
        .await;
    let error = broker.failed().await;
    assert!(
        error.to_string().contains("failed to make records durable"),
        "{error}"
    );
    broker.shutdown().await;
}

#[tokio::test]
async fn an_unknown_fetch_session_is_refused_so_that_the_client_begins_anew() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    let request = FetchRequest::default()
        .with_session_id(77)
        .with_session_epoch(1);
    let response = client.call(12, &request).await;
    assert_eq!(response.error_code, 70);
    broker.shutdown().await;
}
