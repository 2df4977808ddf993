import assert from "node:assert/strict";
import { v8FlagsFor } from "../../scripts/compile_v8_flags.ts";

Deno.test("compile: V8 14 gets one size for young objects, V8 15 keeps its own ways", () => {
  const versions = (v8: string) => `deno 2.6.10 (stable, release)\nv8 ${v8}-rusty\ntypescript 5.9.2\n`;
  const sizes = v8FlagsFor(versions("14.5.201.2")).map((flag) => flag.split("=")[1]);
  assert.deepEqual([sizes.length, new Set(sizes).size], [2, 1], "the least and the most are the same");
  assert.deepEqual(v8FlagsFor(versions("15.0.245.2")), []);
});

Deno.test("compile: a Deno that names no V8 is an error", () => {
  assert.throws(() => v8FlagsFor("deno 2.6.10\n"), /names no V8: deno 2\.6\.10/);
});

Deno.test("compile: this Deno knows the flags that its V8 gets, and says which V8 it has", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["--version"], env: { NO_COLOR: "1" } }).output();
  const flags = v8FlagsFor(new TextDecoder().decode(stdout));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `--v8-flags=${["--max-semi-space-size=8", ...flags].join(",")}`, ""],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});
