"""Writes a topic to Parquet files with confluent-kafka and pyarrow. It is what `weir archive` is measured beside, written twice:
as the libraries' introductions have it (one `poll` a record, `json.loads`, `pyarrow.parquet.write_table`), and as well as it can
be done (batches of 10,000, no dictionaries where they do not pay, `json` or pyarrow for the values).

    parquet_writer.py fill BOOTSTRAP TOPIC PARTITIONS COUNT     JSON records of 1 kB
    parquet_writer.py plain BOOTSTRAP TOPIC FOLDER              the members of the values, as the introductions have it, to the same end
    parquet_writer.py write BOOTSTRAP TOPIC json FOLDER         until the end that the topic has at the start, with json.loads
    parquet_writer.py write BOOTSTRAP TOPIC arrow FOLDER        the same with pyarrow.json, for values that are lines of JSON

The files of `write` have what weir's have: offset, partition, timestamp, key, value, headers, and a column for each member of the JSON
values; Snappy, rolled at 64 MiB of values, in a folder for each partition. Nothing is committed and nothing survives a kill.
"""

import io
import json
import pathlib
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

mode, bootstrap, topic, *rest = sys.argv[1:]
BATCH = 10_000
ROLL_BYTES = 64 << 20
LEN_BYTES = 1000


def fill(partitions, count):
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "batch.size": 1 << 20, "queue.buffering.max.messages": 500_000})
    words = "weir carries live video numbers and text through a log and shows processes and archives them as they pass".split()
    start_ms = int(time.time() * 1000) // 3_600_000 * 3_600_000 - 3_600_000
    for number in range(int(count)):
        value = {"n": number, "sensor": "s%d" % (number % 50), "celsius": number % 4000 / 100 - 10, "ok": number % 5 > 0, "note": ""}
        note = " ".join(words[(number * 7 + i * i) % len(words)] for i in range(60))
        # A text of the length that makes the record 1,000 bytes.
        value["note"] = (note * 4)[: LEN_BYTES - len(json.dumps(value))]
        while True:
            try:
                producer.produce(topic, json.dumps(value), key=value["sensor"], partition=number % int(partitions), timestamp=start_ms + number)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(120):
        sys.exit("the broker did not take all records")


class File:
    """The Parquet file that a partition's records go to at the moment."""

    def __init__(self, folder, reader):
        self.folder, self.reader, self.writer, self.len_bytes = folder, reader, None, 0
        folder.mkdir(parents=True)

    def write(self, messages):
        import pyarrow
        import pyarrow.json
        import pyarrow.parquet

        values = [message.value() for message in messages]
        if self.reader == "arrow":
            members = pyarrow.json.read_json(io.BytesIO(b"\n".join(values)))
        else:
            members = pyarrow.Table.from_pylist([json.loads(value) for value in values])
        header = pyarrow.struct([("key", pyarrow.string()), ("value", pyarrow.binary())])
        own = {
            "offset": pyarrow.array([message.offset() for message in messages], pyarrow.int64()),
            "partition": pyarrow.array([message.partition() for message in messages], pyarrow.int32()),
            "timestamp": pyarrow.array([message.timestamp()[1] for message in messages], pyarrow.timestamp("ms", "UTC")),
            "key": pyarrow.array([message.key() for message in messages], pyarrow.binary()),
            "value": pyarrow.array(values, pyarrow.binary()),
            "headers": pyarrow.array([message.headers() or [] for message in messages], pyarrow.list_(header)),
        }
        table = pyarrow.table({**own, **{name: members[name] for name in members.column_names}})
        if self.writer is None:
            # As weir has it: no dictionary of values that never come again.
            repeated = [name for name in table.column_names if name not in ("offset", "timestamp", "value")]
            path = self.folder / ("%020d.parquet" % messages[0].offset())
            self.writer = pyarrow.parquet.ParquetWriter(path, table.schema, compression="snappy", use_dictionary=repeated)
        self.writer.write_table(table)
        self.len_bytes += sum(map(len, values))
        if self.len_bytes >= ROLL_BYTES:
            self.close()

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.writer, self.len_bytes = None, 0


def write(reader, folder):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "parquet-writer",
            "enable.auto.commit": False,
            "fetch.min.bytes": 1,
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 256 << 10,
        }
    )
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    left, files = {}, {}
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        left[partition] = high - low
        files[partition] = File(pathlib.Path(folder) / ("partition=%d" % partition), reader)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    held = {partition: [] for partition in partitions}
    total = sum(left.values())
    while any(left.values()):
        for message in consumer.consume(BATCH, timeout=1):
            if message.error():
                sys.exit(str(message.error()))
            held[message.partition()].append(message)
            left[message.partition()] -= 1
        for partition, messages in held.items():
            if len(messages) >= BATCH or (messages and left[partition] <= 0):
                files[partition].write(messages)
                held[partition] = []
    for file in files.values():
        file.close()
    consumer.close()
    print("%d records" % total)


def plain(folder):
    import pyarrow
    import pyarrow.parquet

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "plain-parquet-writer", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    left = 0
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        left += high - low
    consumer.subscribe([topic])
    number, rows = 0, []
    while left > 0:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            sys.exit(str(message.error()))
        rows.append(json.loads(message.value()))
        left -= 1
        if len(rows) == 5 * BATCH or left == 0:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / ("%06d.parquet" % number))
            number, rows = number + 1, []
    consumer.close()
    print("%d files" % number)


{"fill": fill, "plain": plain, "write": write}[mode](*rest)
