"""How many bytes the values of a topic hold: topic_bytes.py BOOTSTRAP TOPIC. Prints JSON."""

import json
import sys

from confluent_kafka import Consumer, TopicPartition

consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "counts-bytes", "enable.auto.commit": False})
place = TopicPartition(sys.argv[2], 0)
low, high = consumer.get_watermark_offsets(place, timeout=20)
consumer.assign([TopicPartition(sys.argv[2], 0, low)])
records = length = 0
while records < high - low:
    record = consumer.poll(20)
    if record is None or record.error():
        sys.exit("after %d of %d records: %s" % (records, high - low, record and record.error()))
    records += 1
    length += len(record.value())
print(json.dumps({"records": records, "bytes": length}))
