"""A browser's part: opens a multipart page, takes some pictures, closes it, and prints their numbers.

    watch.py URL COUNT [opencv]     with `opencv`, OpenCV's own reader opens the page
"""

import sys

import cv2
import numpy
import requests

from numbered import read

url, count = sys.argv[1], int(sys.argv[2])


def pictures_by_hand():
    """Splits the answer at its boundary, as a browser does."""
    answer = requests.get(url, stream=True, timeout=20)
    if answer.status_code != 200:
        sys.exit("%s answered %d: %s" % (url, answer.status_code, answer.text[:300]))
    kind = answer.headers["content-type"]
    if not kind.startswith("multipart/x-mixed-replace") or "boundary=frame" not in kind:
        sys.exit("the content type is %s" % kind)
    held = b""
    for piece in answer.iter_content(None):
        held += piece
        while True:
            start = held.find(b"--frame\r\n")
            head = held.find(b"\r\n\r\n", start)
            end = held.find(b"\r\n--frame", head)
            # A part that states its length is whole before the next boundary has come.
            stated = [line for line in held[start:head].lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if stated and head >= 0:
                end = head + 4 + int(stated[0].split(b":")[1])
                if len(held) < end:
                    break
            if start < 0 or head < 0 or end < 0:
                break
            picture = cv2.imdecode(numpy.frombuffer(held[head + 4 : end], numpy.uint8), cv2.IMREAD_COLOR)
            held = held[end:]
            if picture is None:
                sys.exit("a part is no picture")
            yield picture


def pictures_by_opencv():
    """OpenCV opens the address as it opens a camera."""
    video = cv2.VideoCapture(url)
    while True:
        good, picture = video.read()
        if not good:
            sys.exit("OpenCV got no picture from %s" % url)
        yield picture


source = pictures_by_opencv() if "opencv" in sys.argv else pictures_by_hand()
numbers = []
for picture in source:
    numbers.append(read(picture))
    if len(numbers) == count:
        break
if len(numbers) < count:
    sys.exit("the page ended after %d of %d pictures" % (len(numbers), count))
print(" ".join(map(str, numbers)))
