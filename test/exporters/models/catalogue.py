"""The list of models that the scripts of this folder make: what each is called, who wrote it and what it must be found to be."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import onnx


@dataclass
class Entry:
    """One model; the test reads these from `models.json`."""

    file: str
    exporter: str
    version: str
    # What was asked of the exporter, in words.
    options: str
    # Row of src/detect/heads that must be found; None when it is no detector.
    head: str | None
    # Sizes for the model's free axes, by the axis's name; the batch is "batch".
    axes: dict[str, int] = field(default_factory=dict)
    # How many pictures the model can take at once: None is any number.
    batch: int | None = 1
    # What cannot be done with it, by the name of a pass, and why.
    excused: dict[str, str] = field(default_factory=dict)
    opset: int = 0
    ir_version: int = 0
    bytes: int = 0
    nodes: int = 0


class Catalogue:
    """Collects entries of one folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.entries: list[Entry] = []

    def path(self, file: str) -> Path:
        return self.folder / file

    def add(self, entry: Entry) -> None:
        path = self.path(entry.file)
        model = onnx.load(path)
        entry.opset = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
        entry.ir_version = model.ir_version
        entry.bytes = path.stat().st_size
        entry.nodes = len(model.graph.node)
        self.entries.append(entry)

    def write(self, name: str) -> None:
        text = json.dumps([asdict(entry) for entry in self.entries], indent=1)
        self.path(name).write_text(text + "\n")
