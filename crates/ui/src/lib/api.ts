// The server's JSON, made from crates/web/src/api/ by
//   UPDATE_API=1 cargo test -p weir-web api::
// Do not edit.

/**
 * What went wrong, as RFC 9457 `application/problem+json`; also inside a WebSocket's `error` text.
 */
export type Problem = { 
/**
 * Always `about:blank`: the status says the kind.
 */
type: string, 
/**
 * The status in words.
 */
title: string, 
/**
 * The HTTP status, also where it comes in a WebSocket.
 */
status: number, 
/**
 * What is wrong, in a sentence that names the thing.
 */
detail: string, 
/**
 * The parameter, path part or body member at fault.
 */
field?: string, 
/**
 * What to do about it.
 */
remedy?: string, };

/**
 * `GET /overview`: one look at everything. With `Accept: text/event-stream` one such object a second.
 */
export type Overview = { 
/**
 * The server's clock.
 */
server_time_ms: number, 
/**
 * The Kafka in use, `HOST:PORT,…`.
 */
bootstrap: string, 
/**
 * The version of this program.
 */
version: string, 
/**
 * Whether that Kafka answers.
 */
kafka: KafkaState, 
/**
 * The topics by name; internal ones too, marked.
 */
topics: Array<TopicOverview>, };

/**
 * `GET /sources`: what `weir serve` publishes by itself. With `Accept: text/event-stream` such an object whenever it changes.
 */
export type Sources = { 
/**
 * The sources of `weir.toml`, in its order.
 */
sources: Array<SourceStatus>, };

/**
 * How one source is.
 */
export type SourceStatus = { 
/**
 * `camera`, `rtsp`, `video`, …: a command of `weir publish`.
 */
kind: string, 
/**
 * The topic it publishes to.
 */
topic: string, 
/**
 * How it is.
 */
state: SourceState, 
/**
 * Since when.
 */
since_ms: number, 
/**
 * The newest thing it had to say: why it waits, what was left out.
 */
note: string | null, 
/**
 * Records acknowledged since it was last started.
 */
records: number, 
/**
 * Bytes of their values.
 */
bytes: number, 
/**
 * How often it broke off or could not begin.
 */
broke_off: number, };

/**
 * How a source is.
 */
export type SourceState = "starting" | "running" | "waiting" | "ended";

/**
 * Whether the Kafka behind the server answers.
 */
export type KafkaState = { "state": "connected" } | { "state": "disconnected", 
/**
 * When it was noticed.
 */
since_ms: number, 
/**
 * The cause, with the remedy.
 */
why: string, };

/**
 * What a topic holds, judged by its newest records.
 */
export type TopicKind = "video" | "numbers" | "text" | "binary" | "empty";

/**
 * One topic in the overview.
 */
export type TopicOverview = { 
/**
 * The topic's name.
 */
name: string, 
/**
 * Kafka's own, such as `__consumer_offsets`.
 */
internal: boolean, 
/**
 * What it holds.
 */
kind: TopicKind, 
/**
 * `video/h264`, `image/jpeg`, …: of video topics.
 */
content_type?: string, 
/**
 * Sound stands beside its pictures: `/live?sound=true` gives it too.
 */
sound?: boolean, 
/**
 * How many partitions.
 */
partitions: number, 
/**
 * The sum of the partitions' first offsets: more than 0 once retention has deleted something.
 */
start_offset_sum: number, 
/**
 * Records there now: the sum of end minus start over the partitions (compaction makes it an upper bound).
 */
records: number, 
/**
 * Arrivals over the last second.
 */
records_per_s: number, 
/**
 * `records_per_s` times the mean length of the records last looked at.
 */
bytes_per_s: number, 
/**
 * `records` times the mean length of the records last looked at; absent before one was read.
 */
size_bytes_estimate?: number, 
/**
 * When the newest record was made or, while records arrive, when the last was seen to arrive.
 */
newest_ms?: number, 
/**
 * Keeps the newest record of each key: `/latest` is the view of it. Absent while unknown.
 */
compacted?: boolean, 
/**
 * Records a second over the last 60 s, oldest first; shorter when seen for less long.
 */
rates: Array<number>, };

/**
 * The texts of `GET /topics/{topic}/live` (WebSocket). Binary messages hold init segments and fragments
 * behind a [`FragmentHeader`].
 */
export type LiveEvent = { "type": "init", 
/**
 * RFC 6381, such as `avc1.64001f`.
 */
codec: string, 
/**
 * For `MediaSource.isTypeSupported`.
 */
mime: string, 
/**
 * Pixels across.
 */
width: number, 
/**
 * Pixels down.
 */
height: number, 
/**
 * It is that of the sound, whose messages carry a flag: only for viewers that asked with `sound=true`. Width and height are 0.
 */
sound?: boolean, } | { "type": "live" } | { "type": "skipped", 
/**
 * How many pictures it misses.
 */
pictures: number, } | { "type": "clock", 
/**
 * The server's clock.
 */
server_time_ms: number, 
/**
 * Where partition 0 ends, as far as known: how much there is ahead of a viewer of the past.
 */
end_offset: number, } | { "type": "keys", 
/**
 * The records' keys, as text.
 */
keys: Array<string>, 
/**
 * The one that is shown.
 */
shown: string, } | { "type": "waiting", 
/**
 * The cause: Kafka is away, or there is no picture yet.
 */
why: string, } | { "type": "reconnected" } | { "type": "error", 
/**
 * The cause, as it would stand in an HTTP answer.
 */
problem: Problem, };

/**
 * The texts that a player may send to `GET /topics/{topic}/live`, up to 4,096 bytes each and 20 a second. Those of other types are
 * passed over.
 */
export type LiveRequest = { "type": "shown", 
/**
 * The record's partition.
 */
partition: number, 
/**
 * The record's offset.
 */
offset: number, };

/**
 * The texts of `GET /topics/{topic}/series`, as WebSocket and as Server-Sent Events.
 */
export type SeriesEvent = { "type": "columns", 
/**
 * The series that have new points.
 */
series: Array<SeriesColumns>, 
/**
 * Records since the last batch of which nothing is in `series`.
 */
passed_over: number, 
/**
 * Why records, or single members of them, are not there: how many for each reason.
 */
reasons: { [key in string]: number }, } | { "type": "live" } | { "type": "waiting", 
/**
 * The cause.
 */
why: string, } | { "type": "reconnected" } | { "type": "error", 
/**
 * The cause, as it would stand in an HTTP answer.
 */
problem: Problem, };

/**
 * `GET /topics/{topic}/series` asked once, as JSON: everything of the window up to now. The same as CSV has the columns
 * `series,t_ms,arrival_ms,offset,value`, and the two counts as the headers `Weir-Passed-Over` and `Weir-Reduced-To-Columns`.
 */
export type SeriesAnswer = { 
/**
 * The topic.
 */
topic: string, 
/**
 * Where the window begins: as asked for, or the earliest point's time where an offset was asked for.
 */
from_ms: number, 
/**
 * Where it ends.
 */
to_ms: number, 
/**
 * Into how many columns of time the window was cut, of each of which a series keeps its first, least, greatest and last point:
 * `columns=`, or fewer or any where there were more points than are given out. Absent where every point is here.
 */
reduced_to_columns?: number, 
/**
 * The series by name, each in order of time.
 */
series: Array<SeriesColumns>, 
/**
 * Records of which nothing is in `series`.
 */
passed_over: number, 
/**
 * Why records, or single members of them, are not there: how many for each reason.
 */
reasons: { [key in string]: number }, };

/**
 * The new points of one series; the four columns are equally long.
 */
export type SeriesColumns = { 
/**
 * `sensor-1.count`; the key alone where the object has one number; the member alone where there is no key.
 */
name: string, 
/**
 * When each value was made.
 */
t_ms: Array<number>, 
/**
 * The values.
 */
v: Array<number>, 
/**
 * When each reached the server; of history read back, when it was appended as far as known.
 */
arrival_ms: Array<number>, 
/**
 * Each record's offset.
 */
offset: Array<number>, };

/**
 * The events of `GET /topics/{topic}/records` (Server-Sent Events). A record's `id` is `partition:offset`;
 * the browser sends it back as `Last-Event-ID` and goes on behind it.
 */
export type RecordsEvent = { "type": "record" } & RecordView | { "type": "live" } | { "type": "waiting", 
/**
 * The cause.
 */
why: string, } | { "type": "reconnected" } | { "type": "end", 
/**
 * How many records were sent.
 */
records: number, } | { "type": "error", 
/**
 * The cause, as it would stand in an HTTP answer.
 */
problem: Problem, };

/**
 * One record, for people.
 */
export type RecordView = { 
/**
 * Its partition.
 */
partition: number, 
/**
 * Its number there.
 */
offset: number, 
/**
 * Its time; old records may have none.
 */
timestamp_ms: number | null, 
/**
 * Its key; null is none.
 */
key: TextOrHex | null, 
/**
 * Its headers in their order.
 */
headers: Array<HeaderView>, 
/**
 * Its value; null is a tombstone. Cut at 4,096 bytes unless `full=true`.
 */
value: TextOrHex | null, 
/**
 * The whole value's length.
 */
value_len_bytes: number, 
/**
 * Whether `value` was cut.
 */
truncated: boolean, };

/**
 * One header of a record.
 */
export type HeaderView = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its value; null is none.
 */
value: TextOrHex | null, };

/**
 * Bytes as text where they are UTF-8 without control characters, else in hexadecimal.
 */
export type TextOrHex = { 
/**
 * How `text` is to be read.
 */
encoding: TextEncoding, 
/**
 * The text, or two hexadecimal digits a byte.
 */
text: string, };

/**
 * How a [`TextOrHex`] is to be read.
 */
export type TextEncoding = "utf-8" | "hex";

/**
 * `GET /topics/{topic}/latest`: the newest value of each key.
 */
export type Latest = { 
/**
 * The topic.
 */
topic: string, 
/**
 * By key: a key that is not text stands in hexadecimal behind `0x`. Records without a key share `""`.
 */
values: { [key in string]: LatestValue }, 
/**
 * How many keys there are in all, so far as kept.
 */
keys: number, 
/**
 * There are more keys than are kept (10,000) or were asked for (`limit=`): the newest are here.
 */
truncated: boolean, };

/**
 * The newest record of one key.
 */
export type LatestValue = { 
/**
 * JSON where the value is JSON, else text, else hexadecimal behind `0x`.
 */
value: unknown, 
/**
 * The record's time.
 */
timestamp_ms: number | null, 
/**
 * Its number.
 */
offset: number, };

/**
 * The events of `GET /topics/{topic}/latest` with `Accept: text/event-stream`.
 */
export type LatestEvent = { "type": "whole" } & Latest | { "type": "changed", 
/**
 * By key.
 */
changed: { [key in string]: LatestValue | null }, } | { "type": "waiting", 
/**
 * The cause.
 */
why: string, } | { "type": "reconnected" } | { "type": "error", 
/**
 * The cause, as it would stand in an HTTP answer.
 */
problem: Problem, };

/**
 * `GET /library`: every video in the topics.
 */
export type Library = { 
/**
 * The live ones first, then by their newest picture, the youngest first.
 */
videos: Array<Video>, 
/**
 * There are more than are looked for or given out.
 */
truncated: boolean, 
/**
 * Topics that nothing is known of yet: ask again in a second.
 */
pending: number, 
/**
 * Topics that could not be looked at, and why.
 */
problems: Array<TopicProblem>, };

/**
 * One video: the pictures that a topic holds under one key. `GET /topics/{topic}/timeline` gives this one, with `key=` that
 * of a camera or file, without it everything that the topic holds.
 *
 * It is found by looking here and there, never by reading the topic: a pause or a short piece between two looks that agree may
 * be missing from `spans`, and `records` and `size_bytes` are estimates.
 */
export type Video = { 
/**
 * The topic.
 */
topic: string, 
/**
 * The camera's or file's name: the records' key. Null where they have none, or where it is several in one.
 */
key: string | null, 
/**
 * `video/h264`, `image/jpeg`, …
 */
content_type: string, 
/**
 * RFC 6381, such as `avc1.64001f`; null where no key frame has said so.
 */
codec: string | null, 
/**
 * Pixels across; null where no key frame has said so.
 */
width: number | null, 
/**
 * Pixels down.
 */
height: number | null, 
/**
 * When the oldest picture was captured.
 */
from_ms: number, 
/**
 * When the newest was.
 */
to_ms: number, 
/**
 * How long it takes to watch: the spans together, or longer where it was published faster than it plays.
 */
length_ms: number, 
/**
 * A picture was captured within the last 10 s.
 */
live: boolean, 
/**
 * When there were pictures: stretches without a pause of more than 10 s, by time; 500 at most.
 */
spans: Array<Span>, 
/**
 * About how many records it has.
 */
records: number, 
/**
 * About how many bytes they have.
 */
size_bytes: number, 
/**
 * Where each named viewer stopped, by name.
 */
viewers: Array<VideoViewer>, 
/**
 * The address of a picture of it; null where such pictures cannot be decoded here.
 */
poster: string | null, };

/**
 * A stretch of time, both ends included.
 */
export type Span = { 
/**
 * The first picture's capture time.
 */
from_ms: number, 
/**
 * The last one's.
 */
to_ms: number, };

/**
 * Where a named viewer stopped.
 */
export type VideoViewer = { 
/**
 * The consumer group it goes on as: `group=`, with `from=resume`.
 */
group: string, 
/**
 * When the last picture it saw was captured.
 */
at_ms: number, 
/**
 * The offset it goes on at.
 */
offset: number, 
/**
 * That offset's partition.
 */
partition: number, 
/**
 * How much of the video it has seen, 0 to 1.
 */
part: number, };

/**
 * Why nothing new is known of a topic.
 */
export type TopicProblem = { 
/**
 * The topic.
 */
topic: string, 
/**
 * The cause.
 */
why: string, };

/**
 * `GET /topics/{topic}` and what `GET /topics/{topic}/partitions` lists, as the Confluent REST Proxy v2.
 */
export type TopicMetadata = { 
/**
 * The topic's name.
 */
name: string, 
/**
 * Its settings that are not secret.
 */
configs: { [key in string]: string }, 
/**
 * Its partitions by number.
 */
partitions: Array<PartitionMetadata>, };

/**
 * One partition, as the Confluent REST Proxy v2.
 */
export type PartitionMetadata = { 
/**
 * Its number.
 */
partition: number, 
/**
 * The broker that leads it.
 */
leader: number, 
/**
 * Who has it.
 */
replicas: Array<ReplicaMetadata>, };

/**
 * One replica of a partition, as the Confluent REST Proxy v2.
 */
export type ReplicaMetadata = { 
/**
 * The broker.
 */
broker: number, 
/**
 * Whether it leads the partition.
 */
leader: boolean, 
/**
 * Whether it has everything acknowledged.
 */
in_sync: boolean, };

/**
 * The answer to `POST /topics/{topic}`, as the Confluent REST Proxy v2.
 */
export type ProduceAnswer = { 
/**
 * One for each record, in order.
 */
offsets: Array<ProducedRecord>, 
/**
 * Always null: there is no schema registry.
 */
key_schema_id: number | null, 
/**
 * Always null: there is no schema registry.
 */
value_schema_id: number | null, };

/**
 * Where one record went, as the Confluent REST Proxy v2.
 */
export type ProducedRecord = { 
/**
 * Its partition.
 */
partition: number | null, 
/**
 * Its offset.
 */
offset: number | null, 
/**
 * 1: will never work; 2: may work if tried again.
 */
error_code: number | null, 
/**
 * The cause.
 */
error: string | null, };

/**
 * `GET /cluster`: the brokers and what they hold. With `Accept: text/event-stream` such an object whenever it changes.
 */
export type Cluster = { 
/**
 * The server's clock.
 */
server_time_ms: number, 
/**
 * The id the cluster was formatted with.
 */
cluster_id: string | null, 
/**
 * It is the broker that this program runs itself.
 */
embedded: boolean, 
/**
 * Whether it answers. Where it does not, everything else is as last seen.
 */
kafka: KafkaState, 
/**
 * The node that leads the quorum of controllers; it need not be a broker.
 */
controller: number | null, 
/**
 * Why it is not known.
 */
controller_note?: string, 
/**
 * The brokers by number, with those that are gone.
 */
brokers: Array<ClusterBroker>, 
/**
 * The topics, those in trouble first, Kafka's own last.
 */
topics: Array<ClusterTopic>, 
/**
 * How many partitions there are in all of them.
 */
partitions: PartitionCounts, 
/**
 * Partitions that are not listed here for want of room; all in trouble come first.
 */
left_out: number, 
/**
 * What happened since the server began to look, the newest 100, newest first.
 */
events: Array<ClusterEvent>, };

/**
 * How many partitions are how.
 */
export type PartitionCounts = { 
/**
 * All.
 */
all: number, 
/**
 * Without a leader: nothing is read or written.
 */
leaderless: number, 
/**
 * With fewer replicas in sync than `min.insync.replicas`: nothing is written with `acks=all`.
 */
too_few_in_sync: number, 
/**
 * With a replica out of sync, those before included.
 */
under_replicated: number, };

/**
 * A broker.
 */
export type ClusterBroker = { 
/**
 * Its number.
 */
id: number, 
/**
 * The address it advertises, `HOST:PORT`; not known of one that was gone before the server began to look.
 */
address: string | null, 
/**
 * How it is.
 */
state: BrokerState, 
/**
 * Since when; not known of what was so when the server began to look.
 */
since_ms: number | null, 
/**
 * Partitions it leads.
 */
leads: number, 
/**
 * Partitions it holds a replica of.
 */
replicas: number, 
/**
 * Those of them that are in sync.
 */
in_sync: number, };

/**
 * How a broker is.
 */
export type BrokerState = "up" | "silent" | "gone";

/**
 * A topic's partitions and who holds them.
 */
export type ClusterTopic = { 
/**
 * Its name.
 */
topic: string, 
/**
 * Kafka's own.
 */
internal: boolean, 
/**
 * Its `min.insync.replicas`, once that is known.
 */
min_in_sync: number | null, 
/**
 * Its partitions, by number.
 */
partitions: Array<ClusterPartition>, };

/**
 * A partition and who holds it.
 */
export type ClusterPartition = { 
/**
 * Its number.
 */
partition: number, 
/**
 * The broker that takes its records; -1: none.
 */
leader: number, 
/**
 * The brokers that hold it, the preferred leader first.
 */
replicas: Array<number>, 
/**
 * Those of them that have everything acknowledged.
 */
in_sync: Array<number>, 
/**
 * How it is.
 */
state: PartitionState, };

/**
 * How a partition is, the worst that is true of it.
 */
export type PartitionState = "leaderless" | "too_few_in_sync" | "under_replicated" | "fine";

/**
 * Something that happened.
 */
export type ClusterEvent = { 
/**
 * When the server saw it.
 */
at_ms: number, 
/**
 * What.
 */
what: ClusterChange, 
/**
 * The same for people.
 */
text: string, };

/**
 * What happened. Where it happened to many partitions at once, `topic` and `partition` are null and `partitions` counts them.
 */
export type ClusterChange = { "kind": "broker_silent", broker: number, } | { "kind": "broker_gone", broker: number, } | { "kind": "broker_back", broker: number, away_ms: number | null, } | { "kind": "broker_new", broker: number, } | { "kind": "controller", from: number | null, to: number | null, } | { "kind": "leader", from: number | null, to: number | null, 
/**
 * The topic, of one.
 */
topic: string | null, 
/**
 * Its number, of one.
 */
partition: number | null, 
/**
 * How many.
 */
partitions: number, } | { "kind": "out_of_sync", broker: number, 
/**
 * The topic, of one.
 */
topic: string | null, 
/**
 * Its number, of one.
 */
partition: number | null, 
/**
 * How many.
 */
partitions: number, } | { "kind": "in_sync", broker: number, 
/**
 * The topic, of one.
 */
topic: string | null, 
/**
 * Its number, of one.
 */
partition: number | null, 
/**
 * How many.
 */
partitions: number, } | { "kind": "too_few_in_sync", 
/**
 * The topic, of one.
 */
topic: string | null, 
/**
 * Its number, of one.
 */
partition: number | null, 
/**
 * How many.
 */
partitions: number, } | { "kind": "enough_in_sync", 
/**
 * The topic, of one.
 */
topic: string | null, 
/**
 * Its number, of one.
 */
partition: number | null, 
/**
 * How many.
 */
partitions: number, } | { "kind": "replicas", 
/**
 * The topic, of one.
 */
topic: string | null, 
/**
 * Its number, of one.
 */
partition: number | null, 
/**
 * How many.
 */
partitions: number, } | { "kind": "away" } | { "kind": "answers", away_ms: number, };

/**
 * One partition, or how many.
 */
export type Partitions = { 
/**
 * The topic, of one.
 */
topic: string | null, 
/**
 * Its number, of one.
 */
partition: number | null, 
/**
 * How many.
 */
partitions: number, };

/** In front of every binary message of `/topics/{topic}/live`, big-endian: `u8 kind` · `u8 flags` · `u16 partition` ·
 * `u32 duration_us` · `i64 offset` · `i64 timestamp_ms` · `i64 pts_us`. */
export const FragmentHeader = { lenBytes: 32, init: 0, fragment: 1, keyFlag: 1, prerollFlag: 2, soundFlag: 4 } as const;
