//! What goes wrong below, in the protocol's error codes. The one place where the two meet.

use kafka_protocol::error::ResponseError;
use weir_log::LogError;

use crate::topics::TopicError;

/// The code for an error of the log.
pub(crate) fn of_log(error: &LogError) -> ResponseError {
    use ResponseError as Code;
    match error {
        LogError::CorruptRecord { .. } => Code::CorruptMessage,
        LogError::UnsupportedMagic { .. } => Code::UnsupportedForMessageFormat,
        LogError::InvalidRecord { .. } | LogError::RecordsWithoutKey { .. } => Code::InvalidRecord,
        LogError::UnsupportedCompression { .. } => Code::UnsupportedCompressionType,
        LogError::RecordTooLarge { .. } => Code::MessageTooLarge,
        LogError::RecordListTooLarge { .. } => Code::RecordListTooLarge,
        LogError::InvalidTimestamp { .. } => Code::InvalidTimestamp,
        LogError::OutOfOrderSequence { .. } => Code::OutOfOrderSequenceNumber,
        LogError::InvalidProducerEpoch { .. } => Code::InvalidProducerEpoch,
        LogError::UnknownProducerId { .. } => Code::UnknownProducerId,
        LogError::InvalidTxnState { .. } => Code::InvalidTxnState,
        LogError::TransactionCoordinatorFenced { .. } => Code::TransactionCoordinatorFenced,
        LogError::OffsetOutOfRange { .. } => Code::OffsetOutOfRange,
        LogError::InvalidTopic { .. } => Code::InvalidTopicException,
        LogError::Closed { .. } => Code::UnknownTopicOrPartition,
        LogError::NoSpace { .. }
        | LogError::Io { .. }
        | LogError::Failed { .. }
        | LogError::Locked { .. }
        | LogError::Damaged { .. } => Code::KafkaStorageError,
    }
}

/// The code for an error of the topics.
pub(crate) fn of_topic(error: &TopicError) -> ResponseError {
    match error {
        TopicError::InvalidName(_) => ResponseError::InvalidTopicException,
        TopicError::Exists(_) => ResponseError::TopicAlreadyExists,
        TopicError::Unknown => ResponseError::UnknownTopicOrPartition,
        TopicError::InvalidPartitions(_) => ResponseError::InvalidPartitions,
        TopicError::Io(_) => ResponseError::KafkaStorageError,
        TopicError::Log(error) => of_log(error),
    }
}
