//! Access rules: kept over a restart, and enforced for topics.

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, MetadataRequest,
};
use kafka_protocol::protocol::StrBytes;
use weir_base::fs::MemFs;

use super::topics::create;
use super::{Client, broker_on, name};

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

async fn metadata_error(client: &mut Client) -> i16 {
    let request = MetadataRequest::default().with_topics(Some(vec![
        MetadataRequestTopic::default().with_name(Some(name("t"))),
    ]));
    client.call(12, &request).await.topics[0].error_code
}

#[tokio::test]
async fn a_rule_that_denies_a_topic_holds_after_a_restart_and_until_it_is_deleted() {
    let disk = MemFs::new();
    let broker = broker_on(&disk, &[]).await;
    let mut client = Client::connect(&broker).await;
    create(&mut client, "t").await;
    let deny = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_resource_pattern_type(3)
        .with_principal(text("User:*"))
        .with_host(text("*"))
        .with_operation(2)
        .with_permission_type(2);
    let nameless = deny.clone().with_resource_name(text(""));
    let request = CreateAclsRequest::default().with_creations(vec![deny, nameless]);
    let response = client.call(3, &request).await;
    assert_eq!(response.results[0].error_code, 0);
    assert_eq!(response.results[1].error_code, 42);
    assert_eq!(metadata_error(&mut client).await, 29);
    broker.shutdown().await;

    let broker = broker_on(&disk, &[]).await;
    let mut client = Client::connect(&broker).await;
    assert_eq!(metadata_error(&mut client).await, 29);
    let all = client
        .call(12, &MetadataRequest::default().with_topics(None))
        .await;
    assert!(all.topics.is_empty());
    let every = DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1);
    assert_eq!(client.call(3, &every).await.resources.len(), 1);
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("t")))
        .with_pattern_type_filter(2)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1);
    let request = DeleteAclsRequest::default().with_filters(vec![filter]);
    let response = client.call(3, &request).await;
    assert_eq!(response.filter_results[0].matching_acls.len(), 1);
    assert_eq!(metadata_error(&mut client).await, 0);
    broker.shutdown().await;
}
