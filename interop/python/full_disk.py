"""Writes until the broker refuses, then checks that reading goes on and that what was acknowledged is there.

    full_disk.py BOOTSTRAP TOPIC fill|read|write COUNT

`fill` prints how many records were acknowledged before the first refusal; `read COUNT` checks that at least that many are
there, in order; `write COUNT` writes a few more once there is space again.
"""

import os
import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

bootstrap, topic, mode, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
FILLER = os.urandom(100_000)


def produce(number_from, limit):
    """Acknowledged records and the first refusal."""
    refused = []
    acknowledged = []
    producer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "message.timeout.ms": 15000, "retries": 0,
         "queue.buffering.max.kbytes": 4096}
    )

    def delivered(error, record):
        if error:
            refused.append(error)
        else:
            acknowledged.append(record.offset())

    for number in range(number_from, number_from + limit):
        while True:
            try:
                producer.produce(topic, b"%08d" % number + FILLER, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        if refused:
            break
    producer.flush(60)
    return acknowledged, refused


if mode == "fill":
    acknowledged, refused = produce(0, 5000)
    if not refused:
        sys.exit("500 MB fitted: the disk is not as small as it should be")
    print(len(acknowledged), refused[0].name())
elif mode == "write":
    acknowledged, refused = produce(10_000, count)
    if refused or len(acknowledged) != count:
        sys.exit("with space again: %d acknowledged, refused: %s" % (len(acknowledged), refused[:1]))
    print(len(acknowledged))
else:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
    consumer.assign([TopicPartition(topic, 0, low)])
    seen, silent = 0, 0
    while seen < high - low:
        record = consumer.poll(1)
        silent = 0 if record else silent + 1
        if silent > 20:
            sys.exit("%d of %d records came" % (seen, high - low))
        if record is None:
            continue
        if record.error():
            raise KafkaException(record.error())
        if len(record.value()) != 8 + len(FILLER):
            sys.exit("the record at %d is not whole" % record.offset())
        seen += 1
    if seen < count:
        sys.exit("%d records were acknowledged, %d are there" % (count, seen))
    print(seen)
