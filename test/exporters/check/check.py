"""Judges rewritten models: one JSON object a line in, one a line out, in the same order.

    {"original": PATH, "result": PATH, "batches": [1, 2], "axes": {"height": 96}, "compare": "identical" | "half", ...}

answers `{"problems": [TEXT, ...], "measured": {...}}`; checker.ts tells the rest. EfficientNMS_TRT, which ONNX Runtime does
not know, is cut off on both sides: its inputs are compared.
"""

import json
import sys
import traceback

import numpy as np
import onnx
from onnx import TensorProto
from outputs import compare, declared_problems, feeds_for, run, session_of
from structure import NMS, checked, cut, expectation_problems, lost, unused, value_types


class Judge:
    """Keeps what is known of the last original: models come in order."""

    def __init__(self):
        self.path, self.original, self.verdict = "", None, None
        self.session, self.outputs, self.single, self.computes_half = None, {}, [], False

    def load(self, path: str) -> None:
        if path == self.path:
            return
        self.path, self.original, self.outputs, self.single = path, onnx.load(path), {}, []
        types = value_types(self.original)
        made = [name for node in self.original.graph.node if node.op_type != "Cast" for name in node.output]
        self.computes_half = any(types.get(name) == TensorProto.FLOAT16 for name in made)
        self.verdict = checked(self.original)
        self.session = session_of(cut(self.original))

    def answers(self, batch: int, axes: dict[str, int]) -> list[np.ndarray]:
        if batch not in self.outputs:
            self.outputs[batch] = run(self.session, batch, axes)
        return self.outputs[batch]

    def one_by_one(self, batch: int, axes: dict[str, int]) -> list[np.ndarray]:
        """What the original, which takes one picture, gives for each of several."""
        for i in range(len(self.single), batch):
            feeds = feeds_for(self.session, batch, axes)
            self.single.append(self.session.run(None, {name: value[i : i + 1] for name, value in feeds.items()}))
        return [np.concatenate(column) for column in zip(*self.single[:batch], strict=True)]


def reshapes(request: dict) -> bool:
    """Whether operators may be gone or computed in larger pieces. Between operators that it computes in f32 ONNX Runtime
    leaves the rounding to f16 out, so that f16 models round otherwise when their neighbours change."""
    return request["expect"].get("no_dead", False) or request["one_by_one"]


def judged(judge: Judge, request: dict) -> dict:
    judge.load(request["original"])
    result = onnx.load(request["result"])
    how, axes = request["compare"], request["axes"]
    problems, measured = [], {}
    verdict = checked(result)
    if verdict is not None:
        said = "" if judge.verdict is None else f" (of the original: {judge.verdict})"
        problems.append(f"the official checker says: {verdict}{said}")
    is_split = request["expect"].get("nms") is False and any(node.op_type == NMS for node in judge.original.graph.node)
    problems += lost(judge.original, result, is_split)
    dead = unused(result.graph)
    if dead and (request["expect"].get("no_dead") or not unused(judge.original.graph)):
        problems.append(f"{len(dead)} nodes are dead: {dead[:5]}")
    problems += expectation_problems(judge.original, result, request["expect"])
    runnable = cut(result)
    session = session_of(runnable)
    names = [value.name for value in session.get_outputs()]
    for batch in request["batches"]:
        if request["one_by_one"] and batch > 1:
            expected, level = judge.one_by_one(batch, axes), "close" if how == "identical" else how
        else:
            expected, level = judge.answers(batch, axes), how
        if judge.computes_half and how == "identical" and reshapes(request):
            level = "half"
        actual = run(session, batch, axes)
        if is_split:
            # Anchors are constant and kept in the metadata.
            expected = expected[: len(names)]
        found = compare(expected, actual, names, level, request["rows"], measured)
        problems += [f"batch {batch}: {problem}" for problem in found]
        if runnable is result:
            problems += declared_problems(result, actual)
    measured["nodes"] = len(result.graph.node)
    return {"problems": problems[:20], "measured": measured}


def main() -> None:
    judge = Judge()
    for line in sys.stdin:
        try:
            answer = judged(judge, json.loads(line))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(str(error).split())[:400]
            answer = {"problems": [f"{type(error).__name__} in {where.name}: {text}"], "measured": {}}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
