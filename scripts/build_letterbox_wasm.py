"""Compile src/detect/letterbox/letterbox.c to src/detect/letterbox/letterbox_wasm.ts.

Needs `pip install ziglang==0.17.1`; the result is committed, so only who changes the C file runs this.
"""
import base64
import pathlib
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src/detect/letterbox/letterbox.c"
FLAGS = "-target wasm32-freestanding -mcpu=generic+simd128+relaxed_simd -O3 -nostdlib -Wl,--no-entry -Wl,--import-memory -Wl,--strip-all -Wl,-z,stack-size=0"

with tempfile.TemporaryDirectory() as folder:
    wasm = pathlib.Path(folder) / "letterbox.wasm"
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *FLAGS.split(), "-o", wasm, SOURCE], check=True)
    lines = textwrap.wrap(base64.b64encode(wasm.read_bytes()).decode(), 112)
    size = wasm.stat().st_size
body = " +\n  ".join(f'"{line}"' for line in lines)
(ROOT / "src/detect/letterbox/letterbox_wasm.ts").write_text(
    f"/** letterbox.c compiled by scripts/build_letterbox_wasm.py: a WebAssembly module of {size} bytes in base64. */\n"
    f"export const LETTERBOX_WASM =\n  {body};\n"
)
