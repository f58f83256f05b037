"""The notebooks' producers of a timestamp and a random count, and what `weir process average` and `combine` must make of it.

    averages.py produce BOOTSTRAP TOPIC COUNT
    averages.py verify BOOTSTRAP TOPIC AVERAGES COMBINED COUNT EVERY_MS

`produce` runs three kafka-python producers side by side: one sends JSON, one the str of a dict, one both in turn; now and then
something that is no number. `verify` computes the averages itself and compares them with the results as kafka-python and
confluent-kafka read them, both with their own defaults.
"""

import ast
import json
import random
import sys
import threading
import time

from confluent_kafka import Consumer
from kafka import KafkaConsumer, KafkaProducer

KEYS = ["sensor-0", "sensor-1", "sensor-2"]


def check(condition, what):
    if not condition:
        sys.exit(what)


def produce(bootstrap, topic, count):
    """Each producer sends `count` numbers."""

    def run(number):
        producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
        for at in range(count):
            value = {"timestamp": time.time(), "count": random.randint(0, 100)}
            as_text = [json.dumps, str, [json.dumps, str][at % 2]][number]
            producer.send(topic, as_text(value).encode(), key=KEYS[number].encode())
            if at % 20 == 7:
                producer.send(topic, [b"hello", b"\xff\xfe", b"NaN"][number], key=KEYS[number].encode())
            time.sleep(0.02)
        producer.flush()
        producer.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def with_kafka_python(bootstrap, topic):
    """Every record as (key, value), in order."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False,
        consumer_timeout_ms=4000,
    )
    records = [(record.key.decode(), record.value) for record in consumer]
    consumer.close()
    return records


def with_confluent(bootstrap, topic):
    """The same, by librdkafka."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "verify-" + topic, "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([topic])
    records, quiet_since = [], time.time()
    while time.time() - quiet_since < 4:
        record = consumer.poll(0.2)
        if record is None:
            continue
        check(record.error() is None, str(record.error()))
        records.append((record.key().decode(), record.value()))
        quiet_since = time.time()
    consumer.close()
    return records


def numbers(records):
    """(key, event time in ms, count) of those that are numbers, as a notebook reads them."""
    for key, value in records:
        try:
            point = ast.literal_eval(value.decode())
            yield key, point["timestamp"] * 1e3, point["count"]
        except (ValueError, SyntaxError, TypeError, UnicodeDecodeError):
            continue


def verify(bootstrap, topic, averages, combined, count, every_ms):
    """Compares and says what was seen."""
    sent = list(numbers(with_kafka_python(bootstrap, topic)))
    check(len(sent) == 3 * count, "%d numbers are in the topic, not %d" % (len(sent), 3 * count))
    expected, seen = [], {key: [] for key in KEYS}
    for key, t_ms, value in sent:
        seen[key].append(value)
        last = seen[key][-5:]
        expected.append((key, t_ms, sum(last) / len(last), len(last)))

    results = with_kafka_python(bootstrap, averages)
    check(results == with_confluent(bootstrap, averages), "the two clients read other averages")
    check(len(results) == len(expected), "%d averages of %d numbers" % (len(results), len(expected)))
    for (key, value), (wanted_key, t_ms, average, of) in zip(results, expected):
        got = json.loads(value)
        same = key == wanted_key and abs(got["t"] - t_ms) < 1e-3 and abs(got["average"] - average) < 1e-9
        check(same and got["count"] == of, "%s %s instead of %s of %s" % (key, got, average, wanted_key))

    instants = with_kafka_python(bootstrap, combined)
    check(instants == with_confluent(bootstrap, combined), "the two clients read other instants")
    instants = [json.loads(value) for _, value in instants]
    times = [instant["t"] for instant in instants]
    steps = {after - before for before, after in zip(times, times[1:])}
    check(steps == {every_ms}, "the instants' steps are %s" % sorted(steps))
    newest = min(max(t for key, t, _ in sent if key == wanted) for wanted in KEYS)
    check(times[-1] > newest - every_ms, "the last instant is %d ms old" % (newest - times[-1]))
    for instant in instants:
        values = {}
        for key, t_ms, value in sent:
            if t_ms <= instant["t"]:
                values[key] = value
        got = {key: instant[key] for key in KEYS if key in instant}
        check(got == values, "at %d %s instead of %s" % (instant["t"], got, values))
        check(abs(instant["average"] - sum(values.values()) / len(values)) < 1e-9, "the average of %s" % instant)
    print("%d averages and %d instants, each once" % (len(results), len(instants)))


if __name__ == "__main__":
    if sys.argv[1] == "produce":
        produce(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        verify(*sys.argv[2:6], int(sys.argv[6]), int(sys.argv[7]))
