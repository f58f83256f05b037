//! What a hostile client sends costs it its connection, and the broker nothing.

use std::time::Duration;

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, MetadataRequest, RequestKind};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_base::fs::MemFs;

use super::{Client, broker_on, frame};
use crate::handlers::APIS;
use crate::request::{check, counts_from_end, example, read_frame, shapes};

/// A request as far as one of its counts, and then the largest count there is.
fn with_huge_count(key: i16, version: i16, body: &[u8], from_end: usize) -> Vec<u8> {
    let flexible = shapes::SHAPES
        .iter()
        .any(|shape| shape.key == key && version >= shape.flexible_from);
    let at = body.len() - from_end;
    let mut hostile = body[..at].to_vec();
    if flexible {
        // 2^31 as a variable-length number: a count of 2^31-1.
        hostile.extend([0x80, 0x80, 0x80, 0x80, 0x08]);
        hostile.extend(&body[at + 1..]);
    } else {
        hostile.extend(i32::MAX.to_be_bytes());
        hostile.extend(&body[at + 4..]);
    }
    hostile
}

#[test]
fn a_count_of_2_to_the_31_is_refused_in_every_array_of_every_version_of_every_api() {
    let mut positions = 0;
    for api in APIS {
        for version in api.min_version..=api.max_version {
            let body = example(api.key, version, 1);
            for from_end in counts_from_end(api.key, version, &body) {
                let hostile = with_huge_count(api.key, version, &body, from_end);
                assert!(
                    check(api.key, version, &hostile).is_err(),
                    "API {} v{version}, {from_end} before the end",
                    api.key
                );
                positions += 1;
            }
        }
    }
    assert!(positions > 200, "{positions} array positions");
}

#[test]
fn a_request_cut_off_anywhere_is_refused_or_read_without_a_panic() {
    for api in APIS {
        for version in api.min_version..=api.max_version {
            let whole = frame(
                api.key,
                version.max(3),
                1,
                &example(api.key, version.max(3), 2),
            );
            for len in 4..whole.len() {
                let _ = read_frame(&whole[4..len]);
            }
        }
    }
}

#[test]
fn more_elements_than_any_client_asks_for_are_refused_before_the_codec_makes_room() {
    let mut body = Vec::new();
    body.extend(300_000_i32.to_be_bytes());
    for _ in 0..300_000 {
        body.extend([0, 1, b'a']);
    }
    assert!(check(3, 1, &body).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_request_never_panics(
        api in 0..APIS.len(),
        version in any::<prop::sample::Index>(),
        elements in 0_u8..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let api = &APIS[api];
        let versions: Vec<i16> = (api.min_version..=api.max_version).collect();
        let version = *version.get(&versions);
        let mut body = example(api.key, version, elements);
        for (at, value) in changes {
            if !body.is_empty() {
                *at.get_mut(&mut body) = value;
            }
        }
        let len = cut.index(body.len() * 4 + 1).min(body.len());
        body.truncate(len);
        if check(api.key, version, &body).is_ok() && api.key != 0 {
            let key = ApiKey::try_from(api.key).unwrap();
            let _ = RequestKind::decode(key, &mut bytes::Bytes::from(body.clone()), version);
        }
        let mut whole = Vec::new();
        whole.extend(api.key.to_be_bytes());
        whole.extend(version.to_be_bytes());
        whole.extend([0, 0, 0, 1, 0xff, 0xff, 0]);
        whole.extend(&body);
        let _ = read_frame(&whole);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_frame(&bytes);
    }
}

/// Whether the broker has closed the connection, without having answered.
async fn is_closed(client: &mut Client) -> bool {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(
        Duration::from_secs(10),
        client.stream.read_to_end(&mut rest),
    );
    match read.await {
        Ok(Ok(_)) => rest.is_empty(),
        // Closed with bytes of ours unread.
        Ok(Err(_)) => true,
        Err(_) => false,
    }
}

#[tokio::test]
async fn hostile_frames_close_their_connection_and_no_other() {
    let broker = broker_on(&MemFs::new(), &[("socket.request.max.bytes", "1000000")]).await;
    let mut bystander = Client::connect(&broker).await;
    let metadata = example(3, 9, 1);
    let count = counts_from_end(3, 9, &metadata)[0];
    let hostile: Vec<(&str, Vec<u8>)> = vec![
        ("a length below zero", vec![0xff; 8]),
        (
            "a length beyond what is taken",
            vec![0x7f, 0xff, 0xff, 0xff, 0],
        ),
        (
            "an API that does not exist",
            frame(3, 1, 1, &[])
                .into_iter()
                .enumerate()
                .map(|(at, byte)| if at == 4 { 0x7f } else { byte })
                .collect(),
        ),
        ("a version that is not served", {
            let mut bytes = frame(3, 1, 1, &[0; 4]);
            bytes[6..8].copy_from_slice(&500_i16.to_be_bytes());
            bytes
        }),
        (
            "a huge count",
            frame(3, 9, 1, &with_huge_count(3, 9, &metadata, count)),
        ),
        ("a body that ends early", frame(3, 9, 1, &metadata[..3])),
        ("a frame of nothing", vec![0, 0, 0, 0]),
    ];
    for (what, bytes) in hostile {
        let mut client = Client::connect(&broker).await;
        client.stream.write_all(&bytes).await.unwrap();
        assert!(is_closed(&mut client).await, "{what}");
        bystander.call(1, &MetadataRequest::default()).await;
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed_after_its_time() {
    let broker = broker_on(&MemFs::new(), &[("connections.max.idle.ms", "50")]).await;
    let mut client = Client::connect(&broker).await;
    client.call(0, &ApiVersionsRequest::default()).await;
    assert!(is_closed(&mut client).await);
    broker.shutdown().await;
}

#[tokio::test]
async fn no_more_connections_are_taken_than_max_connections() {
    let broker = broker_on(&MemFs::new(), &[("max.connections", "1")]).await;
    let mut first = Client::connect(&broker).await;
    first.call(0, &ApiVersionsRequest::default()).await;
    let mut second = Client::connect(&broker).await;
    assert!(is_closed(&mut second).await);
    first.call(0, &ApiVersionsRequest::default()).await;
    broker.shutdown().await;
}
