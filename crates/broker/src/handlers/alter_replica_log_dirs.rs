//! `AlterReplicaLogDirs` (KIP-113): moves partitions between data folders. There is one, where they are already.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use kafka_protocol::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

use super::{Context, Handler};

pub(crate) struct AlterReplicaLogDirs;

impl Handler for AlterReplicaLogDirs {
    type Request = AlterReplicaLogDirsRequest;
    const VERSIONS: (i16, i16) = (1, 2);

    async fn handle(
        context: &Context,
        request: AlterReplicaLogDirsRequest,
    ) -> AlterReplicaLogDirsResponse {
        let broker = &*context.broker;
        let mut results = Vec::new();
        for dir in request.dirs {
            let here = broker.data_dir.as_os_str() == dir.path.as_str();
            for asked in dir.topics {
                let topic = broker.topics.get(&asked.name);
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|index| {
                        let found = topic.as_ref().and_then(|topic| topic.partition(*index));
                        let code = match found {
                            None => ResponseError::UnknownTopicOrPartition.code(),
                            Some(_) if !here => ResponseError::LogDirNotFound.code(),
                            Some(_) => 0,
                        };
                        AlterReplicaLogDirPartitionResult::default()
                            .with_partition_index(*index)
                            .with_error_code(code)
                    })
                    .collect();
                results.push(
                    AlterReplicaLogDirTopicResult::default()
                        .with_topic_name(asked.name)
                        .with_partitions(partitions),
                );
            }
        }
        AlterReplicaLogDirsResponse::default().with_results(results)
    }
}
