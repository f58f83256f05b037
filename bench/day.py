"""A day of video out of a short film: day.py BOOTSTRAP FILM DAY HOURS. Prints JSON.

Sends the pictures of the topic FILM to the topic DAY again and again, each time later, as fast as they go; the last was captured now.
"""

import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap, film, day, hours = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "a-day", "enable.auto.commit": False})
low, high = consumer.get_watermark_offsets(TopicPartition(film, 0), timeout=20)
consumer.assign([TopicPartition(film, 0, low)])
pictures = []
while len(pictures) < high - low:
    record = consumer.poll(20)
    if record is None or record.error():
        sys.exit("after %d of %d records: %s" % (len(pictures), high - low, record and record.error()))
    pictures.append((record.value(), record.key(), {name: value for name, value in record.headers()}))
first_us, next_us = (int(pictures[n][2]["pts"]) for n in (0, 1))
step_us = next_us - first_us
count = int(float(hours) * 3600e6 / step_us)
began_ms = int(time.time() * 1000) - count * step_us // 1000

producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "batch.size": 900_000, "queue.buffering.max.messages": 500_000})
for number in range(count):
    value, key, headers = pictures[number % len(pictures)]
    at_us = number * step_us
    headers = {**headers, "pts": str(at_us), "dts": str(at_us)}
    while True:
        try:
            producer.produce(day, value, key, headers=headers, timestamp=began_ms + at_us // 1000)
            break
        except BufferError:
            producer.poll(0.1)
    if number % 1000 == 0:
        producer.poll(0)
if producer.flush(60):
    sys.exit("not everything was acknowledged")
print(json.dumps({"records": count, "first_ms": began_ms, "last_ms": began_ms + (count - 1) * step_us // 1000}))
