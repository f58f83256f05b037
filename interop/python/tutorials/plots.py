"""Program 4: notebooks' producers of a timestamp and a random count, and the five consumers that plot them. What each
would draw is computed as its notebook does and checked.

    plots.py BOOTSTRAP TOPIC
"""

import ast
import json
import random
import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer

bootstrap, topic = sys.argv[1:]
random.seed(9)
COUNT = 40


def check(condition, what):
    if not condition:
        sys.exit(what)


def consumer_of(name):
    """A notebook's consumer, from the beginning, in a group of its own."""
    return KafkaConsumer(
        name, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id="plot-%s" % name,
        consumer_timeout_ms=20000,
    )


def points(name, count, parse):
    """The next points with their arrival times, as they come."""
    taken = []
    consumer = consumer_of(name)
    for record in consumer:
        point = parse(record.value.decode())
        point["arrival"] = time.time()
        point["key"] = record.key
        taken.append(point)
        if len(taken) == count:
            break
    consumer.close()
    check(len(taken) == count, "%d of %d points came from %s" % (len(taken), count, name))
    return taken


def produce(name, pauses, key=None, as_text=json.dumps):
    """Sends a timestamp and a random count over and over."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, value_serializer=lambda value: as_text(value).encode())
    sent = []
    for pause in pauses:
        value = {"t": time.time(), "count": random.randint(0, 100)}
        sent.append(value)
        producer.send(name, value, key=key)
        time.sleep(pause)
    producer.flush()
    producer.close()
    return sent


# 1 and 2: a line, uniform arrival, known range; its minimum and maximum labelled.
sent = produce(topic, [0.01] * COUNT)
line = points(topic, COUNT, json.loads)
check([p["count"] for p in line] == [p["count"] for p in sent], "the line's points are not those sent")
lowest, highest = min(line, key=lambda p: p["count"]), max(line, key=lambda p: p["count"])
check(0 <= lowest["count"] <= highest["count"] <= 100, "out of the known range")

# 3: bursty arrival, creation time against arrival time; the value is a Python dict's text, as print() writes it.
bursty = topic + "-bursty"
reader_result = []
reader = threading.Thread(target=lambda: reader_result.extend(points(bursty, COUNT, ast.literal_eval)))
produce(bursty, [0.0] * 9 + [0.2] + [0.0] * 9 + [0.2] + [0.0] * 20, as_text=str)
reader.start()
reader.join()
check(len(reader_result) == COUNT, "the reader of the bursts failed")
check(all(p["arrival"] >= p["t"] for p in reader_result), "a point arrived before it was made")

# 4: the moving average of the last five values as a second line.
values = [p["count"] for p in line]
average = [sum(values[max(0, i - 4) : i + 1]) / len(values[max(0, i - 4) : i + 1]) for i in range(COUNT)]
check(average[4] == sum(p["count"] for p in sent[:5]) / 5, "the moving average is another")

# 5: three producers and the average of the three at the given time.
three = topic + "-three"
threads = [
    threading.Thread(target=produce, args=(three, [0.02] * COUNT, b"sensor-%d" % number)) for number in range(3)
]
for thread in threads:
    thread.start()
together = points(three, 3 * COUNT, json.loads)
for thread in threads:
    thread.join()
latest = {}
averages = []
for point in together:
    latest[point["key"]] = point["count"]
    if len(latest) == 3:
        averages.append(sum(latest.values()) / 3)
check(set(latest) == {b"sensor-0", b"sensor-1", b"sensor-2"}, "not three producers: %s" % (set(latest),))
check(all(0 <= value <= 100 for value in averages), "an average out of range")
print("five plots: %s" % json.dumps(values))
