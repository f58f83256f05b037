"""Writes records and remembers, outside the broker, what the broker acknowledged; afterwards checks that all of it is
there. The broker is killed and restarted meanwhile, by the caller.

    acknowledged.py write confluent|kafka-python BOOTSTRAP TOPIC JOURNAL [A_SECOND]     until SIGTERM
    acknowledged.py verify confluent|kafka-python BOOTSTRAP TOPIC JOURNAL

A journal line is `r PARTITION OFFSET VALUE` for an acknowledged record, `c PARTITION OFFSET` for a committed offset.
"""

import collections
import signal
import sys
import threading
import time

mode, client, bootstrap, topic, path, *rest = sys.argv[1:]
# Records that are sent in a second, at most; as many as it can without.
A_SECOND = float(rest[0]) if rest else float("inf")
PARTITIONS = 3
stopping = threading.Event()


def write_confluent(journal):
    """librdkafka, idempotent and acks=all; a second client commits a group's position again and again."""
    from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 1,
         "message.timeout.ms": 120000, "reconnect.backoff.max.ms": 200}
    )
    lock = threading.Lock()

    def note(line):
        with lock:
            journal.write(line + "\n")
            journal.flush()

    def delivered(error, record):
        if error is None:
            note("r %d %d %s" % (record.partition(), record.offset(), record.value().decode()))

    def commits():
        consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "g-" + topic, "enable.auto.commit": False,
             "reconnect.backoff.max.ms": 200}
        )
        number = 0
        while not stopping.is_set():
            number += 1
            try:
                done = consumer.commit(offsets=[TopicPartition(topic, 0, number)], asynchronous=False)
                if done[0].error is None:
                    note("c 0 %d" % number)
            except KafkaException:
                time.sleep(0.05)
            stopping.wait(20 / A_SECOND)
        consumer.close()

    committer = threading.Thread(target=commits)
    committer.start()
    number, began = 0, time.monotonic()
    while not stopping.is_set():
        if number > (time.monotonic() - began) * A_SECOND:
            producer.poll(0.01)
            continue
        try:
            producer.produce(topic, b"%d" % number, partition=number % PARTITIONS, on_delivery=delivered)
            number += 1
        except BufferError:
            producer.poll(0.01)
        producer.poll(0)
        if number % 200 == 0:
            producer.poll(0.02)
    if producer.flush(60):
        sys.exit("records were left unacknowledged 60 s after the broker was back")
    committer.join()


def write_kafka_python(journal):
    """kafka-python with acks=all; what it could not send within its time is not acknowledged and not written down."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", retries=1000, linger_ms=1)
    number = 0
    while not stopping.is_set():
        batch = []
        for _ in range(50):
            batch.append((number, producer.send(topic, b"%d" % number, partition=number % PARTITIONS)))
            number += 1
        for value, future in batch:
            while not stopping.is_set() or future.is_done:
                try:
                    metadata = future.get(timeout=1)
                    journal.write("r %d %d %d\n" % (metadata.partition, metadata.offset, value))
                    break
                except Exception:  # noqa: BLE001 – a record without an answer is simply not written down
                    if future.is_done:
                        break
            journal.flush()
    producer.close(timeout=10)


def verify(strict):
    """Every acknowledged record stands at its offset; an idempotent producer's stand there once and in order."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g-" + topic, "enable.auto.commit": False})
    here = {}
    for partition in range(PARTITIONS):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        consumer.assign([TopicPartition(topic, partition, low)])
        at, silent = low, 0
        while at < high:
            records = consumer.consume(5000, timeout=1)
            silent = 0 if records else silent + 1
            if silent > 20:
                sys.exit("partition %d: nothing from offset %d on, its end is %d" % (partition, at, high))
            for record in records:
                if record.error():
                    sys.exit(str(record.error()))
                here[(partition, record.offset())] = record.value().decode()
                at = record.offset() + 1
    acknowledged, commits = 0, 0
    for line in open(path):
        kind, *cells = line.split()
        if kind == "r":
            partition, offset, value = int(cells[0]), int(cells[1]), cells[2]
            acknowledged += 1
            # An idempotent producer's repeated batch may be acknowledged without its offset (-1 … KIP-98).
            if offset >= 0 and here.get((partition, offset)) != value:
                sys.exit(
                    "record %s was acknowledged at %d:%d and there is %s"
                    % (value, partition, offset, here.get((partition, offset)))
                )
        else:
            commits = max(commits, int(cells[1]))
    values = collections.Counter(here.values())
    if strict:
        twice = [value for value, count in values.items() if count > 1]
        if twice:
            sys.exit("%d records stand there twice, %s the first" % (len(twice), twice[0]))
        for partition in range(PARTITIONS):
            numbers = [int(here[place]) for place in sorted(here) if place[0] == partition]
            if numbers != sorted(numbers):
                sys.exit("partition %d is out of order" % partition)
        committed = consumer.committed([TopicPartition(topic, 0)], timeout=30)[0].offset
        if committed < commits:
            sys.exit("offset %d was committed and %d is what the group has" % (commits, committed))
    consumer.close()
    print("%d acknowledged records, %d commits, all there" % (acknowledged, commits))


if mode == "write":
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with open(path, "a") as out:
        (write_confluent if client == "confluent" else write_kafka_python)(out)
else:
    verify(client == "confluent")
