"""Trains the detector on pictures that are drawn while it learns.

    python train.py --assets assets --out out --minutes 9 [--resume out/checkpoint.pt]

Runs on as many GPUs as there are (gradients are averaged over NCCL), or on the CPU. Every picture follows from the seed;
how many of them a step has seen depends on the machine's speed, so two runs agree in quality and not in bits.
"""

import argparse
import copy
import json
import math
import os
import subprocess
import time
from pathlib import Path

import torch
import torch.distributed as dist

from augment import augment, targets_of
from evaluate import detections_of, report, summarize
from loss import DetectionLoss
from network import Decoded, Detector
from producers import PICTURE_BYTES, PictureStore, Producers, _context
from scene import INPUT_PX
from symbols import LABELS

AVERAGE_DECAY, AVERAGE_RAMP_STEPS = 0.9995, 800
# The last share of training sees no pictures made of quarters: what remains is as pictures are.
QUARTERS_END = 0.85


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--assets", required=True, help="folder with symbols.npz, backgrounds.npz and fonts/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=9.0, help="wall-clock budget, validation included")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128, help="pictures a step on each GPU")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate")
    parser.add_argument("--last-rate", type=float, default=0.01, help="share of the rate at the end")
    parser.add_argument("--warmup", type=int, default=250, help="steps in which the rate rises")
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 3))
    parser.add_argument("--validation", type=int, default=1000, help="held-out pictures")
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps instead of by time")
    parser.add_argument("--quarters", type=float, default=0.12, help="share of pictures made of four at half size")
    return parser.parse_args()


def parameter_groups(model: torch.nn.Module, decay: float) -> list[dict]:
    """Weights of convolutions decay; norms and biases do not."""
    heavy = [p for p in model.parameters() if p.ndim > 1]
    light = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]


class Average:
    """A running average of the weights: what is validated and exported."""

    def __init__(self, model: torch.nn.Module):
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        self.steps += 1
        decay = AVERAGE_DECAY * (1 - math.exp(-self.steps / AVERAGE_RAMP_STEPS))
        mine, theirs = list(self.model.state_dict().values()), list(model.state_dict().values())
        floats = [(a, b) for a, b in zip(mine, theirs, strict=True) if a.is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)


def share_gradients(model: torch.nn.Module, world: int) -> None:
    flat = torch.cat([p.grad.reshape(-1) for p in model.parameters()])
    dist.all_reduce(flat)
    flat /= world
    at = 0
    for p in model.parameters():
        p.grad.copy_(flat[at : at + p.numel()].view_as(p))
        at += p.numel()


def save(out: Path, average: Average, extra: dict) -> None:
    temporary = out / "checkpoint.pt.part"
    torch.save({"model": average.model.state_dict(), "labels": LABELS, **extra}, temporary)
    os.replace(temporary, out / "checkpoint.pt")


@torch.no_grad()
def validate(model: torch.nn.Module, producers: Producers, count: int, device: torch.device) -> tuple[dict, list]:
    """Scores of the averaged model over the held-out pictures, and each picture's detections."""
    decoded = Decoded(model, INPUT_PX).to(device).eval()
    found, truth = [], []
    for start in range(0, count, 50):
        pictures = torch.from_numpy(producers.validation.pictures[start : min(count, start + 50)]).to(device)
        output = decoded(pictures.permute(0, 3, 1, 2).float() / 255).float().cpu().numpy()
        found += [detections_of(one, 0.01, 0.6, 200) for one in output]
    for boxes in producers.validation.boxes[:count]:
        truth.append(boxes[boxes[:, 0] >= 0, :5])
    return summarize(found, truth, LABELS, 0.25), found


def learn(rank: int, world: int, producers: Producers, arguments: argparse.Namespace, started: float) -> None:
    """The training loop of one process."""
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", rank) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    if world > 1:
        dist.init_process_group("nccl", init_method=f"file://{arguments.out.resolve()}/meeting", rank=rank, world_size=world)
    torch.manual_seed(arguments.seed)
    model = Detector(len(LABELS)).to(device, memory_format=torch.channels_last)
    if arguments.resume:
        model.load_state_dict(torch.load(arguments.resume, map_location=device)["model"])
    torch.manual_seed(arguments.seed * 7919 + rank)
    average = Average(model)
    if arguments.resume:
        average.steps = 4 * AVERAGE_RAMP_STEPS
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else 1 << 30
    capacity = int(min(70_000, max(64, (free - 34e9) / PICTURE_BYTES)) if on_gpu else 64)
    store = PictureStore(producers, rank, capacity, device)
    loss_of = DetectionLoss(len(LABELS), INPUT_PX, device)
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.03), lr=arguments.rate, betas=(0.9, 0.99), fused=on_gpu)
    quartered = int(arguments.batch * arguments.quarters)
    deadline = started + arguments.minutes * 60
    reserve = 25 if on_gpu else 5
    need = min(capacity, 3 * arguments.batch if arguments.steps else 2000)
    while len(store) < need and arguments.batch > len(store):
        time.sleep(0.05)
    begun, step, saved, spoken, sums = time.time(), 0, time.time(), time.time(), torch.zeros(3, device=device)
    while True:
        progress = step / arguments.steps if arguments.steps else (time.time() - begun) / (deadline - reserve - begun)
        if world > 1:
            shared = torch.tensor([progress], device=device)
            dist.broadcast(shared, 0)
            progress = float(shared)
        if progress >= 1:
            break
        rate = (
            arguments.rate
            * min(1, (step + 1) / arguments.warmup)
            * (arguments.last_rate + (1 - arguments.last_rate) * (1 + math.cos(math.pi * progress)) / 2)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        fours = quartered if progress < QUARTERS_END else 0
        pictures, boxes = augment(*store.sample(arguments.batch + 3 * fours), fours)
        labels, goals, real, doubtful = targets_of(boxes)
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            distances, logits = model(pictures)
        total, parts = loss_of(distances, logits, labels, goals, real, doubtful)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        if world > 1:
            share_gradients(model, world)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        average.update(model)
        sums += parts
        step += 1
        if rank == 0 and (step % 100 == 0 or (not on_gpu and step % 5 == 0)):
            box, cls, distance = (sums / (100 if on_gpu else 5)).tolist()
            sums.zero_()
            speed = (100 if on_gpu else 5) * arguments.batch * world / (time.time() - spoken)
            spoken = time.time()
            print(
                f"step {step} at {time.time() - started:.0f} s: box {box:.3f} class {cls:.3f} distance {distance:.3f} rate {rate:.2e}, {speed:.0f} pictures/s, {store.received * world} drawn",
                flush=True,
            )
        if rank == 0 and time.time() - saved > 60:
            saved = time.time()
            save(arguments.out, average, {"step": step})
    if rank == 0:
        finish(
            average,
            producers,
            arguments,
            device,
            {"step": step, "pictures_drawn": store.received * world, "seconds": time.time() - started, "batch": arguments.batch * world},
        )
    if world > 1:
        dist.barrier()
        dist.destroy_process_group()


def finish(average: Average, producers: Producers, arguments: argparse.Namespace, device: torch.device, extra: dict) -> None:
    """Saves the averaged weights, then validates them."""
    save(arguments.out, average, extra)
    count = min(arguments.validation, producers.validation_done.value)
    if count == 0:
        return
    summary, _ = validate(average.model, producers, count, device)
    (arguments.out / "metrics.json").write_text(json.dumps({**extra, **summary}, indent=1))
    print(report(summary), flush=True)


def main() -> None:
    arguments = parse()
    started = time.time()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "meeting").unlink(missing_ok=True)
    world = max(1, count_gpus())
    producers = Producers(arguments.assets, arguments.seed, max(world, arguments.workers), world, arguments.validation)
    if world == 1:
        learn(0, 1, producers, arguments, started)
    else:
        ranks = [_context.Process(target=learn, args=(rank, world, producers, arguments, started)) for rank in range(world)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
    producers.stop()
    (arguments.out / "meeting").unlink(missing_ok=True)


def count_gpus() -> int:
    """GPUs, counted without starting CUDA in this process: the ranks are forked from it."""
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout.count("GPU ")
    except (OSError, subprocess.CalledProcessError):
        return 0


if __name__ == "__main__":
    main()
