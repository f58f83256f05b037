//! What holds for every API in the table, in every version advertised.

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, RequestKind, ResponseHeader, ResponseKind,
};
use kafka_protocol::protocol::Decodable;
use tokio::io::AsyncWriteExt;
use weir_base::fs::MemFs;

use super::{Client, broker_on, frame};
use crate::handlers::{APIS, Api};
use crate::request::{check, example};

/// The advertised versions of an API that the codec knows.
fn decodable(api: &Api) -> std::ops::RangeInclusive<i16> {
    let codec = ApiKey::try_from(api.key).unwrap().valid_versions();
    api.min_version.max(codec.min)..=api.max_version.min(codec.max)
}

#[test]
fn the_table_is_in_order_and_names_every_api_once() {
    assert!(APIS.windows(2).all(|pair| pair[0].key < pair[1].key));
    for api in APIS {
        assert!(api.min_version <= api.max_version, "API {}", api.key);
    }
}

#[test]
fn the_codec_and_the_shape_agree_on_every_version_of_every_request() {
    for api in APIS {
        let key = ApiKey::try_from(api.key).unwrap();
        for version in decodable(api) {
            for elements in 0..3 {
                let body = example(api.key, version, elements);
                check(api.key, version, &body).unwrap();
                let mut bytes = Bytes::from(body);
                let request = RequestKind::decode(key, &mut bytes, version)
                    .unwrap_or_else(|error| panic!("{key:?} v{version}: {error:#}"));
                assert!(bytes.is_empty(), "{key:?} v{version}: {} left", bytes.len());
                let mut again = bytes::BytesMut::new();
                request.encode(&mut again, version).unwrap();
                check(api.key, version, &again)
                    .unwrap_or_else(|error| panic!("{key:?} v{version}: {error}"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_api_answers_in_every_version_it_advertises() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    for api in APIS {
        let key = ApiKey::try_from(api.key).unwrap();
        for version in decodable(api) {
            for elements in 0..2 {
                // Zeros mean acks=0 to Produce, which is never answered.
                if key == ApiKey::Produce {
                    continue;
                }
                let mut client = Client::connect(&broker).await;
                let body = example(api.key, version, elements);
                client
                    .stream
                    .write_all(&frame(api.key, version, 7, &body))
                    .await
                    .unwrap();
                let mut answer = client
                    .frame()
                    .await
                    .unwrap_or_else(|| panic!("{key:?} v{version} was not answered"));
                let header =
                    ResponseHeader::decode(&mut answer, key.response_header_version(version))
                        .unwrap();
                assert_eq!(header.correlation_id, 7);
                ResponseKind::decode(key, &mut answer, version)
                    .unwrap_or_else(|error| panic!("{key:?} v{version}: {error:#}"));
                assert!(
                    answer.is_empty(),
                    "{key:?} v{version}: {} left",
                    answer.len()
                );
            }
        }
    }
    broker.shutdown().await;
}

#[tokio::test]
async fn a_client_too_new_is_told_in_version_0_what_it_may_ask() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    // Whatever a later version's body may hold.
    let request = frame(18, 4, 9, &[1, 2, 3]);
    let mut newer = request.clone();
    newer[6..8].copy_from_slice(&99_i16.to_be_bytes());
    client.stream.write_all(&newer).await.unwrap();
    let response = client.answer_of_any::<ApiVersionsRequest>(0).await;
    assert_eq!(response.error_code, 35);
    let own = response
        .api_keys
        .iter()
        .find(|api| api.api_key == 18)
        .unwrap();
    assert_eq!((own.min_version, own.max_version), (0, 4));
    // The connection goes on.
    let response = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(response.error_code, 0);
    broker.shutdown().await;
}

#[tokio::test]
async fn produce_is_advertised_from_0_so_that_librdkafka_compresses() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    let response = client.call(0, &ApiVersionsRequest::default()).await;
    let produce = &response.api_keys[0];
    assert_eq!(
        (produce.api_key, produce.min_version, produce.max_version),
        (0, 0, 13)
    );
    assert_eq!(response.api_keys.len(), APIS.len());
    broker.shutdown().await;
}

#[tokio::test]
async fn versions_beyond_the_codec_differ_from_its_last_as_kafka_defines_them() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    let mut answer = async |key, version, body: &[u8]| {
        let bytes = frame(key, version, 7, body);
        client.stream.write_all(&bytes).await.unwrap();
        client.frame().await.unwrap()
    };
    // DescribeLogDirs 5: a byte more, before the last two.
    let old = answer(35, 4, &[0, 0]).await;
    let new = answer(35, 5, &[0, 0]).await;
    assert_eq!(new.len(), old.len() + 1);
    assert_eq!(new[..old.len() - 2], old[..old.len() - 2]);
    assert_eq!(new[old.len() - 2..], [0, 0, 0]);
    // ListOffsets 11: the same.
    let body = example(2, 10, 1);
    assert_eq!(answer(2, 11, &body).await, answer(2, 10, &body).await);
    broker.shutdown().await;
}
