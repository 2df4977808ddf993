import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Terminal } from "../../src/cli/command.ts";
import { runCli } from "../../src/cli/run.ts";
import { COMMANDS } from "../../src/main.ts";
import { tinyYolo } from "../onnx/build_model.ts";

async function run(args: readonly string[], cwd: string) {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal: Terminal = {
    cwd,
    interactive: false,
    resolve: (path) => resolve(cwd, path),
    print: (text) => void out.push(text),
    note: (text) => void err.push(text),
  };
  const status = await runCli(args, COMMANDS, terminal);
  return { status, out: out.join("\n"), err: err.join("\n") };
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-sources-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SOURCE = "https://models.invalid/pets.onnx";

const COMMANDS_OF_A_MODEL: readonly (readonly string[])[] = [
  ["detect", "--model", SOURCE],
  ["serve", "--port", "0", "--model", SOURCE],
  ["bench", "--model", SOURCE],
  ["verify", SOURCE],
  ["verify", "--model", SOURCE],
  ["build-engine", SOURCE],
  ["convert", SOURCE, "--pass", "int32", "-o", "out.onnx"],
  ["cache", "key", SOURCE],
];

for (const words of COMMANDS_OF_A_MODEL) {
  Deno.test(`sources: trtd ${words.join(" ")} would fetch the model`, () =>
    inFolder(async (folder) => {
      const { status, out, err } = await run([...words, "--models-offline"], folder);
      assert.deepEqual([status, out], [3, ""]);
      assert.match(err, /^trtd: DOWNLOAD_OFFLINE: .*models\.invalid/m);
      assert.deepEqual([...Deno.readDirSync(folder)].filter(({ name }) => name !== "models"), []);
    }));
}

Deno.test("sources: what a command fetched is a model of the folder of models", () =>
  inFolder(async (folder) => {
    const path = join(folder, "Far Away", "pets.onnx");
    await Deno.mkdir(join(path, ".."));
    await Deno.writeFile(path, tinyYolo([{ box: [32, 32, 20, 20], scores: [0.9] }], { labels: ["one"] }));
    const { status, err } = await run(
      ["convert", pathToFileURL(path).href, "--pass", "fp16", "-o", "out.onnx"],
      folder,
    );
    assert.equal(status, 0, err);
    assert.ok(Deno.statSync(join(folder, "models/pets/pets.onnx")).isFile);
    assert.ok(Deno.statSync(join(folder, "out.onnx")).isFile);
  }));
