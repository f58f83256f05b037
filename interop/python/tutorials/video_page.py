"""Program 1 and 2, the showing half: a Flask page that answers with one part a record.

    video_page.py BOOTSTRAP TOPIC PORT PATH [GROUP]
"""

import sys

from flask import Flask, Response
from kafka import KafkaConsumer

bootstrap, topic, port, path = sys.argv[1:5]
group = sys.argv[5] if len(sys.argv) > 5 else None
consumer = KafkaConsumer(topic, bootstrap_servers=[bootstrap], group_id=group)
app = Flask(__name__)


@app.route(path)
def video():
    return Response(pictures(), mimetype="multipart/x-mixed-replace; boundary=frame")


@app.route("/healthy")
def healthy():
    """For the test: the consumer has its partitions, so that what is sent from now on is seen."""
    while not consumer.assignment():
        # Long: kafka-python 3.0 never finishes a join whose answer comes as a poll's time runs out.
        consumer.poll(timeout_ms=1000, max_records=1)
    for partition in consumer.assignment():
        consumer.position(partition)
    return "ok"


def pictures():
    for record in consumer:
        kind = b"image/png" if record.value[:4] == b"\x89PNG" else b"image/jpeg"
        yield b"--frame\r\nContent-Type: " + kind + b"\r\n\r\n" + record.value + b"\r\n\r\n"


app.run(host="127.0.0.1", port=int(port), debug=False)
