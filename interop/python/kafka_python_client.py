"""kafka-python, of any version that runs, against a broker: every compression, keys, headers and times, positions by
time, a group that commits and resumes, two members that share a topic's partitions.

    kafka_python_client.py BOOTSTRAP TOPIC

Exits non-zero with what was wrong; prints the version it ran as its last line when all went well.
"""

import sys
import threading
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError

BOOTSTRAP, TOPIC = sys.argv[1], sys.argv[2]
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
T0 = 1_700_000_000_000


def check(condition, what):
    """Ends the program with the sentence when the condition is false."""
    if not condition:
        sys.exit("kafka-python %s: %s" % (kafka.__version__, what))


def create():
    """A topic with three partitions; a second one of the same name is refused with the protocol's error."""
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=1)])
    try:
        answer = admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=1)])
        check(False, "creating the topic twice was accepted: %s" % (answer,))
    except TopicAlreadyExistsError:
        pass
    check(TOPIC in admin.list_topics(), "the new topic is not in the list of topics")
    admin.close()


def produce():
    """Ten records a compression into each partition, with key, headers and a time of their own."""
    sent = {}
    for codec_number, codec in enumerate(CODECS):
        producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, compression_type=codec, acks="all", linger_ms=20)
        futures = []
        for number in range(30):
            value = b"%s %d " % (str(codec).encode(), number) + b"x" * 500
            headers = [("codec", str(codec).encode()), ("empty", b"")]
            at = T0 + codec_number * 1000 + number
            future = producer.send(
                TOPIC, value, key=b"key-%d" % number, headers=headers, partition=number % 3, timestamp_ms=at
            )
            futures.append((future, value, headers, at, b"key-%d" % number))
        for future, value, headers, at, key in futures:
            metadata = future.get(timeout=20)
            place = (metadata.partition, metadata.offset)
            check(place not in sent, "two records were given the place %s" % (place,))
            sent[place] = (value, headers, at, key)
        producer.close()
    check(sorted(p for p, _ in sent) == sorted(list(range(3)) * 50), "records are not where they were sent")
    return sent


def consume(sent):
    """Everything comes back from the start, in order, as it was sent; positions by time and the ends agree."""
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, consumer_timeout_ms=20000, auto_offset_reset="earliest")
    partitions = [TopicPartition(TOPIC, p) for p in range(3)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    check(set(ends.values()) == {50}, "end offsets are %s" % (ends,))
    check(set(consumer.beginning_offsets(partitions).values()) == {0}, "the beginning is not 0")
    consumer.seek_to_beginning(*partitions)
    next_offset = {0: 0, 1: 0, 2: 0}
    seen = 0
    for record in consumer:
        check(record.offset == next_offset[record.partition], "out of order: %s" % (record[:3],))
        next_offset[record.partition] += 1
        value, headers, at, key = sent[(record.partition, record.offset)]
        check(record.value == value and record.key == key, "another value or key at %s" % (record[:3],))
        check([(k, v or b"") for k, v in record.headers] == headers, "other headers: %s" % (record.headers,))
        check(record.timestamp == at, "another time: %s, sent %s" % (record.timestamp, at))
        seen += 1
        if seen == len(sent):
            break
    check(seen == len(sent), "%d of %d records came back" % (seen, len(sent)))
    # gzip's records carry T0 + 1000 and on; partition 1's first of them is number 1.
    found = consumer.offsets_for_times({partitions[1]: T0 + 1000})[partitions[1]]
    check((found.offset, found.timestamp) == (10, T0 + 1001), "the position by time is %s" % (found,))
    check(consumer.offsets_for_times({partitions[1]: T0 + 10**9})[partitions[1]] is None, "a time after the end")
    consumer.close()


def group_resumes():
    """A group goes on where its last member committed."""
    group = "resume-" + TOPIC

    def read(count):
        consumer = KafkaConsumer(
            TOPIC,
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            consumer_timeout_ms=20000,
            max_poll_records=count,
        )
        places = []
        while len(places) < count:
            batch = consumer.poll(timeout_ms=20000, max_records=count - len(places))
            check(batch, "nothing came within 20 s after %d of %d records" % (len(places), count))
            places += [(r.partition, r.offset) for records in batch.values() for r in records]
        consumer.commit()
        consumer.close()
        return places

    first, second = read(60), read(90)
    check(len(set(first + second)) == 150, "after a commit, records came twice or not at all")


def group_shares():
    """Two members share the partitions, and when one leaves the other has them all."""
    group = "share-" + TOPIC
    owned = {}
    leave = threading.Event()
    errors = []

    def member(name, until):
        try:
            consumer = KafkaConsumer(
                TOPIC, bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset="earliest",
                session_timeout_ms=10000, heartbeat_interval_ms=500,
            )
            while not until.is_set():
                consumer.poll(timeout_ms=100)
                owned[name] = {p.partition for p in consumer.assignment()}
            consumer.close()
            owned[name] = set()
        except Exception as error:  # noqa: BLE001 – reported by the main thread
            errors.append(repr(error))

    def wait(what, condition):
        deadline = time.monotonic() + 40
        while not condition():
            check(not errors, "; ".join(errors))
            check(time.monotonic() < deadline, "%s did not come within 40 s: %s" % (what, owned))
            time.sleep(0.02)

    stop = threading.Event()
    threads = [threading.Thread(target=member, args=(0, stop)), threading.Thread(target=member, args=(1, leave))]
    threads[0].start()
    wait("all partitions for one member", lambda: owned.get(0) == {0, 1, 2})
    threads[1].start()
    wait("a share for both", lambda: owned.get(1) and owned.get(0, set()) | owned[1] == {0, 1, 2} and not owned[0] & owned[1])
    leave.set()
    wait("all partitions for the one that stayed", lambda: owned.get(0) == {0, 1, 2})
    stop.set()
    for thread in threads:
        thread.join()


create()
consume(produce())
group_resumes()
group_shares()
print("kafka-python %s on Python %s" % (kafka.__version__, sys.version.split()[0]))
