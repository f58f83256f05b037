//! `DescribeLogDirs` (KIP-113): how much of the data folder each partition takes. Of no topics named, all.

use std::collections::HashMap;

use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use super::{Context, Handler, text, topic_name};

/// What stands for a size that is not known.
const UNKNOWN: i64 = -1;

pub(crate) struct DescribeLogDirs;

impl Handler for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;
    const VERSIONS: (i16, i16) = (1, 5);
    const BEYOND_CODEC: i16 = 5;

    fn amend(answer: &mut Vec<u8>) {
        // The one folder's `is_cordoned` (KIP-1066), before its tagged fields and the answer's, of which there are none.
        let at = answer.len().saturating_sub(2);
        answer.insert(at, 0);
    }

    async fn handle(context: &Context, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
        let broker = &*context.broker;
        let wanted: Option<HashMap<String, Vec<i32>>> = request.topics.map(|topics| {
            topics
                .into_iter()
                .map(|topic| (topic.topic.to_string(), topic.partitions))
                .collect()
        });
        let topics = broker
            .topics
            .list()
            .iter()
            .filter_map(|topic| {
                let indexes = match &wanted {
                    None => None,
                    Some(wanted) => Some(wanted.get(&*topic.name)?),
                };
                let partitions = topic
                    .partitions()
                    .iter()
                    .filter(|partition| {
                        indexes.is_none_or(|indexes| indexes.contains(&partition.index))
                    })
                    .map(|partition| {
                        DescribeLogDirsPartition::default()
                            .with_partition_index(partition.index)
                            .with_partition_size(
                                i64::try_from(partition.log.size_bytes()).unwrap_or(i64::MAX),
                            )
                    })
                    .collect();
                Some(
                    DescribeLogDirsTopic::default()
                        .with_name(topic_name(&topic.name))
                        .with_partitions(partitions),
                )
            })
            .collect();
        DescribeLogDirsResponse::default().with_results(vec![
            DescribeLogDirsResult::default()
                .with_log_dir(text(broker.data_dir.display().to_string()))
                .with_topics(topics)
                .with_total_bytes(UNKNOWN)
                .with_usable_bytes(UNKNOWN),
        ])
    }
}
