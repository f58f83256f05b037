"""Program 1 and 2, the sending half: OpenCV reads a video file, each picture is encoded and sent with kafka-python's
default settings, 0.2 s apart.

    video_publisher.py BOOTSTRAP TOPIC FILE .png|.jpg
"""

import sys
import time

import cv2
from kafka import KafkaProducer

bootstrap, topic, file, encoding = sys.argv[1:]
producer = KafkaProducer(bootstrap_servers=bootstrap)
video = cv2.VideoCapture(file)
print("publishing video...")
while video.isOpened():
    success, frame = video.read()
    if not success:
        break
    ok, buffer = cv2.imencode(encoding, frame)
    producer.send(topic, buffer.tobytes())
    time.sleep(0.2)
video.release()
producer.flush()
print("publish complete")
