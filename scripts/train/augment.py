"""Changes made to whole batches on the GPU: turns, mirrors, quarters, colour and noise.

Boxes are [N, M, 6]: class (-1 padding, -2 doubtful), x1, y1, x2, y2, margin. A doubtful code is neither asked for nor forbidden.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def turn(pictures: Tensor, boxes: Tensor, kind: int) -> tuple[Tensor, Tensor]:
    """One of the eight symmetries of the square."""
    side = pictures.shape[-1]
    label, x1, y1, x2, y2, margin = boxes.unbind(-1)
    if kind & 1:
        pictures = pictures.flip(3)
        x1, x2 = side - x2, side - x1
    if kind & 2:
        pictures = pictures.flip(2)
        y1, y2 = side - y2, side - y1
    if kind & 4:
        pictures = pictures.transpose(2, 3)
        x1, y1, x2, y2 = y1, x1, y2, x2
    return pictures, torch.stack([label, x1, y1, x2, y2, margin], -1)


def quarters(pictures: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Four pictures at half size in one, [4 N, ...] -> [N, ...]; boxes [4 N, M, 6] -> [N, 4 M, 6]. Codes now too fine are doubtful."""
    count, side = len(pictures) // 4, pictures.shape[-1]
    small = F.avg_pool2d(pictures, 2).unflatten(0, (4, count))
    top, foot = torch.cat([small[0], small[1]], 3), torch.cat([small[2], small[3]], 3)
    halved = boxes.clone()
    halved[..., 1:] *= 0.5
    halved = halved.unflatten(0, (4, count))
    shifts = torch.tensor([[0, 0, 0, 0, 0, 0], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0], [0, 1, 1, 1, 1, 0]], device=boxes.device) * side / 2
    halved = halved + shifts[:, None, None]
    sides = halved[..., 3:5] - halved[..., 1:3]
    clear = (sides.amax(-1) >= 12) & (sides.amin(-1) >= 4.5) & (halved[..., 5] >= 0.9)
    halved[..., 0] = torch.where(clear | (halved[..., 0] < 0), halved[..., 0], -2.0)
    return torch.cat([top, foot], 2), torch.cat(list(halved), 1)


def recolour(pictures: Tensor) -> Tensor:
    """Exposure, contrast, white balance, grey, noise and softness, drawn for each picture."""
    count, device = len(pictures), pictures.device

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.rand((count, channels, 1, 1), device=device) * (high - low) + low

    def some(chance: float) -> Tensor:
        return (torch.rand((count, 1, 1, 1), device=device) < chance).to(pictures.dtype)

    gain = 1 + some(0.6) * (draw(0.7, 1.3) - 1)
    balance = 1 + some(0.4) * (draw(0.85, 1.15, 3) - 1)
    pictures = (pictures - 0.5) * gain * balance + 0.5 + some(0.5) * draw(-0.12, 0.12)
    gray = pictures.mean(1, keepdim=True)
    pictures = torch.lerp(pictures, gray.expand_as(pictures), some(0.1).expand_as(pictures))
    pictures = pictures + torch.randn_like(pictures) * some(0.25) * draw(0, 0.05)
    soft = F.avg_pool2d(pictures, 3, 1, 1)
    return torch.lerp(pictures, soft, (some(0.12) * draw(0.3, 1)).expand_as(pictures)).clamp(0, 1)


def augment(pictures: Tensor, boxes: Tensor, quartered: int) -> tuple[Tensor, Tensor]:
    """`pictures` [N, 3, S, S] uint8 -> [N - 3 * quartered, 3, S, S] f32 0..1: the first 4 * `quartered` become quarters."""
    pictures = pictures.float() / 255
    if quartered:
        mixed, mixed_boxes = quarters(pictures[: 4 * quartered], boxes[: 4 * quartered])
        boxes = F.pad(boxes[4 * quartered :], (0, 0, 0, mixed_boxes.shape[1] - boxes.shape[1]), value=-1)
        pictures, boxes = torch.cat([mixed, pictures[4 * quartered :]]), torch.cat([mixed_boxes, boxes])
    kinds = torch.randint(0, 8, (8,)).tolist()
    turned = [turn(p, b, kind) for p, b, kind in zip(pictures.chunk(8), boxes.chunk(8), kinds, strict=False)]
    pictures, boxes = torch.cat([p for p, _ in turned]), torch.cat([b for _, b in turned])
    return recolour(pictures).contiguous(memory_format=torch.channels_last), boxes


def packed(boxes: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The `wanted` [N, M] of boxes [N, M, 6] moved to the front: [N, K, 6] and [N, K] bool, with K the most in the batch."""
    order = wanted.int().argsort(dim=1, descending=True, stable=True)
    most = max(1, int(wanted.sum(1).max()))
    return boxes.gather(1, order[:, :most, None].expand(-1, -1, 6)), wanted.gather(1, order[:, :most])


def targets_of(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Padded boxes -> labels [N, K] int64, corners [N, K, 4], real [N, K] bool, and doubtful corners [N, D, 4] (0 is padding)."""
    goals, real = packed(boxes, boxes[..., 0] >= 0)
    doubtful, some = packed(boxes, boxes[..., 0] == -2)
    return goals[..., 0].clamp(min=0).long(), goals[..., 1:5], real, doubtful[..., 1:5] * some[..., None]
