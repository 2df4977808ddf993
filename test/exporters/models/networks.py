"""Small detectors in the manner of well-known ones: random weights, and shape arithmetic left in the graph."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 4
STRIDES = (8, 16, 32)


class ConvUnit(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.conv(x)))


class SplitBlock(nn.Module):
    """Halves of the channels, one of them further on: Split or two Slices in the graph."""

    def __init__(self, channels: int):
        super().__init__()
        self.entry, self.inner = ConvUnit(channels, channels), ConvUnit(channels // 2, channels // 2, 3)
        self.exit = ConvUnit(channels + channels // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.entry(x).chunk(2, 1)
        return self.exit(torch.cat([first, second, second + self.inner(second)], 1))


class Focus(nn.Module):
    """YOLOX's and old YOLOv5's first layer: slices with a step, whose ends are INT64_MAX in the graph."""

    def __init__(self, outputs: int):
        super().__init__()
        self.conv = ConvUnit(12, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]]
        return self.conv(torch.cat(parts, 1))


class Pyramid(nn.Module):
    """[N, 3, H, W] -> three levels; the upper ones are enlarged to the size of the lower ones."""

    def __init__(self, focus: bool = False):
        super().__init__()
        self.stem = Focus(8) if focus else ConvUnit(3, 8, 3, 2)
        self.down4, self.down8 = ConvUnit(8, 16, 3, 2), nn.Sequential(ConvUnit(16, 16, 3, 2), SplitBlock(16))
        self.down16 = nn.Sequential(ConvUnit(16, 24, 3, 2), SplitBlock(24))
        self.down32, self.pool = ConvUnit(24, 32, 3, 2), nn.MaxPool2d(5, 1, 2)
        self.up16, self.up8 = ConvUnit(24 + 64, 24), ConvUnit(16 + 24, 16)

    def forward(self, x: Tensor) -> list[Tensor]:
        p8 = self.down8(self.down4(self.stem(x)))
        p16 = self.down16(p8)
        p32 = self.down32(p16)
        p32 = torch.cat([p32, self.pool(p32)], 1)
        p16 = self.up16(torch.cat([p16, F.interpolate(p32, size=p16.shape[2:], mode="nearest")], 1))
        p8 = self.up8(torch.cat([p8, F.interpolate(p16, scale_factor=2.0, mode="nearest")], 1))
        return [p8, p16, p32]


LEVELS = (16, 24, 64)


def cells(levels: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Centres [1, A, 2] and strides [1, A, 1] of all cells, computed from the levels' shapes."""
    points, sizes = [], []
    for level, stride in zip(levels, STRIDES, strict=True):
        height, width = level.shape[2], level.shape[3]
        y = torch.arange(height, device=level.device)
        x = torch.arange(width, device=level.device)
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        grid = torch.stack([grid_x, grid_y], -1).view(1, -1, 2).to(level.dtype)
        points.append(grid)
        sizes.append(torch.full_like(grid[..., :1], stride))
    return torch.cat(points, 1), torch.cat(sizes, 1)


class YoloV8(nn.Module):
    """[N, 4 + C, A]; distances as distributions over 16 bins."""

    def __init__(self):
        super().__init__()
        self.pyramid = Pyramid()
        self.heads = nn.ModuleList(nn.Conv2d(c, 64 + CLASSES, 1) for c in LEVELS)
        self.bins = nn.Conv2d(16, 1, 1, bias=False).requires_grad_(False)
        self.bins.weight.data[:] = torch.arange(16, dtype=torch.float).view(1, 16, 1, 1)

    def corners_and_scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes [N, 4, A] as corners in pixels, scores [N, C, A] before the sigmoid."""
        levels = self.pyramid(x)
        maps = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        batch = x.shape[0]
        joined = torch.cat([m.view(batch, 64 + CLASSES, -1) for m in maps], 2)
        distances, scores = joined.split((64, CLASSES), 1)
        anchors = distances.shape[2]
        distances = self.bins(distances.view(batch, 4, 16, anchors).transpose(2, 1).softmax(1)).view(batch, 4, anchors)
        points, strides = cells(levels)
        points, strides = points.transpose(1, 2) + 0.5, strides.transpose(1, 2)
        near, far = distances[:, :2], distances[:, 2:]
        return torch.cat([points - near, points + far], 1) * strides, scores

    def forward(self, x: Tensor) -> Tensor:
        corners, scores = self.corners_and_scores(x)
        low, high = corners[:, :2], corners[:, 2:]
        return torch.cat([(low + high) / 2, high - low, scores.sigmoid()], 1)


class YoloV5(nn.Module):
    """[N, A, 5 + C]; three anchors a cell, maps as rank 5 on the way."""

    def __init__(self, focus: bool = False):
        super().__init__()
        self.pyramid = Pyramid(focus)
        self.heads = nn.ModuleList(nn.Conv2d(c, 3 * (5 + CLASSES), 1) for c in LEVELS)
        self.register_buffer("anchors", torch.tensor([10, 13, 30, 61, 62, 45.0]).view(1, 3, 1, 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for head, level, stride in zip(self.heads, self.pyramid(x), STRIDES, strict=True):
            y = head(level)
            batch, _, height, width = y.shape
            y = y.view(batch, 3, 5 + CLASSES, height, width).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
            grid_y, grid_x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
            grid = torch.stack((grid_x, grid_y), 2).view(1, 1, height, width, 2).to(y.dtype)
            centre = (y[..., 0:2] * 2 - 0.5 + grid) * stride
            size = (y[..., 2:4] * 2) ** 2 * self.anchors
            outputs.append(torch.cat((centre, size, y[..., 4:]), -1).view(batch, -1, 5 + CLASSES))
        return torch.cat(outputs, 1)


class YoloX(nn.Module):
    """[N, A, 5 + C]; one anchor a cell, offsets and logarithms, decoded or not."""

    def __init__(self, decoded: bool):
        super().__init__()
        self.decoded, self.pyramid = decoded, Pyramid(focus=True)
        self.boxes = nn.ModuleList(nn.Conv2d(c, 4, 1) for c in LEVELS)
        self.scores = nn.ModuleList(nn.Conv2d(c, 1 + CLASSES, 1) for c in LEVELS)

    def forward(self, x: Tensor) -> Tensor:
        levels = self.pyramid(x)
        maps = [torch.cat([b(v), s(v).sigmoid()], 1) for b, s, v in zip(self.boxes, self.scores, levels, strict=True)]
        y = torch.cat([m.flatten(start_dim=2) for m in maps], 2).permute(0, 2, 1)
        if not self.decoded:
            return y
        points, strides = cells(levels)
        return torch.cat([(y[..., :2] + points) * strides, torch.exp(y[..., 2:4]) * strides, y[..., 4:]], -1)


class ForNms(nn.Module):
    """What EfficientNMS_TRT takes. Corners or centres [N, A, 4], scores [N, A, C]; or offsets with anchors [1, A, 4]."""

    def __init__(self, coding: str, activated: bool):
        super().__init__()
        self.network, self.coding, self.activated = YoloV8(), coding, activated

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        corners, scores = self.network.corners_and_scores(x)
        scores = scores.transpose(1, 2)
        if self.activated:
            scores = scores.sigmoid()
        boxes = corners.transpose(1, 2)
        low, high = boxes[..., :2], boxes[..., 2:]
        if self.coding == "corners":
            return boxes, scores
        if self.coding == "centres":
            return torch.cat([(low + high) / 2, high - low], -1), scores
        anchors = torch.arange(0.0, 4.0 * boxes.shape[1]).view(1, -1, 4) % 29 + 5
        return (boxes / 640).clamp(-2, 2), scores, anchors


class Queries(nn.Module):
    """[N, K, 4 + C] of the best K queries of a small transformer: TopK, Gather, LayerNorm, MatMul, GridSample."""

    def __init__(self, queries: int = 30):
        super().__init__()
        self.queries, width = queries, 32
        self.stem = nn.Sequential(ConvUnit(3, 16, 3, 4), ConvUnit(16, width, 3, 4))
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm, self.mlp = nn.LayerNorm(width), nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.classes, self.boxes = nn.Linear(width, CLASSES), nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        features = self.stem(x)
        batch, channels = features.shape[0], features.shape[1]
        tokens = features.flatten(2).permute(0, 2, 1)
        tokens = self.norm(tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0])
        best = torch.topk(self.classes(tokens).max(-1).values, self.queries, dim=1).indices
        picked = tokens.gather(1, best.unsqueeze(-1).repeat(1, 1, channels))
        where = self.boxes(picked)[..., :2].tanh().view(batch, self.queries, 1, 2)
        sampled = F.grid_sample(features, where, mode="bilinear", padding_mode="zeros", align_corners=False)
        picked = picked + sampled.squeeze(-1).permute(0, 2, 1)
        picked = picked + self.mlp(picked)
        return torch.cat([self.boxes(picked).sigmoid(), self.classes(picked).sigmoid()], -1)


class Arithmetic(nn.Module):
    """No detector: every way in which exporters compute shapes and indices, with data of several kinds."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, channels, height, width = x.shape
        padded = F.pad(x, (0, 32 - width % 32, 0, 32 - height % 32), value=0.5)
        rolled = torch.cat([padded[:, :, 1:], padded[:, :, :1]], 2)
        columns = rolled[:, :, -40:-36, : width // 2]
        flat = columns.reshape(batch, channels * 4, -1).expand(batch, channels * 4, width // 2)
        order = flat.shape[1] - 1 - torch.arange(flat.shape[1], device=x.device)
        turned = flat[:, order]
        mean = turned.mean(dim=(1, 2)) * (height * width) / torch.tensor(height, dtype=x.dtype) / width
        mask = (turned > mean.view(-1, 1, 1)).to(torch.int64)
        return turned, torch.where(mask.bool(), turned, torch.zeros_like(turned)).cumsum(2), mask.sum((1, 2))


def seeded(network: nn.Module, seed: int) -> nn.Module:
    """Weights that keep activations near unit size, so that outputs differ from cell to cell."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.requires_grad:
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data = torch.randn(module.bias.shape, generator=generator) * 0.5
        if isinstance(module, nn.Linear):
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * 1.5 / module.in_features**0.5
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.running_mean.shape, generator=generator) * 0.1
            module.running_var = torch.rand(module.running_var.shape, generator=generator) + 0.5
    return network.eval()
