import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { boxTest, type Outcome } from "./box.ts";
import { cleanEnvironment } from "../clean_environment.ts";

function fine(outcome: Outcome): Outcome {
  assert.equal(outcome.code, 0, outcome.stderr);
  return outcome;
}

boxTest("the file is at most 160 MB", async (box) => {
  const { size } = await Deno.stat(box.file);
  assert.ok(size <= 160e6, `${size} bytes`);
});

boxTest("--version and --help answer", async (box) => {
  assert.match(fine(await box.run(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  const help = fine(await box.run(["--help"])).stdout;
  for (const command of ["detect", "serve", "inspect"]) assert.match(help, new RegExp(`^ +${command}\\b`, "m"));
});

boxTest("detect finds the codes in the bundled photo and writes the annotated picture", async (box) => {
  const table = fine(await box.run(["detect"])).stdout;
  assert.match(table, /bundled photo/);
  assert.match(table, /annotated: /);
  const [picture] = [...Deno.readDirSync(join(box.folder, "annotated"))];
  const jpeg = Deno.readFileSync(join(box.folder, "annotated", picture!.name));
  assert.deepEqual([...jpeg.subarray(0, 3), ...jpeg.subarray(-2)], [0xff, 0xd8, 0xff, 0xff, 0xd9]);
});

boxTest("detect finds what the sources find", async (box) => {
  const [entry] = JSON.parse(fine(await box.run(["detect", "--json"])).stdout);
  const main = new URL("../../src/main.ts", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", main.pathname, "detect", "--json"],
    cwd: box.folder,
    clearEnv: true,
    env: cleanEnvironment(),
  }).output();
  const [expected] = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(entry.detections.length > 0);
  assert.deepEqual(entry.detections, expected.detections);
  assert.deepEqual(entry.image, expected.image);
});

/** Where a compiled file's own modules seem to lie, and where Node's rules look beside and above them. */
const PLANTED = [
  "deno-compile-trtd/src/main.ts",
  "deno-compile-trtd/src/cli/detect.ts",
  "deno-compile-trtd/native/index.json",
  "deno-compile-trtd/node_modules/zod/index.js",
  "deno-compile-trtd/node_modules/.deno/sharp@0.35.5/node_modules/sharp/src/build/Release/sharp-linux-x64-0.35.5.node",
  "deno-compile-trtd.cache",
  "node_modules/sharp/index.js",
  "package.json",
];

boxTest("what lies in the temporary folder is not taken for a part of the program", async (box) => {
  for (const name of PLANTED) {
    const path = join(box.temp, name);
    Deno.mkdirSync(dirname(path), { recursive: true });
    Deno.writeTextFileSync(path, path.endsWith(".json") ? '{"type":"commonjs"}' : "process.exit(77)");
  }
  assert.ok(JSON.parse(fine(await box.run(["detect", "--json"])).stdout)[0].detections.length > 0);
});
