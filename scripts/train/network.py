"""The detector: a small anchor-free network with a decoupled head, strides 8, 16 and 32.

Input [N, 3, 640, 640] f32, RGB, 0..1. Output [N, 4 + classes, 8400]: cx, cy, w, h in input pixels, then class scores 0..1.
"""

import math

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)
# Bins of the distance distribution: an edge lies up to DISTANCE_BINS - 1 cells from its anchor.
DISTANCE_BINS = 16


class ConvUnit(nn.Module):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool):
        super().__init__()
        self.first, self.second = ConvUnit(channels, channels, 3), ConvUnit(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.first(x))
        return x + y if self.shortcut else y


class SplitBlock(nn.Module):
    """Half the channels go through a chain of bottlenecks; every stage of the chain reaches the output."""

    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool):
        super().__init__()
        self.half = outputs // 2
        self.entry = ConvUnit(inputs, 2 * self.half)
        self.chain = nn.ModuleList(Bottleneck(self.half, shortcut) for _ in range(depth))
        self.exit = ConvUnit((2 + depth) * self.half, outputs)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.entry(x).split(self.half, 1))
        for stage in self.chain:
            parts.append(stage(parts[-1]))
        return self.exit(torch.cat(parts, 1))


class PoolPyramid(nn.Module):
    """Max pooling at three growing reaches, side by side."""

    def __init__(self, channels: int):
        super().__init__()
        self.entry, self.exit = ConvUnit(channels, channels // 2), ConvUnit(channels * 2, channels)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.entry(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.exit(torch.cat(parts, 1))


def flat(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, H * W] with C, H, W as constants, so that an exported graph computes no shapes."""
    return x.reshape(-1, int(x.shape[1]), int(x.shape[2]) * int(x.shape[3]))


class Head(nn.Module):
    """For each level: distances to the four edges as distributions over bins, and class logits."""

    def __init__(self, classes: int, channels: tuple[int, ...]):
        super().__init__()
        box_width, class_width = max(16, channels[0] // 4, 4 * DISTANCE_BINS), max(channels[0], min(classes, 100))

        def branch(inputs: int, width: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(ConvUnit(inputs, width, 3), ConvUnit(width, width, 3), nn.Conv2d(width, outputs, 1))

        self.boxes = nn.ModuleList(branch(c, box_width, 4 * DISTANCE_BINS) for c in channels)
        self.classes = nn.ModuleList(branch(c, class_width, classes) for c in channels)
        for box, cls, stride in zip(self.boxes, self.classes, STRIDES, strict=True):
            nn.init.constant_(box[-1].bias, 1.0)
            # A picture has about 5 objects: the scores start near that share of the level's cells.
            nn.init.constant_(cls[-1].bias, math.log(5 / classes / (640 / stride) ** 2))

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, Tensor]:
        distances = torch.cat([flat(branch(x)) for branch, x in zip(self.boxes, levels, strict=True)], 2)
        logits = torch.cat([flat(branch(x)) for branch, x in zip(self.classes, levels, strict=True)], 2)
        return distances, logits


class Detector(nn.Module):
    """`forward` answers raw (distances [N, 64, A], logits [N, C, A]); `Decoded` turns them into boxes and scores."""

    def __init__(self, classes: int, width: tuple[int, ...] = (16, 32, 64, 128, 256)):
        super().__init__()
        w1, w2, w3, w4, w5 = width
        self.stem = nn.Sequential(ConvUnit(3, w1, 3, 2), ConvUnit(w1, w2, 3, 2), SplitBlock(w2, w2, 1, True))
        self.down8 = nn.Sequential(ConvUnit(w2, w3, 3, 2), SplitBlock(w3, w3, 2, True))
        self.down16 = nn.Sequential(ConvUnit(w3, w4, 3, 2), SplitBlock(w4, w4, 2, True))
        self.down32 = nn.Sequential(ConvUnit(w4, w5, 3, 2), SplitBlock(w5, w5, 1, True), PoolPyramid(w5))
        self.up16, self.up8 = SplitBlock(w5 + w4, w4, 1, False), SplitBlock(w4 + w3, w3, 1, False)
        self.step16, self.out16 = ConvUnit(w3, w3, 3, 2), SplitBlock(w3 + w4, w4, 1, False)
        self.step32, self.out32 = ConvUnit(w4, w4, 3, 2), SplitBlock(w4 + w5, w5, 1, False)
        self.raise2 = nn.Upsample(scale_factor=2, mode="nearest")
        self.head = Head(classes, (w3, w4, w5))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p8 = self.down8(self.stem(x))
        p16 = self.down16(p8)
        p32 = self.down32(p16)
        n16 = self.up16(torch.cat([self.raise2(p32), p16], 1))
        n8 = self.up8(torch.cat([self.raise2(n16), p8], 1))
        n16 = self.out16(torch.cat([self.step16(n8), n16], 1))
        n32 = self.out32(torch.cat([self.step32(n16), p32], 1))
        return self.head([n8, n16, n32])


def anchor_points(side_px: int) -> tuple[Tensor, Tensor]:
    """Cell centres in px [2, A] and strides [A] of a square input."""
    points, strides = [], []
    for stride in STRIDES:
        cells = side_px // stride
        at = (torch.arange(cells, dtype=torch.float32) + 0.5) * stride
        y, x = torch.meshgrid(at, at, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()]))
        strides.append(torch.full((cells * cells,), float(stride)))
    return torch.cat(points, 1), torch.cat(strides)


def expected_distances(distances: Tensor) -> Tensor:
    """Mean of each edge's distribution, in cells: [N, 64, A] -> [N, 4, A]."""
    bins = torch.arange(DISTANCE_BINS, dtype=torch.float32, device=distances.device).view(1, 1, DISTANCE_BINS, 1)
    return (distances.float().reshape(-1, 4, DISTANCE_BINS, int(distances.shape[2])).softmax(2) * bins).sum(2)


def corners_of(distances: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Boxes x1, y1, x2, y2 in px, [N, 4, A]."""
    reach = expected_distances(distances) * strides
    return torch.cat([points - reach[:, :2], points + reach[:, 2:]], 1)


class Decoded(nn.Module):
    """The network as it is exported: one output [N, 4 + classes, A]."""

    def __init__(self, detector: Detector, side_px: int = 640):
        super().__init__()
        self.detector = detector
        points, strides = anchor_points(side_px)
        self.register_buffer("points", points)
        self.register_buffer("strides", strides)

    def forward(self, images: Tensor) -> Tensor:
        distances, logits = self.detector(images)
        reach = expected_distances(distances)
        near, far = reach[:, :2], reach[:, 2:]
        centre = self.points + (far - near) * 0.5 * self.strides
        return torch.cat([centre, (near + far) * self.strides, logits.float().sigmoid()], 1)


def fuse(model: nn.Module) -> nn.Module:
    """Folds each batch norm into its convolution, in place; for inference only."""
    for module in model.modules():
        if isinstance(module, ConvUnit) and isinstance(module.norm, nn.BatchNorm2d):
            module.conv = nn.utils.fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()
    return model
