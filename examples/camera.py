#!/usr/bin/env python3
"""A camera process that gets detections from trtd through shared memory, without HTTP. Python 3.9, standard library only.

    trtd serve --producer-socket "$XDG_RUNTIME_DIR/trtd/producers"
    python3 examples/camera.py "$XDG_RUNTIME_DIR/trtd/producers" --frames 100

Without --raw or --picture it draws its frames. Replace `drawn_frames` by a camera: whatever writes packed RGB rows into the
buffer that it is given. The protocol is docs/ring.md. One JSON object a line on standard output; the exit status is 1 when a
frame was answered with an error.
"""
import argparse
import collections
import json
import mmap
import socket
import sys


class Producer:
    """One connection to trtd: a ring of slots, of which this process may write to those in `free`."""

    def __init__(self, path, slot_bytes):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r", encoding="utf-8")
        self.send({"type": "hello", "protocol": 1, "slot_bytes": slot_bytes})
        ring = self.receive()
        if ring["type"] != "ring":
            raise RuntimeError(f"{ring['code']}: {ring['detail']}. {ring['remedy']}")
        self.slot_bytes = ring["slot_bytes"]
        self.free = collections.deque(range(ring["slots"]))
        # A file and mmap: the ring stays the server's. multiprocessing.shared_memory.SharedMemory would delete it when this
        # process exits, unless it is opened with track=False (Python 3.13).
        with open(ring["path"], "r+b") as file:
            self.memory = memoryview(mmap.mmap(file.fileno(), ring["bytes"]))

    def send(self, message):
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self):
        line = self.lines.readline()
        if not line:
            raise ConnectionError("trtd closed the connection")
        return json.loads(line)

    def slot(self, number):
        """The memory of a slot that is free."""
        return self.memory[number * self.slot_bytes:(number + 1) * self.slot_bytes]

    def next_answer(self):
        """The next answer, or None for a slot that came back later than its answer. Either may free a slot."""
        message = self.receive()
        if message["type"] == "error" and message["id"] is None:
            raise RuntimeError(f"{message['code']}: {message['detail']}. {message['remedy']}")
        if message["type"] == "free" or message["free"]:
            self.free.append(message["slot"])
        return None if message["type"] == "free" else message


def drawn_frames(width, height):
    """Gray frames without end, with a white square that moves."""
    row = bytes([114]) * (3 * width)
    side = max(1, min(width, height) // 8)
    number = 0
    while True:
        left = 3 * (number * 7 % max(1, width - side))
        marked = row[:left] + b"\xff" * (3 * side) + row[left + 3 * side:]
        yield marked * side + row * (height - side)
        number += 1


def contents(path):
    """The bytes of a file, again and again."""
    with open(path, "rb") as file:
        data = file.read()
    while True:
        yield data


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("socket", help="the setting producer_socket of trtd serve")
    parser.add_argument("--raw", metavar="FILE", help="a frame to send: packed RGB, 8 bits each, --width x --height")
    parser.add_argument("--picture", metavar="FILE", help="a JPEG, PNG or WebP file to send instead of raw frames")
    parser.add_argument("--width", type=int, default=1152)
    parser.add_argument("--height", type=int, default=640)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--model", help="default: the first that is served")
    parser.add_argument("--score", type=float)
    parser.add_argument("--timeout-ms", type=int)
    args = parser.parse_args()

    wishes = {"model": args.model, "score": args.score, "timeout_ms": args.timeout_ms}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    if args.picture:
        frames = contents(args.picture)
        slot_bytes = len(next(frames))
        about = {"kind": "file", "length": slot_bytes}
    else:
        frames = contents(args.raw) if args.raw else drawn_frames(args.width, args.height)
        slot_bytes = 3 * args.width * args.height
        about = {"kind": "rgb", "width": args.width, "height": args.height}

    producer = Producer(args.socket, slot_bytes)
    failed = waiting = 0

    def take_answer():
        nonlocal failed, waiting
        answer = producer.next_answer()
        if answer is None:
            return
        waiting -= 1
        failed += answer["type"] == "error"
        print(json.dumps(answer), flush=True)

    for number in range(args.frames):
        while not producer.free:
            take_answer()
        slot = producer.free.popleft()
        frame = next(frames)
        producer.slot(slot)[:len(frame)] = frame
        producer.send({"type": "detect", "id": number, "slot": slot, **about, **wishes})
        waiting += 1
    while waiting:
        take_answer()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
