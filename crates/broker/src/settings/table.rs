//! The table of server settings: name, default, type, meaning, and the typed key the code asks by.

use super::Kind::{Bool, Double, Int, List, Long, OneOf, Text};
use super::{Key, Setting};

const MAX_INT: i64 = i32::MAX as i64;
const MAX: i64 = i64::MAX;

macro_rules! table {
    ($(
        #[doc = $meaning:literal]
        $constant:ident: $type:ty = $name:literal, $default:expr, $kind:expr $(, $dynamic:ident)?;
    )*) => {
        $(
            #[doc = concat!("`", $name, "`:", $meaning)]
            pub const $constant: Key<$type> = Key::new($name);
        )*

        /// Every server setting, in the order of the source.
        pub static TABLE: &[Setting] = &[$(
            Setting {
                name: $name,
                kind: $kind,
                default: $default,
                meaning: $meaning,
                dynamic: table!(@dynamic $($dynamic)?),
            },
        )*];
    };
    (@dynamic) => { false };
    (@dynamic dynamic) => { true };
}

table! {
    /// This broker's number among the cluster's.
    NODE_ID: i64 = "node.id", Some("0"), Int(0, MAX_INT);
    /// This broker's number under its older name; it must equal `node.id`.
    BROKER_ID: Option<i64> = "broker.id", None, Int(-1, MAX_INT);
    /// The rack this broker says it stands in.
    BROKER_RACK: String = "broker.rack", None, Text;
    /// The address that clients are told to connect to, as `PLAINTEXT://host:port`; without it, the one each client came by.
    ADVERTISED_LISTENERS: String = "advertised.listeners", None, Text;
    /// How many partitions a topic gets that is created without a number.
    NUM_PARTITIONS: i64 = "num.partitions", Some("1"), Int(1, MAX_INT);
    /// How many replicas a topic gets that is created without a number; this broker has one.
    DEFAULT_REPLICATION_FACTOR: i64 = "default.replication.factor", Some("1"), Int(1, 1);
    /// Whether a topic that is asked for by name comes into being.
    AUTO_CREATE_TOPICS_ENABLE: bool = "auto.create.topics.enable", Some("true"), Bool;
    /// Whether topics may be deleted.
    DELETE_TOPIC_ENABLE: bool = "delete.topic.enable", Some("true"), Bool;
    /// The largest record batch taken, in bytes.
    MESSAGE_MAX_BYTES: i64 = "message.max.bytes", Some("1048588"), Int(0, MAX_INT), dynamic;
    /// The largest request taken, in bytes.
    SOCKET_REQUEST_MAX_BYTES: i64 = "socket.request.max.bytes", Some("104857600"), Int(1, MAX_INT);
    /// How many connections may be open at once.
    MAX_CONNECTIONS: i64 = "max.connections", Some("2147483647"), Int(0, MAX_INT);
    /// How long a connection may ask nothing before it is closed, in milliseconds.
    CONNECTIONS_MAX_IDLE_MS: i64 = "connections.max.idle.ms", Some("600000"), Long(1, MAX);
    /// The most bytes one fetch is answered with.
    FETCH_MAX_BYTES: i64 = "fetch.max.bytes", Some("57671680"), Int(1024, MAX_INT);
    /// How many partitions one answer to DescribeTopicPartitions holds at most.
    MAX_REQUEST_PARTITION_SIZE_LIMIT: i64 = "max.request.partition.size.limit", Some("2000"), Int(1, MAX_INT);
    /// How many replicas a write with `acks=all` waits for; this broker has one.
    MIN_INSYNC_REPLICAS: i64 = "min.insync.replicas", Some("1"), Int(1, MAX_INT), dynamic;
    /// How batches are compressed; they stay as the producer sent them, whatever this says.
    COMPRESSION_TYPE: String = "compression.type", Some("producer"), OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), dynamic;
    /// What becomes of old records.
    LOG_CLEANUP_POLICY: String = "log.cleanup.policy", Some("delete"), List(&["delete", "compact"]), dynamic;
    /// How long records are kept, in milliseconds; -1 is for ever.
    LOG_RETENTION_MS: Option<i64> = "log.retention.ms", None, Long(-1, MAX), dynamic;
    /// How long records are kept, in minutes, unless `log.retention.ms` says otherwise.
    LOG_RETENTION_MINUTES: Option<i64> = "log.retention.minutes", None, Int(-1, MAX_INT);
    /// How long records are kept, in hours, unless a finer setting says otherwise.
    LOG_RETENTION_HOURS: i64 = "log.retention.hours", Some("168"), Int(-1, MAX_INT);
    /// How many bytes of records a partition keeps; -1 sets no bound.
    LOG_RETENTION_BYTES: i64 = "log.retention.bytes", Some("-1"), Long(-1, MAX), dynamic;
    /// How often old records are looked for, in milliseconds.
    LOG_RETENTION_CHECK_INTERVAL_MS: i64 = "log.retention.check.interval.ms", Some("300000"), Long(1, MAX);
    /// The largest a segment's file grows, in bytes.
    LOG_SEGMENT_BYTES: i64 = "log.segment.bytes", Some("1073741824"), Int(1024 * 1024, MAX_INT), dynamic;
    /// How long a segment is written to, in milliseconds.
    LOG_ROLL_MS: Option<i64> = "log.roll.ms", None, Long(1, MAX), dynamic;
    /// How long a segment is written to, in hours, unless `log.roll.ms` says otherwise.
    LOG_ROLL_HOURS: i64 = "log.roll.hours", Some("168"), Int(1, MAX_INT);
    /// How long a removed segment's files stay, in milliseconds.
    LOG_SEGMENT_DELETE_DELAY_MS: i64 = "log.segment.delete.delay.ms", Some("60000"), Long(0, MAX), dynamic;
    /// The largest a segment's offset index grows, in bytes.
    LOG_INDEX_SIZE_MAX_BYTES: i64 = "log.index.size.max.bytes", Some("10485760"), Int(4, MAX_INT), dynamic;
    /// How many bytes of records an entry of the offset index stands for.
    LOG_INDEX_INTERVAL_BYTES: i64 = "log.index.interval.bytes", Some("4096"), Int(0, MAX_INT), dynamic;
    /// Whether segments' files take their room at once; here they grow.
    LOG_PREALLOCATE: bool = "log.preallocate", Some("false"), Bool, dynamic;
    /// After how many records they are made durable; here always before they are acknowledged to `acks=all`.
    LOG_FLUSH_INTERVAL_MESSAGES: i64 = "log.flush.interval.messages", Some("9223372036854775807"), Long(1, MAX), dynamic;
    /// After how many milliseconds records are made durable; here always before they are acknowledged to `acks=all`.
    LOG_FLUSH_INTERVAL_MS: Option<i64> = "log.flush.interval.ms", None, Long(0, MAX), dynamic;
    /// Whose clock stamps records.
    LOG_MESSAGE_TIMESTAMP_TYPE: String = "log.message.timestamp.type", Some("CreateTime"), OneOf(&["CreateTime", "LogAppendTime"]), dynamic;
    /// How far a record's timestamp may lie in the past, in milliseconds.
    LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS: i64 = "log.message.timestamp.before.max.ms", Some("9223372036854775807"), Long(0, MAX), dynamic;
    /// How far a record's timestamp may lie in the future, in milliseconds.
    LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS: i64 = "log.message.timestamp.after.max.ms", Some("3600000"), Long(0, MAX), dynamic;
    /// Which part of a compacted log must be new before it is compacted again.
    LOG_CLEANER_MIN_CLEANABLE_RATIO: f64 = "log.cleaner.min.cleanable.ratio", Some("0.5"), Double(0.0, 1.0), dynamic;
    /// How long a compacted topic keeps tombstones, in milliseconds.
    LOG_CLEANER_DELETE_RETENTION_MS: i64 = "log.cleaner.delete.retention.ms", Some("86400000"), Long(0, MAX), dynamic;
    /// How long a record stays uncompacted at least, in milliseconds.
    LOG_CLEANER_MIN_COMPACTION_LAG_MS: i64 = "log.cleaner.min.compaction.lag.ms", Some("0"), Long(0, MAX), dynamic;
    /// How long a record stays uncompacted at most, in milliseconds.
    LOG_CLEANER_MAX_COMPACTION_LAG_MS: i64 = "log.cleaner.max.compaction.lag.ms", Some("9223372036854775807"), Long(1, MAX), dynamic;
    /// How often compaction looks for work, in milliseconds.
    LOG_CLEANER_BACKOFF_MS: i64 = "log.cleaner.backoff.ms", Some("15000"), Long(0, MAX);
    /// Whether a replica that lags may lead; this broker has one replica.
    UNCLEAN_LEADER_ELECTION_ENABLE: bool = "unclean.leader.election.enable", Some("false"), Bool, dynamic;
    /// How long a producer that is silent is remembered, in milliseconds.
    PRODUCER_ID_EXPIRATION_MS: i64 = "producer.id.expiration.ms", Some("86400000"), Int(1, MAX_INT);
    /// The longest a transaction may take, in milliseconds.
    TRANSACTION_MAX_TIMEOUT_MS: i64 = "transaction.max.timeout.ms", Some("900000"), Int(1, MAX_INT);
    /// How long an unused transactional id is remembered, in milliseconds.
    TRANSACTIONAL_ID_EXPIRATION_MS: i64 = "transactional.id.expiration.ms", Some("604800000"), Int(1, MAX_INT);
    /// How often transactions that took too long are looked for, in milliseconds.
    TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS: i64 = "transaction.abort.timed.out.transaction.cleanup.interval.ms", Some("10000"), Int(1, MAX_INT);
    /// How many partitions `__transaction_state` has.
    TRANSACTION_STATE_LOG_NUM_PARTITIONS: i64 = "transaction.state.log.num.partitions", Some("50"), Int(1, 1000);
    /// How many replicas `__transaction_state` has; this broker has one.
    TRANSACTION_STATE_LOG_REPLICATION_FACTOR: i64 = "transaction.state.log.replication.factor", Some("1"), Int(1, 1);
    /// How many replicas a write to `__transaction_state` waits for; this broker has one.
    TRANSACTION_STATE_LOG_MIN_ISR: i64 = "transaction.state.log.min.isr", Some("1"), Int(1, 1);
    /// The segment size of `__transaction_state`, in bytes.
    TRANSACTION_STATE_LOG_SEGMENT_BYTES: i64 = "transaction.state.log.segment.bytes", Some("104857600"), Int(1024 * 1024, MAX_INT);
    /// How many partitions `__consumer_offsets` has.
    OFFSETS_TOPIC_NUM_PARTITIONS: i64 = "offsets.topic.num.partitions", Some("50"), Int(1, 1000);
    /// How many replicas `__consumer_offsets` has; this broker has one.
    OFFSETS_TOPIC_REPLICATION_FACTOR: i64 = "offsets.topic.replication.factor", Some("1"), Int(1, 1);
    /// The segment size of `__consumer_offsets`, in bytes.
    OFFSETS_TOPIC_SEGMENT_BYTES: i64 = "offsets.topic.segment.bytes", Some("104857600"), Int(1024 * 1024, MAX_INT);
    /// How long a group without members keeps its committed offsets, in minutes.
    OFFSETS_RETENTION_MINUTES: i64 = "offsets.retention.minutes", Some("10080"), Int(1, MAX_INT);
    /// How often outdated committed offsets are looked for, in milliseconds.
    OFFSETS_RETENTION_CHECK_INTERVAL_MS: i64 = "offsets.retention.check.interval.ms", Some("600000"), Long(1, MAX);
    /// The longest text a commit may carry beside an offset, in bytes.
    OFFSET_METADATA_MAX_BYTES: i64 = "offset.metadata.max.bytes", Some("4096"), Int(0, MAX_INT);
    /// How long a new group waits for further members, in milliseconds; 0 as in the configuration that Kafka ships.
    GROUP_INITIAL_REBALANCE_DELAY_MS: i64 = "group.initial.rebalance.delay.ms", Some("0"), Int(0, MAX_INT);
    /// The shortest session timeout a member may ask for, in milliseconds.
    GROUP_MIN_SESSION_TIMEOUT_MS: i64 = "group.min.session.timeout.ms", Some("6000"), Int(0, MAX_INT);
    /// The longest session timeout a member may ask for, in milliseconds.
    GROUP_MAX_SESSION_TIMEOUT_MS: i64 = "group.max.session.timeout.ms", Some("1800000"), Int(0, MAX_INT);
    /// How many members a group may have.
    GROUP_MAX_SIZE: i64 = "group.max.size", Some("2147483647"), Int(1, MAX_INT);
    /// How long a client waits for a new principal's credentials before its next login, in milliseconds; kept and shown.
    SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN: i64 = "sasl.kerberos.min.time.before.relogin", Some("60000"), Long(0, MAX), dynamic;
    /// How many threads serve the disk; here the runtime decides.
    NUM_IO_THREADS: i64 = "num.io.threads", Some("8"), Int(1, MAX_INT), dynamic;
    /// How many threads serve the network; here the runtime decides.
    NUM_NETWORK_THREADS: i64 = "num.network.threads", Some("3"), Int(1, MAX_INT), dynamic;
}

/// Settings of Kafka that mean nothing here, by the start of their names, and why.
pub(super) static MEANINGLESS: &[(&str, &str)] = &[
    ("zookeeper.", "there is no ZooKeeper here"),
    ("control.plane.", "there is no ZooKeeper here"),
    ("controller.", "this broker is its own controller"),
    ("process.roles", "this broker is its own controller"),
    ("replica.", "there is one broker, so nothing is replicated"),
    (
        "num.replica.",
        "there is one broker, so nothing is replicated",
    ),
    ("follower.", "there is one broker, so nothing is replicated"),
    ("leader.", "there is one broker, so nothing is replicated"),
    ("inter.broker.", "there is one broker"),
    (
        "metadata.",
        "the broker keeps its metadata in files of its own",
    ),
    ("remote.log.", "there is no tiered storage here"),
    (
        "log.dir",
        "the data folder is an option of the program (--data-dir)",
    ),
    (
        "listeners",
        "the address is an option of the program (--kafka-listen)",
    ),
    (
        "listener.",
        "the address is an option of the program (--kafka-listen)",
    ),
    ("ssl.", "connections are not encrypted here"),
    ("quota.", "there are no quotas here"),
    ("share.", "there are no share groups here"),
];
