import assert from "node:assert/strict";
import { join } from "node:path";
import { mergeConfig } from "../../../src/config/config.ts";
import type { Model } from "../../../src/models/model.ts";
import { EngineCheck } from "../../../src/serving/engine/engine_check.ts";
import type { EngineStatus } from "../../../src/serving/engine/engine_messages.ts";
import { mayHaveEngines } from "../../../src/serving/engine/engine_presence.ts";
import { pause } from "../../until.ts";

const SECRET = "no-child-needs-it";
const MODEL: Model = { name: "pets", path: "/nowhere/pets.onnx", manifest: { name: "pets", file: "pets.onnx" } };

interface Case {
  /** JavaScript of the child. */
  readonly child: string;
  readonly engines?: readonly string[];
  readonly backend?: string;
  readonly timeoutMs?: number;
}

interface Checked {
  readonly status: EngineStatus;
  readonly told: readonly [string, EngineStatus][];
  /** Whether a child was started. */
  readonly started: boolean;
}

async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-engine-check-" });
  try {
    return await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function writeEngines(root: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(root, name);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, "x");
  }
}

const check = ({ child, engines = ["pets/f32/bs1/pets.engine"], backend = "auto", timeoutMs = 120_000 }: Case) =>
  inFolder(async (folder): Promise<Checked> => {
    const root = join(folder, "trt");
    const mark = join(folder, "started");
    await writeEngines(root, engines);
    const told: [string, EngineStatus][] = [];
    const source = `Deno.writeTextFileSync(${JSON.stringify(mark)}, String(Deno.pid)); ${child}`;
    const engineCheck = new EngineCheck({
      models: [MODEL],
      roots: [root, join(folder, "nowhere")],
      config: mergeConfig({ flags: { backend }, environment: { TRTD_API_KEY: SECRET } }).config,
      command: { path: Deno.execPath(), args: ["eval", "--quiet", source] },
      onLookup: (name, status) => told.push([name, status]),
      timeoutMs,
    });
    if (backend === "auto") {
      assert.equal(engineCheck.pending, true);
      assert.equal(engineCheck.status("pets").cache, "unknown");
    }
    await engineCheck.done;
    assert.equal(engineCheck.pending, false);
    const isThere = await Deno.stat(mark).then(() => true, () => false);
    if (isThere) {
      const pid = Number(await Deno.readTextFile(mark));
      const alive = await Deno.readTextFile(`/proc/${pid}/stat`).then((text) => !/\) Z/.test(text), () => false);
      assert.equal(alive, false, "the child is gone");
    }
    return { status: engineCheck.status("pets"), told, started: isThere };
  });

Deno.test("engine check: without engines of a served model no child is started", async () => {
  const others = ["dogs/f32/bs1/dogs.engine", "pets-of-others/f32/bs1/pets-of-others.engine", ".timing/x.cache"];
  for (const engines of [[], others, ["pets/model.json", "pets/f32/bs1/.quarantine/1/pets.engine"]]) {
    const { status, told, started } = await check({ child: "", engines });
    assert.deepEqual([status.cache, told, started], ["none", [], false]);
    assert.match(status.detail, /^There is no engine of "pets"$/);
  }
  const { status, started } = await check({ child: "", backend: "onnxruntime" });
  assert.deepEqual([status.cache, started], ["none", false]);
  assert.match(status.detail, /backend/);
});

Deno.test("engine check: the child has the settings without secrets and is asked about models; the answer becomes the status", async () => {
  const child = `
    const [line] = (await new Response(Deno.stdin.readable.pipeThrough(new TransformStream({
      transform(piece, out) { out.enqueue(piece); out.terminate(); },
    }))).text()).split("\\n");
    const { models: [model] } = JSON.parse(line);
    const { models: folder } = JSON.parse(Deno.env.get("TRTD_INHERITED"));
    const told = line + JSON.stringify(Deno.env.toObject());
    const detail = told.includes("${SECRET}") ? "the secret is told" : folder;
    console.log(JSON.stringify({ models: [{ name: model.name, cache: "miss", path: model.path, detail,
      missed_because: [{ field: "gpu_name", old: "A", new: null }], changes: [], rebuilt: [], remarks: [] }] }));
    Deno.exit(0);`;
  const { status, told } = await check({ child });
  assert.deepEqual(status, {
    cache: "miss",
    path: "/nowhere/pets.onnx",
    missed_because: [{ field: "gpu_name", old: "A", new: null }],
    detail: "models",
  });
  assert.deepEqual(told, [["pets", status]]);
});

Deno.test("engine check: a child that hangs, dies or talks nonsense is a status, never a failure", async () => {
  const cases: [string, RegExp, number?][] = [
    ["setInterval(() => {}, 1000); await new Promise(() => {});", /No answer came in 1500 ms/, 1500],
    ['Deno.kill(Deno.pid, "SIGABRT"); await new Promise((end) => setTimeout(end, 60_000));', /ended with SIGABRT/],
    ['console.log("x".repeat(20_000_000)); Deno.exit(0);', /The answer is too long/],
    ["Deno.exit(3);", /ended with exit status 3/],
    ['console.log("hello"); Deno.exit(0);', /JSON/],
    ['console.log("{}"); Deno.exit(0);', /models/],
    ["console.log(JSON.stringify({ models: [] })); Deno.exit(0);", /did not answer/],
  ];
  for (const [child, pattern, timeoutMs] of cases) {
    const { status, told } = await check({ child, ...timeoutMs === undefined ? {} : { timeoutMs } });
    assert.equal(status.cache, "unknown");
    assert.match(status.detail, pattern);
    assert.equal(told.length, 1, "it is counted");
  }
});

Deno.test("engine check: a closed check ends its child and is done", () =>
  inFolder(async (folder) => {
    await writeEngines(folder, ["pets/f32/bs1/pets.engine"]);
    const engineCheck = new EngineCheck({
      models: [MODEL],
      roots: [folder],
      config: mergeConfig({ flags: {}, environment: {} }).config,
      command: { path: Deno.execPath(), args: ["eval", "await new Promise((end) => setTimeout(end, 600_000))"] },
      onLookup: () => assert.fail("nothing was looked up"),
    });
    await pause(300);
    // The child would live for minutes.
    await engineCheck.close();
  }));

Deno.test("engine presence: engines are found in every place that the cache uses, by the model's names", () =>
  inFolder(async (folder) => {
    const cases: [string, string, boolean][] = [
      ["pets/f32/bs1/pets.engine", "pets", true],
      ["pets/f32/bs1/sm89-x/pets.engine.previous", "pets", true],
      ["pets/f32/bs1/sm89-x/.others/0123/pets.engine", "pets", true],
      ["pets-0123abcd/f32/bs1/pets-0123abcd.engine", "pets", true],
      ["pets/fp16/bs1/pets.engine", "pets.tofp16", true],
      ["pets/f32/bs1/pets.engine.json", "pets", false],
      ["pets/f32/bs1/pets.engine", "pet", false],
      ["pets.engine", "pets", false],
    ];
    for (const [index, [file, name, expected]] of cases.entries()) {
      const root = join(folder, String(index));
      await writeEngines(root, [file]);
      assert.equal(await mayHaveEngines([root], name), expected, file);
    }
    assert.equal(await mayHaveEngines([join(folder, "nothing")], "pets"), false);
  }));
