"""Program 3: confluent_kafka's producer with a delivery callback on each record, a consumer of group my_group from the
earliest record on, each record written to a file (HDFS there, a local file here).

    first_steps.py BOOTSTRAP TOPIC FILE
"""

import sys

from confluent_kafka import Consumer, KafkaError, Producer

bootstrap, topic, file = sys.argv[1:]
LINES = ["the quick brown fox", "jumps over the lazy dog", "the dog sleeps", "and the fox runs"]
reports = []


def delivery_report(err, msg):
    if err is not None:
        sys.exit("Message delivery failed: %s" % err)
    reports.append("%s [%d] %d" % (msg.topic(), msg.partition(), msg.offset()))


producer = Producer({"bootstrap.servers": bootstrap})
for number in range(100):
    producer.poll(0)
    producer.produce(topic, LINES[number % 4].encode("utf-8"), callback=delivery_report)
producer.flush()
if len(reports) != 100:
    sys.exit("%d of 100 records were reported" % len(reports))

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "my_group", "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
got = []
silent = 0
while len(got) < 100:
    msg = consumer.poll(1.0)
    if msg is None:
        silent += 1
        if silent > 30:
            sys.exit("%d of 100 records came, then 30 s nothing" % len(got))
        continue
    if msg.error():
        if msg.error().code() == KafkaError._PARTITION_EOF:
            continue
        sys.exit(str(msg.error()))
    got.append(msg.value().decode("utf-8"))
    with open(file, "a") as out:
        out.write(got[-1] + "\n")
consumer.close()
if sorted(got) != sorted(LINES * 25):
    sys.exit("other lines came back")
print("100 records reported and read")
