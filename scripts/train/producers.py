"""Processes that draw pictures without end into shared memory, and the store on the GPU that training samples from."""

import multiprocessing
import os
import threading

import cv2
import numpy as np
import torch

from backgrounds import Backgrounds
from codes import Assets
from lettering import Lettering
from picture import make_measured
from scene import INPUT_PX
from symbols import SymbolLibrary

# Boxes kept of one picture; a picture with more is drawn anew.
BOXES_MAX = 64
PICTURE_SHAPE = (INPUT_PX, INPUT_PX, 3)
PICTURE_BYTES = INPUT_PX * INPUT_PX * 3
# Training and validation never share a stream of random numbers, nor a background.
VALIDATION_SEED = 990_001
_context = multiprocessing.get_context("fork")


def load_assets(folder: str, split: str) -> Assets:
    """Assets of `folder`: symbols.npz, backgrounds.npz (its `split`) and fonts/."""
    return Assets(
        SymbolLibrary(os.path.join(folder, "symbols.npz")),
        Backgrounds(os.path.join(folder, "backgrounds.npz"), split),
        Lettering(os.path.join(folder, "fonts")),
    )


class SharedPictures:
    """`count` pictures [count, 640, 640, 3] uint8 and their boxes [count, BOXES_MAX, 6] f32, shared by fork.

    A box is class (-1 is padding), x1, y1, x2, y2 and the margin of `picture.make_measured`.
    """

    def __init__(self, count: int):
        self._pictures = _context.RawArray("B", count * PICTURE_BYTES)
        self._boxes = _context.RawArray("f", count * BOXES_MAX * 6)
        self.pictures = np.frombuffer(self._pictures, np.uint8).reshape(count, *PICTURE_SHAPE)
        self.boxes = np.frombuffer(self._boxes, np.float32).reshape(count, BOXES_MAX, 6)

    def put(self, slot: int, picture: np.ndarray, boxes: np.ndarray) -> None:
        self.pictures[slot] = picture
        self.boxes[slot] = -1
        self.boxes[slot, : len(boxes)] = boxes


class Producers:
    """`workers` processes. Each first draws its part of the validation set, then training pictures until it is ended."""

    def __init__(self, folder: str, seed: int, workers: int, streams: int, validation: int, slots: int = 192):
        self.validation = SharedPictures(max(1, validation))
        self.validation_done = _context.Value("i", 0)
        self.rings = [SharedPictures(slots) for _ in range(streams)]
        self.free = [_context.Queue() for _ in range(streams)]
        self.ready = [_context.Queue() for _ in range(streams)]
        for queue in self.free:
            for slot in range(slots):
                queue.put(slot)
        train, held_out = load_assets(folder, "train"), load_assets(folder, "val")
        self._processes = [
            _context.Process(target=self._draw, args=(worker, workers, seed, streams, validation, train, held_out), daemon=True)
            for worker in range(workers)
        ]
        for process in self._processes:
            process.start()

    def _draw(self, worker: int, workers: int, seed: int, streams: int, validation: int, train: Assets, held_out: Assets) -> None:
        cv2.setNumThreads(1)
        os.nice(15)
        for index in range(worker, validation, workers):
            picture, boxes = make_measured(VALIDATION_SEED, index, held_out)
            self.validation.put(index, picture, boxes[:BOXES_MAX])
            with self.validation_done.get_lock():
                self.validation_done.value += 1
        stream, index = worker % streams, worker
        while True:
            picture, boxes = make_measured(seed, index, train)
            index += workers
            if len(boxes) > BOXES_MAX:
                continue
            slot = self.free[stream].get()
            self.rings[stream].put(slot, picture, boxes)
            self.ready[stream].put(slot)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()


class PictureStore:
    """Pictures on the device, `capacity` at most; a thread keeps filling it, the oldest give way. Sampled at random."""

    def __init__(self, producers: Producers, stream: int, capacity: int, device: torch.device):
        self._ring, self._free, self._ready = producers.rings[stream], producers.free[stream], producers.ready[stream]
        self._pictures = torch.empty((capacity, *PICTURE_SHAPE), dtype=torch.uint8, device=device)
        self._boxes = torch.empty((capacity, BOXES_MAX, 6), device=device)
        self.capacity, self.device, self.received = capacity, device, 0
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        with torch.cuda.stream(stream) if stream else torch.no_grad():
            while True:
                slot = self._ready.get()
                at = self.received % self.capacity
                self._pictures[at].copy_(torch.from_numpy(self._ring.pictures[slot]))
                self._boxes[at].copy_(torch.from_numpy(self._ring.boxes[slot]))
                if stream:
                    stream.synchronize()
                self._free.put(slot)
                self.received += 1

    def __len__(self) -> int:
        return min(self.received, self.capacity)

    def sample(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures [count, 3, 640, 640] uint8 (channels last in memory) and boxes [count, BOXES_MAX, 6]."""
        chosen = torch.randint(0, len(self), (count,), device=self.device)
        return self._pictures[chosen].permute(0, 3, 1, 2), self._boxes[chosen]
