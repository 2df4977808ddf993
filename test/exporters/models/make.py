"""Makes models with exporters from PyPI, for the tests of the passes; nothing is downloaded and nothing needs a GPU.

    python make.py --out DIR [--only ultralytics,torch,tensorflow,graphs]

Each group writes `GROUP.json`, the list of its models. Exit status 1 and a message when a group failed; the others are made.
"""

import argparse
import importlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from catalogue import Catalogue

# The longest first: two run at once.
GROUPS = ("ultralytics", "torch", "tensorflow", "graphs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--only", default=",".join(GROUPS))
    options = parser.parse_args()
    folder = options.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    groups = options.only.split(",")
    if len(groups) == 1:
        catalogue = Catalogue(folder)
        importlib.import_module(f"from_{groups[0]}").make(catalogue)
        catalogue.write(f"{groups[0]}.json")
        return 0

    # One process for each: frameworks disagree about threads and protobuf when they share one.
    def run(group: str) -> int:
        command = [sys.executable, __file__, "--out", str(folder), "--only", group]
        return subprocess.run(command, check=False).returncode

    with ThreadPoolExecutor(max_workers=2) as pool:
        failed = [group for group, status in zip(groups, pool.map(run, groups), strict=True) if status != 0]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
