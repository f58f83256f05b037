"""Fills a topic, remembering outside the broker what the broker acknowledged, and compares what an archive keeps of it with
the topic: every record once, its bytes, in the folder of its hour.

    archived.py fill BOOTSTRAP TOPIC PARTITIONS COUNT
    archived.py write BOOTSTRAP TOPIC PARTITIONS JOURNAL       until SIGTERM
    archived.py check BOOTSTRAP TOPIC FORMAT FOLDER [JOURNAL]
    archived.py single BOOTSTRAP TOPIC FORMAT FILE             one file that grew (--single-file)

A journal line is `PARTITION OFFSET NUMBER` for an acknowledged record. The topic is made by the caller.
"""

import collections
import datetime
import json
import pathlib
import re
import signal
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

mode, bootstrap, topic, *rest = sys.argv[1:]
HOUR_MS = 3_600_000
# Records that `write` sends in a second.
A_SECOND = 1000
# Some hours ago: no record is from the future, none old enough for a topic's retention.
START_MS = int(time.time() * 1000) // HOUR_MS * HOUR_MS - 4 * HOUR_MS


def record(number):
    """A reading: JSON of a stable shape, some without a key, some with headers, now and then one that comes late."""
    value = {"n": number, "sensor": "s%d" % (number % 7), "temperature": number % 400 / 10 - 10, "ok": number % 5 > 0, "note": "é" * (number % 11)}
    time_ms = START_MS + number // 3000 * (HOUR_MS // 4) % (4 * HOUR_MS) + number % 3000 - (HOUR_MS if number % 97 == 96 else 0)
    return {
        "key": None if number % 3 == 0 else b"s%d" % (number % 7),
        "value": json.dumps(value, ensure_ascii=number % 2 == 0).encode(),
        "timestamp": time_ms,
        "headers": [("source", b"interop"), ("bytes", b"\x00\xff"), ("source", None)] if number % 4 == 0 else [],
    }


def producer():
    return Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 120000, "reconnect.backoff.max.ms": 200}
    )


def fill(partitions, count):
    sending = producer()
    refused = []
    for number in range(int(count)):
        while True:
            try:
                sending.produce(topic, partition=number % int(partitions), on_delivery=lambda error, _: error and refused.append(error), **record(number))
                break
            except BufferError:
                sending.poll(0.1)
        sending.poll(0)
    if sending.flush(120) or refused:
        sys.exit("records were not taken: %s" % refused[:1])


def write(partitions, path):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    sending = producer()
    with open(path, "a") as journal:

        def delivered(error, message, number):
            if error is None:
                journal.write("%d %d %d\n" % (message.partition(), message.offset(), number))
                journal.flush()

        number, began = 0, time.monotonic()
        while not stopping:
            # What is tried is the killing, not the speed.
            while number < (time.monotonic() - began) * A_SECOND and len(sending) < 20000:
                sending.produce(
                    topic, partition=number % int(partitions), on_delivery=lambda error, message, number=number: delivered(error, message, number), **record(number)
                )
                number += 1
            sending.poll(0.02)
            time.sleep(0.01)
        if sending.flush(100):
            sys.exit("records were left unacknowledged 100 s after the end")


def read_topic():
    """Everything the topic has, by partition and offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "check-" + topic, "enable.auto.commit": False})
    here = {}
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        consumer.assign([TopicPartition(topic, partition, low)])
        at, silent = low, 0
        while at < high:
            messages = consumer.consume(5000, timeout=1)
            silent = 0 if messages else silent + 1
            if silent > 30:
                sys.exit("partition %d: nothing from offset %d on, its end is %d" % (partition, at, high))
            for message in messages:
                if message.error():
                    sys.exit(str(message.error()))
                at = message.offset() + 1
                here[(partition, message.offset())] = (message.timestamp()[1], message.key(), message.value(), message.headers() or [])
    consumer.close()
    return here


def hour_folder(time_ms):
    return datetime.datetime.fromtimestamp(time_ms / 1000, datetime.timezone.utc).strftime("date=%Y-%m-%d/hour=%H")


def text_file(path, places, here):
    """Text has the values alone: which records they are is said by the file's name and its folder."""
    lines = path.read_bytes().split(b"\n")
    if lines.pop() != b"":
        sys.exit("%s does not end with a line's end" % path.name)
    values = [here[place][2] for place in places]
    if lines != values:
        at = next((i for i, (a, b) in enumerate(zip(lines, values)) if a != b), min(len(lines), len(values)))
        sys.exit("%s has %d lines, its records are %d; line %d differs: %r" % (path.name, len(lines), len(values), at, lines[at : at + 1]))
    return places


def jsonl_file(path, _, here):
    for line in path.read_bytes().splitlines():
        kept = json.loads(line)
        place = (kept["partition"], kept["offset"])
        time_ms, key, value, headers = here[place]
        text = None if key is None else key.decode()
        if (kept["topic"], kept["timestamp_ms"], kept["key"]) != (topic, time_ms, text) or value not in line or kept["value"] != json.loads(value):
            sys.exit("%s has %r where the topic has %r" % (path.name, line, here[place]))
        named = [(h["name"], bytes.fromhex(h["value_hex"]) if "value_hex" in h else None if h["value"] is None else h["value"].encode()) for h in kept["headers"]]
        if named != headers:
            sys.exit("%s has the headers %r where the topic has %r" % (path.name, named, headers))
        yield place


def parquet_file(path, _, here):
    import pyarrow.parquet

    rows = pyarrow.parquet.ParquetFile(path).read().to_pylist()
    for row in rows:
        place = (row["partition"], row["offset"])
        time_ms, key, value, headers = here[place]
        named = [(h["key"], h["value"]) for h in row["headers"] or []]
        kept = (round(row["timestamp"].timestamp() * 1000), row["key"], row["value"], named)
        if kept != (time_ms, key, value, headers):
            sys.exit("%s has %r where the topic has %r" % (path.name, kept, here[place]))
        reading = json.loads(value)
        typed = {name: row[name] for name in reading if name in row}
        if any(typed[name] != reading[name] for name in typed):
            sys.exit("%s has the columns %r beside the value %r" % (path.name, typed, value))
        yield place


READERS = {"text": ("txt", text_file), "jsonl": ("jsonl", jsonl_file), "parquet": ("parquet", parquet_file)}


def check(form, folder, journal=None):
    here = read_topic()
    of_partition = collections.defaultdict(list)
    for place in sorted(here):
        of_partition[place[0]].append(place)
    ending, reader = READERS[form]
    root = pathlib.Path(folder) / "topics" / topic
    name = re.compile(r"date=\d{4}-\d\d-\d\d/hour=\d\d/%s\+(\d+)\+(\d{20})\+(\d{20})\.%s" % (re.escape(topic), ending))
    found = collections.Counter()
    files = 0
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root).as_posix()
        if path.is_dir() or inside.startswith("_"):
            continue
        match = name.fullmatch(inside)
        if not match:
            sys.exit("there is a file %s" % inside)
        files += 1
        partition, first, last = map(int, match.groups())
        hour = inside.rpartition("/")[0]
        named = [p for p in of_partition[partition] if first <= p[1] <= last and hour_folder(here[p][0]) == hour]
        places = list(reader(path, named, here))
        if not places or (places[0], places[-1]) != ((partition, first), (partition, last)):
            sys.exit("%s holds %s to %s" % (inside, places[:1], places[-1:]))
        if places != named:
            sys.exit("%s does not hold all of its hour's records from its first to its last" % inside)
        found.update(places)
    missing = sorted(set(here) - set(found))
    twice = [place for place, count in found.items() if count > 1]
    if missing or twice:
        sys.exit("of %d records %d are missing %s, %d are there more than once %s" % (len(here), len(missing), missing[:3], len(twice), twice[:3]))
    acknowledged = 0
    if journal:
        for line in open(journal):
            partition, offset, number = map(int, line.split())
            acknowledged += 1
            # An idempotent producer's repeated batch may be acknowledged without its offset (KIP-98).
            if offset >= 0 and json.loads(here[(partition, offset)][2])["n"] != number:
                sys.exit("record %d was acknowledged at %d:%d and there is %r" % (number, partition, offset, here.get((partition, offset))))
        if len(here) < acknowledged:
            sys.exit("%d were acknowledged, the topic has %d" % (acknowledged, len(here)))
    print("%d records in %d files" % (len(here), files))


def single(form, path):
    """One file: every record once, those of a partition in their order."""
    here = read_topic()
    path = pathlib.Path(path)
    if form == "text":
        # A value that comes again comes in the same partition, later.
        of_value = collections.defaultdict(collections.deque)
        for place in sorted(here):
            of_value[here[place][2]].append(place)
        lines = path.read_bytes().split(b"\n")
        if lines.pop() != b"":
            sys.exit("%s does not end with a line's end" % path.name)
        places = []
        for line in lines:
            if not of_value.get(line):
                sys.exit("%s has a line that no record has, or once more than the records have it: %r" % (path.name, line))
            places.append(of_value[line].popleft())
    else:
        places = list(jsonl_file(path, None, here))
    for partition in sorted({place[0] for place in here}):
        kept = [place for place in places if place[0] == partition]
        wanted = sorted(place for place in here if place[0] == partition)
        if kept != wanted:
            at = next((i for i, (a, b) in enumerate(zip(kept, wanted)) if a != b), min(len(kept), len(wanted)))
            sys.exit("of partition %d there are %d records in place of %d; number %d is %s" % (partition, len(kept), len(wanted), at, kept[at : at + 1]))
    print("%d records in one file" % len(places))


{"fill": fill, "write": write, "check": check, "single": single}[mode](*rest)
