"""The training loss: task-aligned assignment, cross entropy on soft scores, CIoU and the distance distribution."""

import torch
import torch.nn.functional as F
from torch import Tensor

from network import DISTANCE_BINS, anchor_points, corners_of

# Task alignment: score^ALPHA * IoU^BETA ranks the anchors of an object, the best TOP_ANCHORS of them learn it (TOOD's values).
ALPHA, BETA, TOP_ANCHORS = 0.5, 6.0, 10
BOX_WEIGHT, CLASS_WEIGHT, DISTANCE_WEIGHT = 7.5, 0.5, 1.5
# Objects thinner than this are widened for the question "is the anchor inside", so that each has some anchors.
INSIDE_MIN_PX = 18.0


def complete_iou(a: Tensor, b: Tensor, complete: bool = True) -> Tensor:
    """IoU of boxes x1, y1, x2, y2 (last dimension), less CIoU's penalties of distance and shape."""
    eps = 1e-7
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.unbind(-1), b.unbind(-1)
    wide = (torch.minimum(ax2, bx2) - torch.maximum(ax1, bx1)).clamp(min=0)
    tall = (torch.minimum(ay2, by2) - torch.maximum(ay1, by1)).clamp(min=0)
    shared = wide * tall
    aw, ah, bw, bh = ax2 - ax1, ay2 - ay1, bx2 - bx1, by2 - by1
    iou = shared / (aw * ah + bw * bh - shared + eps)
    if not complete:
        return iou
    hull = (torch.maximum(ax2, bx2) - torch.minimum(ax1, bx1)) ** 2 + (torch.maximum(ay2, by2) - torch.minimum(ay1, by1)) ** 2
    apart = ((ax1 + ax2 - bx1 - bx2) ** 2 + (ay1 + ay2 - by1 - by2) ** 2) / 4
    shape = 4 / torch.pi**2 * (torch.atan(bw / (bh + eps)) - torch.atan(aw / (ah + eps))) ** 2
    with torch.no_grad():
        weight = shape / (1 - iou + shape + eps)
    return iou - apart / (hull + eps) - weight * shape


class DetectionLoss:
    """Call with the network's raw output and padded targets; answers (total, parts [3])."""

    def __init__(self, classes: int, side_px: int, device: torch.device):
        self.classes = classes
        points, strides = anchor_points(side_px)
        self.points, self.strides = points.to(device), strides.to(device)

    @torch.no_grad()
    def assign(self, scores: Tensor, boxes: Tensor, labels: Tensor, goals: Tensor, real: Tensor):
        """For scores [N, C, A] and boxes [N, A, 4]: target boxes [N, A, 4], target scores [N, A, C], chosen [N, A]."""
        batch, most = labels.shape
        anchors = boxes.shape[1]
        centre, half = (goals[..., :2] + goals[..., 2:]) / 2, ((goals[..., 2:] - goals[..., :2]) / 2).clamp(min=INSIDE_MIN_PX / 2)
        offset = (self.points.T[None, None] - centre[:, :, None]).abs()
        inside = (offset < half[:, :, None]).all(-1) & real[..., None]
        iou = complete_iou(goals[:, :, None], boxes[:, None], complete=False) * inside
        score = scores.gather(1, labels[..., None].expand(-1, -1, anchors))
        metric = score.pow(ALPHA) * iou.pow(BETA) * inside
        values, indices = metric.topk(TOP_ANCHORS, -1)
        chosen = torch.zeros_like(metric, dtype=torch.bool).scatter_(-1, indices, values > 0)
        many = chosen.sum(1, keepdim=True) > 1
        best = torch.zeros_like(chosen).scatter_(1, iou.argmax(1, keepdim=True), True)
        chosen = torch.where(many, best & chosen.any(1, keepdim=True), chosen)
        owner = chosen.int().argmax(1)
        goal_boxes = goals.gather(1, owner[..., None].expand(-1, -1, 4))
        owner_labels = labels.gather(1, owner)
        metric = metric * chosen
        share = metric / (metric.amax(-1, keepdim=True) + 1e-9) * (iou * chosen).amax(-1, keepdim=True)
        quality = share.amax(1) * chosen.any(1)
        goal_scores = F.one_hot(owner_labels, self.classes) * quality[..., None]
        return goal_boxes, goal_scores, chosen.any(1)

    def certain(self, doubtful: Tensor, chosen: Tensor) -> Tensor:
        """Which anchors are asked for a class, [N, A, 1] f32: not those in a doubtful box, unless they have an object of their own."""
        points = self.points.T[None, None]
        inside = ((points > doubtful[:, :, None, :2]) & (points < doubtful[:, :, None, 2:])).all(-1).any(1)
        return (~inside | chosen)[..., None].float()

    def __call__(
        self, distances: Tensor, logits: Tensor, labels: Tensor, goals: Tensor, real: Tensor, doubtful: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`labels` [N, M] int64, `goals` [N, M, 4] px corners, `real` [N, M] bool (False is padding), `doubtful` [N, D, 4] px corners."""
        distances, logits = distances.float(), logits.float()
        boxes = corners_of(distances, self.points, self.strides).transpose(1, 2)
        goal_boxes, goal_scores, chosen = self.assign(logits.detach().sigmoid(), boxes.detach(), labels, goals, real)
        total = goal_scores.sum().clamp(min=1)
        class_loss = F.binary_cross_entropy_with_logits(
            logits.transpose(1, 2), goal_scores, self.certain(doubtful, chosen), reduction="sum"
        )
        class_loss = class_loss / total
        weight = goal_scores.sum(-1)[chosen]
        if weight.numel() == 0:
            return CLASS_WEIGHT * class_loss, torch.stack([class_loss.detach() * 0, class_loss.detach(), class_loss.detach() * 0])
        iou = complete_iou(boxes[chosen], goal_boxes[chosen])
        box_loss = ((1 - iou) * weight).sum() / total
        at = (self.points.T / self.strides[:, None]).expand(len(boxes), -1, -1)[chosen]
        cells = goal_boxes[chosen] / self.strides.expand(len(boxes), -1)[chosen][:, None]
        wanted = torch.cat([at - cells[:, :2], cells[:, 2:] - at], 1).clamp(0, DISTANCE_BINS - 1 - 0.01)
        logits_of_bins = distances.transpose(1, 2)[chosen].view(-1, DISTANCE_BINS)
        low = wanted.long().view(-1)
        high_share = wanted.view(-1) - low
        entropy = F.cross_entropy(logits_of_bins, low, reduction="none") * (1 - high_share)
        entropy = entropy + F.cross_entropy(logits_of_bins, low + 1, reduction="none") * high_share
        distance_loss = (entropy.view(-1, 4).mean(1) * weight).sum() / total
        parts = torch.stack([box_loss.detach(), class_loss.detach(), distance_loss.detach()])
        return BOX_WEIGHT * box_loss + CLASS_WEIGHT * class_loss + DISTANCE_WEIGHT * distance_loss, parts
