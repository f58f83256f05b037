"""confluent-kafka (librdkafka), of any version that runs, against a broker: every compression, an idempotent producer,
keys, headers and times, a group that commits and resumes, topics made and deleted.

    confluent_client.py BOOTSTRAP TOPIC

Exits non-zero with what was wrong; prints the versions it ran as its last line when all went well.
"""

import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

BOOTSTRAP, TOPIC = sys.argv[1], sys.argv[2]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PARTITIONS = 4
PER_CODEC = 400
T0 = 1_700_000_000_000


def check(condition, what):
    """Ends the program with the sentence when the condition is false."""
    if not condition:
        sys.exit("confluent-kafka %s: %s" % (confluent_kafka.version(), what))


def admin_calls():
    """Topics are made, described, refused twice; another is made and deleted."""
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    doomed = TOPIC + "-doomed"
    for future in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1), NewTopic(doomed, 1, 1)]).values():
        future.result(20)
    try:
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(20)
        check(False, "creating the topic twice was accepted")
    except KafkaException as error:
        check(error.args[0].name() == "TOPIC_ALREADY_EXISTS", "creating twice gave %s" % error)
    admin.delete_topics([doomed])[doomed].result(20)
    # Kafka acknowledges a deletion before its metadata shows it.
    deadline = time.monotonic() + 20
    while doomed in (topics := admin.list_topics(timeout=20).topics):
        check(time.monotonic() < deadline, "the deleted topic is still there after 20 s")
    check(len(topics[TOPIC].partitions) == PARTITIONS, "the topic has other partitions than asked for")
    resource = ConfigResource(ConfigResource.Type.TOPIC, TOPIC)
    config = list(admin.describe_configs([resource]).values())[0].result(20)
    check(config["max.message.bytes"].value == "1048588", "max.message.bytes is %s" % config["max.message.bytes"])


def produce():
    """Records by key through an idempotent producer, one compression after another."""
    sent, errors = {}, []

    def delivered(error, record):
        if error:
            errors.append(str(error))
        else:
            sent[(record.partition(), record.offset())] = (record.key(), record.value())

    for number_of_codec, codec in enumerate(CODECS):
        producer = Producer(
            {"bootstrap.servers": BOOTSTRAP, "compression.type": codec, "enable.idempotence": True, "linger.ms": 5}
        )
        for number in range(PER_CODEC):
            producer.produce(
                TOPIC,
                key=b"key %d" % (number % 17),
                value=b"%s %d " % (codec.encode(), number) + b"y" * 700,
                headers=[("codec", codec.encode()), ("number", str(number).encode())],
                timestamp=T0 + number_of_codec * 1000 + number,
                on_delivery=delivered,
            )
            producer.poll(0)
        left = producer.flush(30)
        check(left == 0, "%d records were not acknowledged within 30 s" % left)
    check(not errors, "refused: %s" % errors[:3])
    check(len(sent) == PER_CODEC * len(CODECS), "%d places for %d records" % (len(sent), PER_CODEC * len(CODECS)))
    return sent


def poll(consumer, count):
    """The next `count` records."""
    records = []
    silent = 0
    while len(records) < count:
        record = consumer.poll(1.0)
        if record is None:
            silent += 1
            check(silent < 30, "%d of %d records came, then 30 s nothing" % (len(records), count))
            continue
        check(record.error() is None, str(record.error()))
        records.append(record)
    return records


def consume(sent):
    """A group reads a part, commits, closes; its next member reads the rest, and nothing twice."""
    config = {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": "group-" + TOPIC,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.auto.offset.store": True,
    }
    places = []
    for count in (700, len(sent) - 700):
        consumer = Consumer(config)
        consumer.subscribe([TOPIC])
        for record in poll(consumer, count):
            place = (record.partition(), record.offset())
            places.append(place)
            check(sent.get(place) == (record.key(), record.value()), "another key or value at %s" % (place,))
            headers = dict(record.headers())
            check(record.value().startswith(headers["codec"] + b" " + headers["number"]), "other headers")
            number = CODECS.index(headers["codec"].decode()) * 1000 + int(headers["number"])
            check(record.timestamp()[1] == T0 + number, "another time")
        consumer.commit(asynchronous=False)
        consumer.close()
    check(len(set(places)) == len(sent), "records came twice or not at all")
    consumer = Consumer(config)
    partitions = [TopicPartition(TOPIC, p) for p in range(PARTITIONS)]
    committed = {p.partition: p.offset for p in consumer.committed(partitions, timeout=20)}
    ends = {p.partition: consumer.get_watermark_offsets(p, timeout=20) for p in partitions}
    check(all(ends[p] == (0, committed[p]) for p in committed if committed[p] >= 0), "%s against %s" % (committed, ends))
    found = consumer.offsets_for_times([TopicPartition(TOPIC, p, T0 + 2000) for p in range(PARTITIONS)], timeout=20)
    for place in found:
        if place.offset > 0:
            value = sent[(place.partition, place.offset)][1]
            check(value.startswith(b"snappy"), "the position by time is at %r" % value[:12])
    consumer.close()


admin_calls()
consume(produce())
print("confluent-kafka %s, librdkafka %s" % (confluent_kafka.version(), confluent_kafka.libversion()[0]))
