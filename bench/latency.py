"""Produce latency as librdkafka measures it: from handing a record over to its acknowledgement.

    latency.py BOOTSTRAP TOPIC ACKS RECORDS RATE

Sends records of 1 kB at an even rate, nothing batched (linger.ms=0), and prints JSON: p50, p99, p999, max in ms.
"""

import json
import os
import sys
import time

from confluent_kafka import Producer

bootstrap, topic, acks, count, rate = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
value = os.urandom(1000)
taken = []


def delivered(error, record):
    if error:
        sys.exit(str(error))
    taken.append(record.latency() * 1000)


producer = Producer({"bootstrap.servers": bootstrap, "acks": acks, "linger.ms": 0, "socket.nagle.disable": True})
WARM = 200
start = None
for number in range(WARM + count):
    if number == WARM:
        producer.flush(60)
        taken.clear()
        start = time.perf_counter() - WARM / rate
    if start is None:
        producer.produce(topic, value, on_delivery=delivered)
        producer.poll(0.002)
        continue
    due = start + number / rate
    while (left := due - time.perf_counter()) > 0:
        producer.poll(min(left, 0.001))
    producer.produce(topic, value, on_delivery=delivered)
producer.flush(60)
taken.sort()


def at(part):
    return round(taken[min(len(taken) - 1, int(len(taken) * part))], 2)


print(json.dumps({"records": len(taken), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1)}))
