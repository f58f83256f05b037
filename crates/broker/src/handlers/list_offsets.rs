//! `ListOffsets`: a partition's first and last offsets, and offsets by time.
//!
//! Times below zero stand for places: -1 the end, -2 the start, -3 the record of the largest timestamp (KIP-734), -4 the start of
//! what is on this broker's disk (KIP-405), -5 the end of what is in tiered storage and -6 the start of what will be, which are
//! nowhere. With `read_committed` the
//! end is the last stable offset.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use weir_base::time::Timestamp;
use weir_log::{LogError, Offset, TimedOffset};

use super::{Context, Handler};
use crate::errors;
use crate::files::may_block;
use crate::security::Operation;
use crate::topics::Partition;

pub(crate) struct ListOffsets;

impl Handler for ListOffsets {
    type Request = ListOffsetsRequest;
    const VERSIONS: (i16, i16) = (1, 11);
    const BEYOND_CODEC: i16 = 11;

    async fn handle(context: &Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let committed = request.isolation_level == 1;
        settle(context, &request).await;
        let topics = request
            .topics
            .into_iter()
            .map(|asked| {
                let allowed = context.allows(Operation::Describe, &asked.name);
                let topic = context.broker.topics.get(&asked.name);
                let partitions = asked
                    .partitions
                    .iter()
                    .map(|at| {
                        let found = topic
                            .as_ref()
                            .and_then(|topic| topic.partition(at.partition_index))
                            .ok_or(ResponseError::UnknownTopicOrPartition)
                            .and_then(|partition| allowed.map(|()| partition))
                            .and_then(|partition| find(&partition, at, context.version, committed));
                        let answer = ListOffsetsPartitionResponse::default()
                            .with_partition_index(at.partition_index);
                        match found {
                            Ok(Some(found)) => answer
                                .with_offset(found.offset.0)
                                .with_timestamp(found.timestamp.0)
                                .with_leader_epoch(if context.version >= 4 {
                                    found.leader_epoch
                                } else {
                                    -1
                                }),
                            Ok(None) => answer,
                            Err(error) => answer.with_error_code(error.code()),
                        }
                    })
                    .collect();
                ListOffsetsTopicResponse::default()
                    .with_name(asked.name)
                    .with_partitions(partitions)
            })
            .collect();
        ListOffsetsResponse::default().with_topics(topics)
    }
}

/// Has what is already written become what readers see, so that nobody is told an end before a record whose sending they saw
/// acknowledged (`acks=1`).
async fn settle(context: &Context, request: &ListOffsetsRequest) {
    let asked = request.topics.iter().flat_map(|topic| {
        let found = context.broker.topics.get(&topic.name);
        let ends = topic
            .partitions
            .iter()
            .filter(|at| !matches!(at.timestamp, -2 | -4));
        ends.filter_map(move |at| found.as_ref()?.partition(at.partition_index))
    });
    super::settle(asked.collect()).await;
}

fn find(
    partition: &Partition,
    asked: &ListOffsetsPartition,
    version: i16,
    committed: bool,
) -> Result<Option<TimedOffset>, ResponseError> {
    let log = &partition.log;
    super::check_leader_epoch(log.leader_epoch(), asked.current_leader_epoch)?;
    let offsets = log.offsets();
    let end = if committed {
        offsets.last_stable
    } else {
        offsets.high_watermark
    };
    let place = |offset: Offset| {
        Some(TimedOffset {
            offset,
            timestamp: Timestamp(-1),
            leader_epoch: log.leader_epoch(),
        })
    };
    let of_log = |error: LogError| errors::of_log(&error);
    let found = match asked.timestamp {
        -1 => return Ok(place(end)),
        -2 => return Ok(place(offsets.log_start)),
        -3 if version >= 7 => may_block(|| log.max_timestamp()).map_err(of_log)?,
        -4 if version >= 8 => return Ok(place(offsets.log_start)),
        -5 if version >= 9 => return Ok(None),
        -6 if version >= 11 => return Ok(None),
        time if time >= 0 => may_block(|| log.offset_for_time(Timestamp(time))).map_err(of_log)?,
        _ => return Err(ResponseError::UnsupportedVersion),
    };
    Ok(found.filter(|found| found.offset < end))
}
