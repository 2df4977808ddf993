"""Detections from raw output, and how good they are: AP at IoU 0.5 to 0.95, recall and precision at one score."""

import numpy as np

IOU_STEPS = np.arange(0.5, 1.0, 0.05)


def iou_matrix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of corner boxes, [len(a), len(b)]."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    shared = np.clip(high - low, 0, None).prod(2)
    area_a, area_b = (a[:, 2:4] - a[:, :2]).prod(1), (b[:, 2:4] - b[:, :2]).prod(1)
    return shared / (area_a[:, None] + area_b[None] - shared + 1e-9)


def detections_of(output: np.ndarray, score_min: float, iou_max: float, most: int = 300) -> np.ndarray:
    """One picture's output [4 + classes, A] -> [K, 6]: x1, y1, x2, y2, score, class. Boxes of one class suppress each other."""
    scores = output[4:].max(0)
    keep = np.flatnonzero(scores >= score_min)
    keep = keep[np.argsort(-scores[keep], kind="stable")][: 3 * most]
    if len(keep) == 0:
        return np.zeros((0, 6), np.float32)
    centre, size = output[:2, keep].T, output[2:4, keep].T
    labels = output[4:, keep].argmax(0)
    found = np.concatenate([centre - size / 2, centre + size / 2, scores[keep, None], labels[:, None]], 1)
    apart = found[:, :4] + labels[:, None] * 4096.0
    overlaps = iou_matrix(apart, apart) > iou_max
    alive = np.ones(len(found), bool)
    for index in range(len(found)):
        if alive[index]:
            alive[index + 1 :] &= ~overlaps[index, index + 1 :]
    return found[alive][:most]


def match(found: np.ndarray, truth: np.ndarray, iou_min: float) -> np.ndarray:
    """True for each detection (best first) that takes an object of its class not yet taken. `truth` [N, 5]: class, corners."""
    hits = np.zeros(len(found), bool)
    if len(found) == 0 or len(truth) == 0:
        return hits
    overlaps = iou_matrix(found[:, :4], truth[:, 1:]) * (found[:, 5:6] == truth[None, :, 0])
    for index in np.argsort(-found[:, 4], kind="stable"):
        best = int(overlaps[index].argmax())
        if overlaps[index, best] >= iou_min:
            hits[index] = True
            overlaps[:, best] = 0
    return hits


def average_precision(hits: np.ndarray, scores: np.ndarray, objects: int) -> float:
    """Area under the precision envelope at 101 points of recall (COCO's way)."""
    if objects == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    true = np.cumsum(hits[order])
    recall, precision = true / objects, true / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1] if len(precision) else precision
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.mean([envelope[i] if i < len(envelope) else 0.0 for i in at]))


def summarize(found: list[np.ndarray], truth: list[np.ndarray], labels: list[str], score: float) -> dict:
    """mAP50, mAP50-95, and recall and precision at IoU 0.5 and `score`, over all and for each class."""
    rows = {}
    for index, label in enumerate(labels):
        mine = [f[f[:, 5] == index] for f in found]
        theirs = [t[t[:, 0] == index] for t in truth]
        objects = sum(map(len, theirs))
        scores = np.concatenate([f[:, 4] for f in mine])
        steps = [
            average_precision(np.concatenate([match(f, t, iou) for f, t in zip(mine, theirs, strict=True)]), scores, objects)
            for iou in IOU_STEPS
        ]
        hits = np.concatenate([match(f[f[:, 4] >= score], t, 0.5) for f, t in zip(mine, theirs, strict=True)])
        rows[label] = {
            "objects": objects,
            "map50": steps[0],
            "map50_95": float(np.mean(steps)),
            "recall": float(hits.sum() / max(objects, 1)),
            "precision": float(hits.mean()) if len(hits) else float("nan"),
            "found": len(hits),
            "right": int(hits.sum()),
        }
    objects, right, count = (sum(row[key] for row in rows.values()) for key in ("objects", "right", "found"))
    return {
        "map50": float(np.nanmean([row["map50"] for row in rows.values()])),
        "map50_95": float(np.nanmean([row["map50_95"] for row in rows.values()])),
        "recall": right / max(objects, 1),
        "precision": right / max(count, 1),
        "score": score,
        "classes": rows,
    }


def report(summary: dict) -> str:
    """The summary as a Markdown table."""
    lines = ["| class | objects | mAP50 | mAP50-95 | recall | precision |", "| --- | --- | --- | --- | --- | --- |"]
    for label, row in [
        *summary["classes"].items(),
        ("all", {**summary, "objects": sum(r["objects"] for r in summary["classes"].values())}),
    ]:
        lines.append(
            f"| {label} | {row['objects']} | {row['map50']:.3f} | {row['map50_95']:.3f} | {row['recall']:.3f} | {row['precision']:.3f} |"
        )
    return "\n".join(lines)
