//! Topics: made, described, changed, deleted, and there again after a restart.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, MetadataRequest,
    MetadataResponse,
};
use kafka_protocol::protocol::StrBytes;
use weir_base::fs::MemFs;

use super::{Client, broker_on, name};

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic(called: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name(called))
        .with_num_partitions(2)
        .with_replication_factor(1)
}

pub(super) async fn create(client: &mut Client, called: &str) {
    let request = CreateTopicsRequest::default().with_topics(vec![topic(called)]);
    let response = client.call(7, &request).await;
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
}

async fn metadata(client: &mut Client, called: &str, create: bool) -> MetadataResponse {
    let request = MetadataRequest::default()
        .with_topics(Some(vec![
            MetadataRequestTopic::default().with_name(Some(name(called))),
        ]))
        .with_allow_auto_topic_creation(create);
    client.call(12, &request).await
}

#[tokio::test]
async fn a_topic_asked_for_by_name_comes_into_being_only_where_client_and_broker_allow_it() {
    let broker = broker_on(&MemFs::new(), &[("num.partitions", "3")]).await;
    let mut client = Client::connect(&broker).await;
    let refused = metadata(&mut client, "t", false).await;
    assert_eq!(refused.topics[0].error_code, 3);
    let made = metadata(&mut client, "t", true).await;
    assert_eq!(made.topics[0].error_code, 0);
    assert_eq!(made.topics[0].partitions.len(), 3);
    assert_eq!(made.brokers[0].port, i32::from(broker.addr().port()));
    let invalid = metadata(&mut client, "no/name", true).await;
    assert_eq!(invalid.topics[0].error_code, 17);
    broker.shutdown().await;

    let broker = broker_on(&MemFs::new(), &[("auto.create.topics.enable", "false")]).await;
    let mut client = Client::connect(&broker).await;
    assert_eq!(
        metadata(&mut client, "t", true).await.topics[0].error_code,
        3
    );
    broker.shutdown().await;
}

#[tokio::test]
async fn refusals_of_create_topics_are_kafkas() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "there").await;
    let config = |key, value| {
        CreatableTopicConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)))
    };
    let assigned = |called, node| {
        topic(called)
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![
                CreatableReplicaAssignment::default()
                    .with_partition_index(0)
                    .with_broker_ids(vec![BrokerId(node)]),
            ])
    };
    let cases = [
        (topic("there"), 36),
        (topic(".."), 17),
        (topic("__consumer_offsets"), 17),
        (topic("a").with_num_partitions(0), 37),
        (topic("a").with_num_partitions(i32::MAX), 37),
        (topic("a").with_replication_factor(3), 38),
        (topic("a").with_configs(vec![config("no.such", "1")]), 40),
        (
            topic("a").with_configs(vec![config("retention.ms", "soon")]),
            40,
        ),
        (assigned("a", 7), 39),
        (assigned("a", 0).with_num_partitions(1), 42),
        (assigned("b", 0), 0),
        (
            topic("c")
                .with_num_partitions(-1)
                .with_replication_factor(-1),
            0,
        ),
    ];
    for (asked, code) in cases {
        let request = CreateTopicsRequest::default().with_topics(vec![asked.clone()]);
        let response = client.call(7, &request).await;
        assert_eq!(
            response.topics[0].error_code, code,
            "{asked:?}: {response:?}"
        );
        assert_eq!(response.topics[0].error_message.is_some(), code != 0);
    }
    let twice = CreateTopicsRequest::default().with_topics(vec![topic("d"), topic("d")]);
    let response = client.call(5, &twice).await;
    assert_eq!(response.topics.len(), 1);
    assert_eq!(
        response.topics[0].error_code,
        ResponseError::InvalidRequest.code()
    );
    let validated = CreateTopicsRequest::default()
        .with_topics(vec![topic("e")])
        .with_validate_only(true);
    assert_eq!(client.call(2, &validated).await.topics[0].error_code, 0);
    assert_eq!(
        metadata(&mut client, "e", false).await.topics[0].error_code,
        3
    );
    broker.shutdown().await;
}

async fn alter_kept(client: &mut Client) {
    let altered = client
        .call(
            1,
            &IncrementalAlterConfigsRequest::default().with_resources(vec![
                AlterConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(text("kept"))
                    .with_configs(vec![
                        AlterableConfig::default()
                            .with_name(text("retention.ms"))
                            .with_config_operation(0)
                            .with_value(Some(text("12345"))),
                        AlterableConfig::default()
                            .with_name(text("cleanup.policy"))
                            .with_config_operation(2)
                            .with_value(Some(text("compact"))),
                    ]),
            ]),
        )
        .await;
    assert_eq!(altered.responses[0].error_code, 0, "{altered:?}");
}

#[tokio::test]
async fn topics_their_ids_and_their_settings_outlive_a_power_cut() {
    let disk = MemFs::new();
    let broker = broker_on(&disk, &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "kept").await;
    create(&mut client, "gone").await;
    let id = metadata(&mut client, "kept", false).await.topics[0].topic_id;
    let cluster = metadata(&mut client, "kept", false).await.cluster_id;
    let more =
        kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic::default()
            .with_name(name("kept"))
            .with_count(5)
            .with_assignments(None);
    let grown = client
        .call(
            3,
            &CreatePartitionsRequest::default().with_topics(vec![more]),
        )
        .await;
    assert_eq!(grown.results[0].error_code, 0);
    alter_kept(&mut client).await;
    let deleted = client
        .call(
            6,
            &DeleteTopicsRequest::default().with_topics(vec![
                DeleteTopicState::default().with_name(Some(name("gone"))),
                DeleteTopicState::default().with_name(Some(name("never"))),
            ]),
        )
        .await;
    assert_eq!(deleted.responses[0].error_code, 0);
    assert_eq!(deleted.responses[1].error_code, 3);
    let first = client
        .call(
            1,
            &InitProducerIdRequest::default().with_transactional_id(None),
        )
        .await;

    let after = disk.crash(1);
    drop(broker);
    let broker = broker_on(&after, &[]).await;
    let mut client = Client::connect(&broker).await;
    let kept = metadata(&mut client, "kept", false).await;
    assert_eq!(kept.topics[0].topic_id, id);
    assert_eq!(kept.topics[0].partitions.len(), 5);
    assert_eq!(kept.cluster_id, cluster);
    assert_eq!(
        metadata(&mut client, "gone", false).await.topics[0].error_code,
        3
    );
    let described = client
        .call(
            4,
            &DescribeConfigsRequest::default().with_resources(vec![
                DescribeConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(text("kept"))
                    .with_configuration_keys(None),
            ]),
        )
        .await;
    let value = |key: &str| {
        let config = described.results[0]
            .configs
            .iter()
            .find(|config| config.name.as_str() == key)
            .unwrap();
        (
            config.value.as_deref().unwrap().to_owned(),
            config.config_source,
        )
    };
    assert_eq!(value("retention.ms"), ("12345".to_owned(), 1));
    assert_eq!(value("cleanup.policy"), ("delete,compact".to_owned(), 1));
    assert_eq!(value("segment.bytes"), ("1073741824".to_owned(), 5));
    let second = client
        .call(
            1,
            &InitProducerIdRequest::default().with_transactional_id(None),
        )
        .await;
    assert!(second.producer_id.0 > first.producer_id.0);
    broker.shutdown().await;
}

#[tokio::test]
async fn a_topic_deleted_by_its_id_and_made_again_has_another_id_and_no_records() {
    let broker = broker_on(&MemFs::new(), &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    super::records::produce(&mut client, "t", &["one"]).await;
    let id = metadata(&mut client, "t", false).await.topics[0].topic_id;
    let by_id = DeleteTopicsRequest::default().with_topics(vec![
        DeleteTopicState::default()
            .with_name(None)
            .with_topic_id(id),
    ]);
    let deleted = client.call(6, &by_id).await;
    assert_eq!(deleted.responses[0].error_code, 0);
    assert_eq!(deleted.responses[0].name, Some(name("t")));
    let again = client.call(6, &by_id).await;
    assert_eq!(again.responses[0].error_code, 100);
    create(&mut client, "t").await;
    assert_ne!(
        metadata(&mut client, "t", false).await.topics[0].topic_id,
        id
    );
    assert_eq!(super::records::end(&mut client, "t").await, 0);
    broker.shutdown().await;
}

#[tokio::test]
async fn the_brokers_own_settings_are_changed_while_it_runs_and_kept() {
    let disk = MemFs::new();
    let broker = broker_on(&disk, &[]).await;
    let mut client = Client::connect(&broker).await;
    let set = |key, value| {
        IncrementalAlterConfigsRequest::default().with_resources(vec![
            AlterConfigsResource::default()
                .with_resource_type(4)
                .with_resource_name(text("0"))
                .with_configs(vec![
                    AlterableConfig::default()
                        .with_name(text(key))
                        .with_config_operation(0)
                        .with_value(Some(text(value))),
                ]),
        ])
    };
    let response = client.call(1, &set("log.retention.ms", "777")).await;
    assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    let response = client.call(1, &set("num.partitions", "7")).await;
    assert_eq!(response.responses[0].error_code, 42);
    let response = client.call(1, &set("log.retention.ms", "x")).await;
    assert_eq!(response.responses[0].error_code, 40);
    broker.shutdown().await;
    let broker = broker_on(&disk, &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    let described = client
        .call(
            1,
            &DescribeConfigsRequest::default().with_resources(vec![
                DescribeConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(text("t"))
                    .with_configuration_keys(Some(vec![text("retention.ms")])),
            ]),
        )
        .await;
    assert_eq!(
        described.results[0].configs[0].value,
        Some(text("777")),
        "{described:?}"
    );
    broker.shutdown().await;
}
