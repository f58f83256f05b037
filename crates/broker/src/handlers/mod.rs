//! Kafka's APIs: one file each, and the table of them.
//!
//! A request comes in decoded, an answer goes out; what the API is answered with comes from [`Broker`](crate::broker::Broker).
//! The versions this broker advertises are what this table registers, cut to what the codec can decode: there is no second
//! list.
//!
//! **A new API = one file, one line.** The file: a unit struct that implements [`Handler`], with the API's contract in its
//! `//!`. The line: `Api::of::<the_file::TheStruct>()` in [`APIS`], in the order of API keys. The test
//! `every_api_answers_at_its_lowest_and_highest_version` picks it up from there.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::changes::Resource;
use crate::request::{self, Malformed};
use crate::security::Operation;
use crate::server::ConnectionInfo;
use crate::topics::Partition;

use describe_configs::resource;

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_user_scram_credentials;
pub(crate) mod api_versions;
mod commits;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sync_group;
mod txn_offset_commit;

/// A future that can move between threads.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Every API this broker answers, by key.
pub(crate) static APIS: &[Api] = &[
    produce::API,
    fetch::API,
    Api::of::<list_offsets::ListOffsets>(),
    Api::of::<metadata::Metadata>(),
    Api::of::<offset_commit::OffsetCommit>(),
    Api::of::<offset_fetch::OffsetFetch>(),
    Api::of::<find_coordinator::FindCoordinator>(),
    Api::of::<join_group::JoinGroup>(),
    Api::of::<heartbeat::Heartbeat>(),
    Api::of::<leave_group::LeaveGroup>(),
    Api::of::<sync_group::SyncGroup>(),
    Api::of::<describe_groups::DescribeGroups>(),
    Api::of::<list_groups::ListGroups>(),
    Api::of::<api_versions::ApiVersions>(),
    Api::of::<create_topics::CreateTopics>(),
    Api::of::<delete_topics::DeleteTopics>(),
    Api::of::<delete_records::DeleteRecords>(),
    Api::of::<init_producer_id::InitProducerId>(),
    Api::of::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    Api::of::<add_partitions_to_txn::AddPartitionsToTxn>(),
    Api::of::<add_offsets_to_txn::AddOffsetsToTxn>(),
    Api::of::<end_txn::EndTxn>(),
    Api::of::<txn_offset_commit::TxnOffsetCommit>(),
    Api::of::<describe_acls::DescribeAcls>(),
    Api::of::<create_acls::CreateAcls>(),
    Api::of::<delete_acls::DeleteAcls>(),
    Api::of::<describe_configs::DescribeConfigs>(),
    Api::of::<alter_configs::AlterConfigs>(),
    Api::of::<alter_replica_log_dirs::AlterReplicaLogDirs>(),
    Api::of::<describe_log_dirs::DescribeLogDirs>(),
    Api::of::<create_partitions::CreatePartitions>(),
    Api::of::<delete_groups::DeleteGroups>(),
    Api::of::<elect_leaders::ElectLeaders>(),
    Api::of::<incremental_alter_configs::IncrementalAlterConfigs>(),
    Api::of::<alter_partition_reassignments::AlterPartitionReassignments>(),
    Api::of::<list_partition_reassignments::ListPartitionReassignments>(),
    Api::of::<offset_delete::OffsetDelete>(),
    Api::of::<describe_user_scram_credentials::DescribeUserScramCredentials>(),
    Api::of::<alter_user_scram_credentials::AlterUserScramCredentials>(),
    Api::of::<describe_quorum::DescribeQuorum>(),
    Api::of::<describe_cluster::DescribeCluster>(),
    Api::of::<describe_producers::DescribeProducers>(),
    Api::of::<describe_transactions::DescribeTransactions>(),
    Api::of::<list_transactions::ListTransactions>(),
    Api::of::<list_config_resources::ListConfigResources>(),
    Api::of::<describe_topic_partitions::DescribeTopicPartitions>(),
];

/// What anybody may do with a topic where nothing is forbidden, as `AclOperation` bits.
pub(crate) const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// What anybody may do with the cluster where nothing is forbidden, as `AclOperation` bits.
pub(crate) const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
/// What stands for operations that were not asked for.
pub(crate) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// Whether a client that believes in the leader epoch `believed` (-1: it has none) may go on (KIP-320).
pub(crate) fn check_leader_epoch(current: i32, believed: i32) -> Result<(), ResponseError> {
    match believed {
        -1 => Ok(()),
        believed if believed < current => Err(ResponseError::FencedLeaderEpoch),
        believed if believed > current => Err(ResponseError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Returns when all that was appended to `partitions` before the call is durable, and so seen by readers; one sync covers them.
async fn settle(partitions: Vec<Arc<Partition>>) {
    let notify = Arc::new(Notify::new());
    let _watching: Vec<_> = partitions
        .iter()
        .map(|partition| partition.wait(&notify))
        .collect();
    for partition in &partitions {
        // One that goes meanwhile has nothing to wait for; what is asked of it next says so.
        let _ = partition.settled().await;
    }
}

/// Whether a broker's settings are asked for by a name that is ours: its number, or nothing for all brokers.
fn check_broker_name(broker: &Broker, name: &str) -> Result<(), (ResponseError, String)> {
    if name.is_empty() {
        return Ok(());
    }
    let why = match name.parse::<i32>() {
        Ok(id) if id == broker.node_id => return Ok(()),
        Ok(id) => format!(
            "Unexpected broker id, expected {} or empty string, but received {id}",
            broker.node_id
        ),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err((ResponseError::InvalidRequest, why))
}

/// The resource whose settings a request alters, if it has any here.
fn alterable<'a>(
    context: &Context,
    kind: i8,
    name: &'a str,
) -> Result<Resource<'a>, (ResponseError, String)> {
    match kind {
        resource::TOPIC => context
            .allows(Operation::AlterConfigs, name)
            .map(|()| Resource::Topic(name))
            .map_err(|error| (error, error.to_string())),
        resource::BROKER => check_broker_name(&context.broker, name).map(|()| Resource::Broker),
        resource::GROUP => Ok(Resource::Group(name)),
        other => Err((
            ResponseError::InvalidRequest,
            format!("Resources of type {other} have no settings here."),
        )),
    }
}

/// A string of the protocol.
pub(crate) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// A topic's name in an answer.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// One API: what a request means and what it is answered with.
///
/// Requests of one connection are handled one after another, as in Kafka: a handler that waits keeps the connection's next
/// request waiting, and no other's. A handler that may wait long ends early when [`Context::closing`] is cancelled.
pub(crate) trait Handler: 'static {
    /// The request, which names the API and the answer's type.
    type Request: Request;

    /// The versions that Apache Kafka 4.3 answers. What the codec cannot decode is cut off.
    const VERSIONS: (i16, i16);

    /// The highest version beyond the codec's that has the same bytes, but for what [`Self::amend`] makes good. 0: there is none.
    const BEYOND_CODEC: i16 = 0;

    /// Makes an answer in the codec's highest version one in a version beyond it.
    fn amend(answer: &mut Vec<u8>) {
        let _ = answer;
    }

    /// The answer. Errors are the protocol's codes within it.
    fn handle(
        context: &Context,
        request: Self::Request,
    ) -> impl Future<Output = <Self::Request as Request>::Response> + Send;
}

/// What a handler knows besides the request.
pub(crate) struct Context {
    /// The broker's state.
    pub broker: Arc<Broker>,
    /// Who asks, and by which address.
    pub connection: Arc<ConnectionInfo>,
    /// The version asked in.
    pub version: i16,
    /// What the client calls itself; empty if it doesn't say.
    pub client_id: String,
    /// Cancelled when the connection or the broker ends.
    pub closing: CancellationToken,
}

impl Context {
    /// Whether the rules let this client do `operation` with a topic; else the error it gets.
    pub fn allows(&self, operation: Operation, topic: &str) -> Result<(), ResponseError> {
        let host = self.connection.peer.ip();
        if self.broker.acls.allows(host, operation, topic) {
            Ok(())
        } else {
            Err(ResponseError::TopicAuthorizationFailed)
        }
    }
}

/// An answer on its way out.
pub(crate) enum Reply {
    /// The client wants none (`acks=0`).
    None,
    /// Ready.
    Now(Body),
    /// Ready later; the connection's next request is handled meanwhile, and answered after it.
    Later(BoxFuture<'static, Body>),
}

/// An answer's bytes, in pieces so that record batches are never copied into one.
pub(crate) type Body = Vec<Bytes>;

/// An API in the table.
pub(crate) struct Api {
    /// Kafka's number for it.
    pub key: i16,
    /// The lowest version advertised. Below the decodable ones for Produce alone.
    pub min_version: i16,
    /// The highest version advertised and decodable.
    pub max_version: i16,
    request_header_version: fn(i16) -> i16,
    response_header_version: fn(i16) -> i16,
    call: for<'a> fn(&'a Context, BytesMut) -> BoxFuture<'a, Result<Reply, Malformed>>,
}

impl Api {
    /// An API whose requests the codec decodes and whose answers it encodes.
    pub const fn of<H: Handler>() -> Self {
        let codec = H::Request::VERSIONS;
        let answer = <H::Request as Request>::Response::VERSIONS;
        let (min, max) = H::VERSIONS;
        Self {
            key: H::Request::KEY,
            min_version: highest(min, highest(codec.min, answer.min)),
            max_version: lowest(max, highest(lowest(codec.max, answer.max), H::BEYOND_CODEC)),
            request_header_version: <H::Request as HeaderVersion>::header_version,
            response_header_version:
                <<H::Request as Request>::Response as HeaderVersion>::header_version,
            call: call::<H>,
        }
    }

    /// An API whose handler reads the body and writes the answer itself, so that record batches are not copied.
    pub const fn by_hand<R: Request>(
        (min_version, max_version): (i16, i16),
        call: for<'a> fn(&'a Context, BytesMut) -> BoxFuture<'a, Result<Reply, Malformed>>,
    ) -> Self {
        Self {
            key: R::KEY,
            min_version,
            max_version,
            request_header_version: <R as HeaderVersion>::header_version,
            response_header_version: <R::Response as HeaderVersion>::header_version,
            call,
        }
    }

    /// The API of this key, if it is served.
    pub fn find(key: i16) -> Option<&'static Self> {
        APIS.iter().find(|api| api.key == key)
    }

    /// Whether this API answers `version`.
    pub fn serves(&self, version: i16) -> bool {
        (self.min_version..=self.max_version).contains(&version)
    }

    /// Whether a request's header carries tagged fields.
    pub fn request_header_is_flexible(&self, version: i16) -> bool {
        (self.request_header_version)(version) >= 2
    }

    /// Whether an answer's header carries tagged fields.
    pub fn response_header_is_flexible(&self, version: i16) -> bool {
        (self.response_header_version)(version) >= 1
    }

    /// Handles a request's body in [`Context::version`].
    pub fn call<'a>(
        &self,
        context: &'a Context,
        body: BytesMut,
    ) -> BoxFuture<'a, Result<Reply, Malformed>> {
        (self.call)(context, body)
    }
}

fn call<H: Handler>(context: &Context, body: BytesMut) -> BoxFuture<'_, Result<Reply, Malformed>> {
    Box::pin(async move {
        let codec = H::Request::VERSIONS.max;
        let version = context.version.min(codec);
        request::check(H::Request::KEY, context.version, &body)?;
        let request = decode::<H::Request>(body.freeze(), version)?;
        let response = H::handle(context, request).await;
        let answer = encode(&response, version)?;
        if context.version <= codec {
            return Ok(Reply::Now(answer));
        }
        let mut answer = answer.concat();
        H::amend(&mut answer);
        Ok(Reply::Now(vec![answer.into()]))
    })
}

/// A request from a body of exactly its length, after the check that no count in it exceeds what is there.
pub(crate) fn decode<R: Request>(mut body: Bytes, version: i16) -> Result<R, Malformed> {
    request::check(R::KEY, version, &body)?;
    let request =
        R::decode(&mut body, version).map_err(|_| Malformed("the codec cannot decode the body"))?;
    Ok(request)
}

/// Reads a Produce request's body and throws it away.
pub(crate) fn read_produce(body: BytesMut, version: i16) -> Result<(), Malformed> {
    produce::read(body, version)
}

/// An answer as bytes.
pub(crate) fn encode<M: Encodable + Decodable>(
    response: &M,
    version: i16,
) -> Result<Body, Malformed> {
    let mut bytes = BytesMut::with_capacity(response.compute_size(version).unwrap_or(64));
    response.encode(&mut bytes, version).map_err(|error| {
        tracing::error!(%error, version, "an answer could not be encoded");
        Malformed("the answer cannot be expressed in this version")
    })?;
    Ok(vec![bytes.freeze()])
}

const fn highest(a: i16, b: i16) -> i16 {
    if a > b { a } else { b }
}

const fn lowest(a: i16, b: i16) -> i16 {
    if a < b { a } else { b }
}
