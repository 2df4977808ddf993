import assert from "node:assert/strict";
import { join } from "node:path";
import { BuildLog } from "../../../src/tensorrt/build/build_log.ts";
import { KeptLines, levelOf } from "../../../src/tensorrt/build/child/kept_lines.ts";

async function inFolder(body: (path: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-log-" });
  try {
    body(join(folder, "m.build.log"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("build log: the head comes first and every line after it", () =>
  inFolder((path) => {
    {
      using log = new BuildLog(path, ["# gpu: none"]);
      log.write(["first", "größer"]);
      log.write(["last"]);
    }
    assert.equal(Deno.readTextFileSync(path), "# gpu: none\nfirst\ngrößer\nlast\n");
  }));

Deno.test("build log: over its limit it is put aside, and begins anew with its head", () =>
  inFolder((path) => {
    const line = "x".repeat(999);
    {
      using log = new BuildLog(path, ["# head"], { limitBytes: 5_000 });
      for (let index = 0; index < 12; index++) {
        log.write([`${index} ${line}`]);
        log.flush();
      }
    }
    const [old, now] = [`${path}.1`, path].map((name) => Deno.readTextFileSync(name));
    assert(old!.startsWith("# head\n") && now!.startsWith("# head\n"));
    const numbers = `${old}${now}`.split("\n").filter((text) => /^\d/.test(text)).map((text) => parseInt(text));
    assert.deepEqual(numbers, [5, 6, 7, 8, 9, 10, 11].slice(-numbers.length));
    assert(numbers.length >= 6, `${numbers}`);
    assert(old!.length < 7_000, `${old!.length}`);
  }));

Deno.test("build log: a new build forgets the files of the one before", () =>
  inFolder((path) => {
    Deno.writeTextFileSync(path, "old\n".repeat(100));
    Deno.writeTextFileSync(`${path}.1`, "older\n");
    using _log = new BuildLog(path, ["# head"]);
    assert.equal(Deno.readTextFileSync(path), "# head\n");
    assert.throws(() => Deno.statSync(`${path}.1`), Deno.errors.NotFound);
  }));

const at = "2026-11-22T18:39:41.796118Z";

Deno.test("kept lines: verbose ones and their continuations go, all others stay in order", () => {
  const kept = new KeptLines();
  const lines = [
    `${at} INFO rtx-1.7.1: one`,
    `${at} VERBOSE rtx-1.7.1: two`,
    "\tof two",
    `${at} ERROR rtx-1.7.1: three`,
    "\tof three",
    "terminate called",
  ];
  for (const line of lines) kept.add(line);
  assert.deepEqual(kept.lines(), [lines[0], lines[3], lines[4], lines[5]]);
  assert.deepEqual(lines.map(levelOf), ["INFO", "VERBOSE", null, "ERROR", null, null]);
});

Deno.test("kept lines: of a flood the first and the last are there", () => {
  const kept = new KeptLines();
  for (let index = 0; index < 50_000; index++) kept.add(`${at} INFO rtx-1.7.1: ${index}`);
  const lines = kept.lines();
  assert.equal(lines.length, 4_000);
  assert(lines[0]!.endsWith(" 0") && lines[999]!.endsWith(" 999") && lines.at(-1)!.endsWith(" 49999"));
});
