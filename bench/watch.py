"""A viewer of the page's player socket, on the publisher's machine, so that both read the same clock.

    watch.py first URL TIMES        how long from connecting to the first picture
    watch.py delay URL SECONDS      how old each picture is when it arrives (its record's timestamp is its capture time)
    watch.py hold URL SECONDS       just watches

Prints JSON. The socket's binary frames start with 32 bytes: kind, flags, partition, duration, offset, timestamp_ms, pts.
"""

import asyncio
import json
import struct
import sys
import time

import websockets

HEAD = struct.Struct(">BBHIqqq")
FRAGMENT = 1


async def fragments(url):
    """(arrival, timestamp_ms, key, length, live) of each picture."""
    live = False
    async with websockets.connect(url, max_size=None, compression=None, proxy=None) as socket:
        async for frame in socket:
            now = time.time()
            if isinstance(frame, str):
                said = json.loads(frame)
                live = live or said["type"] == "live"
                if said["type"] == "error":
                    sys.exit(frame)
                continue
            kind, flags, _, _, _, timestamp_ms, _ = HEAD.unpack_from(frame)
            if kind == FRAGMENT:
                yield now, timestamp_ms, bool(flags & 1), len(frame) - HEAD.size, live


def at(sorted_values, part):
    return round(sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))], 1)


async def first(url, times):
    taken = []
    for _ in range(times):
        started = time.time()
        async for arrival, _, key, _, _ in fragments(url):
            if not key:
                sys.exit("the first picture is no key picture")
            taken.append((arrival - started) * 1000)
            break
        await asyncio.sleep(0.13)
    taken.sort()
    return {"times": times, "p50": at(taken, 0.5), "max": taken[-1]}


async def delay(url, seconds):
    taken, length = [], 0
    deadline = time.time() + seconds
    async for arrival, timestamp_ms, _, size, live in fragments(url):
        if live:
            taken.append(arrival * 1000 - timestamp_ms)
            length += size
        if arrival > deadline:
            break
    taken.sort()
    return {"pictures": len(taken), "bytes": length, "p50": at(taken, 0.5), "p99": at(taken, 0.99), "max": round(taken[-1], 1)}


async def hold(url, seconds):
    count = 0
    deadline = time.time() + seconds
    async for arrival, *_ in fragments(url):
        count += 1
        if arrival > deadline:
            break
    return {"pictures": count}


what, url, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
print(json.dumps(asyncio.run({"first": first, "delay": delay, "hold": hold}[what](url, number))))
