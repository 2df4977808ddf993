"""What a model answers on ONNX Runtime, without its own rewriting and on one thread, and how far two answers are apart."""

import functools

import numpy as np
import onnx
import onnxruntime
from onnx import helper

# Of "close": other sizes of batch take other paths through a matrix product, which rounds otherwise.
CLOSE = 1e-5
# Of "half": of the spread of each column, 99 % of the values must be nearer than the first, all of them than the second.
# f16 has 11 bits; the networks here are 15 to 60 layers deep.
HALF_MOST, HALF_ALL = 0.002, 0.005
# Of "half" behind TopK: rows may change places, and the last ones may be others.
ROWS_FOUND, ROW_HALF = 0.9, 0.02
PICTURES = 4
# A difference for which there is no number.
BEYOND = 1e9


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # A matrix that is a constant would be rearranged, and its product rounded otherwise than that of a computed one.
    options.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


@functools.cache
def pictures(kind: type, shape: tuple[int, ...]) -> np.ndarray:
    """The same values for every model with these sizes, in blocks of one colour with noise: smooth areas and edges."""
    generator = np.random.default_rng(11)
    if np.issubdtype(kind, np.integer):
        return generator.integers(64, 640, shape, kind)
    values = generator.random(shape)
    if len(shape) == 4:
        first, second = (np.arange(n) * min(n, 8) // n for n in shape[2:])
        coarse = generator.random([*shape[:2], 8, 8])[:, :, first][:, :, :, second]
        values = coarse * 0.8 + values * 0.2
    return values.astype(np.float16).astype(kind)


def feeds_for(session: onnxruntime.InferenceSession, batch: int, axes: dict[str, int]) -> dict[str, np.ndarray]:
    """A larger batch begins with the pictures of a smaller one."""
    feeds = {}
    for value in session.get_inputs():
        sizes = [size if isinstance(size, int) else axes.get(size, PICTURES) for size in value.shape]
        feeds[value.name] = pictures(TYPES[value.type], (PICTURES, *sizes[1:]))[:batch]
    return feeds


def run(session: onnxruntime.InferenceSession, batch: int, axes: dict[str, int]) -> list[np.ndarray]:
    return session.run(None, feeds_for(session, batch, axes))


def difference(expected: np.ndarray, actual: np.ndarray, how: str) -> tuple[str | None, float]:
    """A problem or None, and the largest difference as a share of the expected spread."""
    if actual.shape[:1] == (1,) and expected.shape[1:] == actual.shape[1:] and (expected == expected[:1]).all():
        # Anchors of a model that takes one picture.
        expected = expected[:1]
    if expected.shape != actual.shape:
        return f"shape {list(actual.shape)} instead of {list(expected.shape)}", BEYOND
    if expected.size == 0:
        return None, 0.0
    if how == "identical":
        if expected.dtype != actual.dtype:
            return f"{actual.dtype} instead of {expected.dtype}", BEYOND
        same = np.array_equal(expected, actual, equal_nan=expected.dtype.kind == "f")
        if same:
            return None, 0.0
        gaps = np.nan_to_num(np.abs(expected.astype(np.float64) - actual.astype(np.float64)), nan=BEYOND, posinf=BEYOND)
        return f"differs by up to {gaps.max():.3g}", float(gaps.max())
    a, b = expected.astype(np.float64), actual.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return "is not finite in other places", BEYOND
    if not np.isfinite(a).all():
        a, b = np.where(np.isfinite(a), a, 0), np.where(np.isfinite(a), b, 0)
    gaps = np.abs(a - b) / spreads(a)
    worst = float(gaps.max())
    if how == "close":
        return (None if worst <= CLOSE else f"differs by {worst:.3g} of its spread"), worst
    if worst <= HALF_ALL and float(np.quantile(gaps, 0.99)) <= HALF_MOST:
        return None, worst
    return f"differs by {worst:.3g} of its spread, 99 % by less than {float(np.quantile(gaps, 0.99)):.3g}", worst


def spreads(values: np.ndarray) -> np.ndarray:
    """Of each column: boxes are in pixels, scores below 1. The shorter one of two axes counts the columns."""
    if values.ndim != 3:
        return np.maximum(np.ptp(values), 1e-6)
    return np.maximum(np.ptp(values, axis=(0, 1 if values.shape[1] > values.shape[2] else 2), keepdims=True), 1e-6)


def rows_found(expected: list[np.ndarray], actual: list[np.ndarray]) -> float:
    """Share of the expected rows, of all outputs side by side, that are among the actual ones of the same picture."""

    def table(outputs: list[np.ndarray]) -> np.ndarray:
        parts = [part.astype(np.float64).reshape(part.shape[0], part.shape[1], -1) for part in outputs]
        return np.concatenate(parts, 2)

    a, b = table(expected), table(actual)
    spread = np.maximum(np.ptp(a, axis=(0, 1)), 1e-6)
    found = 0
    for rows, others in zip(a, b, strict=True):
        gaps = np.abs(rows[:, None] - others[None]) / spread
        found += int((gaps.max(2).min(1) <= ROW_HALF).sum())
    return found / (a.shape[0] * a.shape[1])


def compare(
    expected: list[np.ndarray], actual: list[np.ndarray], names: list[str], how: str, rows: bool, measured: dict
):
    if len(expected) != len(actual):
        return [f"{len(actual)} outputs instead of {len(expected)}"]
    if how == "half" and rows:
        share = rows_found(expected, actual)
        measured["rows_found"] = min(measured.get("rows_found", 1.0), share)
        return [] if share >= ROWS_FOUND else [f"only {share:.3f} of the rows are found again"]
    problems = []
    for one, other, name in zip(expected, actual, names, strict=True):
        problem, worst = difference(one, other, how)
        measured["worst"] = max(measured.get("worst", 0.0), worst)
        if problem is not None:
            problems.append(f'output "{name}" {problem}')
    return problems


def declared_problems(model: onnx.ModelProto, outputs: list[np.ndarray]) -> list[str]:
    """Whether the outputs are what the file declares."""
    problems = []
    for value, output in zip(model.graph.output, outputs, strict=True):
        kind = value.type.tensor_type
        if helper.tensor_dtype_to_np_dtype(kind.elem_type) != output.dtype:
            problems.append(f'output "{value.name}" is {output.dtype}, which is not declared')
        if not kind.HasField("shape"):
            continue
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
        fits = len(sizes) == output.ndim and all(s in (None, n) for s, n in zip(sizes, output.shape, strict=True))
        if not fits:
            problems.append(f'output "{value.name}" has shape {list(output.shape)}, declared is {sizes}')
    return problems
