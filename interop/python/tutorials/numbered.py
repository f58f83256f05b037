"""Pictures that carry their own number, so that a viewer can tell which of them it was shown, in which order.

    numbered.py FILE COUNT      writes a video of COUNT numbered pictures with OpenCV

The number stands as eight black or white blocks, bright and large enough to survive JPEG and a video codec.
"""

import sys

import cv2
import numpy

WIDTH, HEIGHT, BITS = 320, 240, 8


def draw(number):
    """A picture with the number in it and something that moves."""
    picture = numpy.full((HEIGHT, WIDTH, 3), 90, numpy.uint8)
    cv2.circle(picture, (20 + number * 7 % (WIDTH - 40), 180), 18, (40, 200, 240), -1)
    for bit in range(BITS):
        left = bit * WIDTH // BITS
        picture[:60, left : left + WIDTH // BITS] = 255 if number >> bit & 1 else 0
    return picture


def read(picture):
    """The number of a picture that `draw` made."""
    scale = picture.shape[1] / WIDTH
    number = 0
    for bit in range(BITS):
        x = int((bit + 0.5) * WIDTH / BITS * scale)
        y = int(30 * scale)
        if picture[y - 5 : y + 5, x - 5 : x + 5].mean() > 127:
            number |= 1 << bit
    return number


if __name__ == "__main__":
    writer = cv2.VideoWriter(sys.argv[1], cv2.VideoWriter_fourcc(*"mp4v"), 25, (WIDTH, HEIGHT))
    for n in range(int(sys.argv[2])):
        writer.write(draw(n))
    writer.release()
