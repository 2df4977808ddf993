import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { loadFirst, wasLoaded } from "../../../src/detect/gpu/first_load.ts";
import { TrtdError } from "../../../src/errors.ts";
import { doubling, type DoublingOptions, fakeModelText } from "../../backends/tensorrt/doubling.ts";
import { cleanEnvironment } from "../../clean_environment.ts";
import { fakeSet, nativeTest } from "../../native/children.ts";
import { fakeEnvironment } from "../../native/fake_environment.ts";
import { png } from "../png_writer.ts";
import { seededPicture } from "../seeded_picture.ts";
import { forgetLoads, metadataUnder } from "./forget_loads.ts";
import { type CheckedLoad, fakeLoad, hitOf, MACHINE } from "./fake_load.ts";

const gpu = { name: MACHINE.gpu };

const KNOWN: readonly [title: string, facts: Record<string, unknown>, known: boolean][] = [
  ["nothing", {}, false],
  ["a build that loaded it here", { loaded: { timings_ms: {} }, gpu, driver: "580.1" }, true],
  ["a build that did not load it", { loaded: null, gpu, driver: "580.1" }, false],
  ["a build with another driver", { loaded: { timings_ms: {} }, gpu, driver: "570.2" }, false],
  ["a build on another GPU", { loaded: { timings_ms: {} }, gpu: { name: "Other" }, driver: "580.1" }, false],
  ["a load here", { loaded_on: [MACHINE] }, true],
  ["loads with other drivers", { loaded_on: [{ ...MACHINE, driver: "570.2" }, null, 3] }, false],
  ["a field of somebody else", { loaded_on: "yes", loaded: "yes", verified: {} }, false],
];

for (const [title, facts, known] of KNOWN) {
  Deno.test(`first load: metadata with ${title} ${known ? "tell" : "do not tell"} that it loads here`, () => {
    assert.equal(wasLoaded(facts, { sha256: "a".repeat(64), machine: MACHINE }), known);
  });
}

Deno.test("first load: an engine that is not known here is loaded in a child once, and remembered", async () => {
  const { hit, cache } = hitOf({});
  const { load, loads } = fakeLoad();
  for (let time = 0; time < 3; time++) await loadFirst({ hit, cache, load, ...CHECK });
  assert.deepEqual(loads.map(({ engine }) => engine), [{ path: hit.path, sha256: hit.entry.engine.sha256 }]);
  assert.deepEqual((hit.entry.facts as Record<string, unknown>)["loaded_on"], [MACHINE]);
});

Deno.test("first load: a failure of the child is the failure, and nothing is remembered", async () => {
  const { hit, cache } = hitOf({});
  const failing = fakeLoad(new TrtdError("LOAD_CRASHED", "It ended with SIGSEGV"));
  await assert.rejects(loadFirst({ hit, cache, load: failing.load, ...CHECK }), { code: "LOAD_CRASHED" });
  assert.deepEqual(hit.entry.facts, {});
});

const CHECK: Pick<CheckedLoad, "machine" | "owner" | "plan" | "shim"> = {
  machine: MACHINE,
  owner: null,
  plan: {} as CheckedLoad["plan"],
  shim: null,
};

const MAIN = resolve(import.meta.dirname!, "../../../src/main.ts");
const SHAPE: DoublingOptions = { input: [3, 64, 96], output: [6, 126] };

/** `trtd detect` in a folder, over the fakes. */
async function detectIn(folder: string, script: string) {
  const { core } = fakeSet("10.16");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, "detect", "photo.png", "--model", "pets.onnx", "--json", "--tensorrt", dirname(core)],
    cwd: folder,
    clearEnv: true,
    env: cleanEnvironment({ ...fakeEnvironment({ folder, set: "10.16", script }), INIT_CWD: folder }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), 180_000);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout))[0].backend;
}

nativeTest("first load: an engine that crashes TensorRT is explained and set aside, and the CPU answers", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-first-load-" });
  try {
    await Deno.writeFile(join(folder, "pets.onnx"), doubling(SHAPE));
    await Deno.writeTextFile(join(folder, "fake.txt"), fakeModelText(SHAPE));
    const rows = seededPicture(2, 96, 64).data;
    await Deno.writeFile(join(folder, "photo.png"), png({ width: 96, height: 64, colorType: 2, depth: 8, rows }));
    const engines = join(folder, "models/trt");
    const metadata = () => metadataUnder(engines);
    assert.equal((await detectIn(folder, "")).name, "tensorrt");
    await forgetLoads(engines);
    assert.equal((await detectIn(folder, "")).name, "tensorrt");
    assert.equal(JSON.parse(await Deno.readTextFile(join(engines, metadata()[0]!))).loaded_on.length, 1);
    await forgetLoads(engines);
    const { name, degraded } = await detectIn(folder, "load=segv");
    assert.equal(name, "onnxruntime");
    assert.match(degraded, /ended with SIGSEGV while the engine was deserialized/);
    assert.ok(metadata().every((file) => file.includes("quarantine")), `it is out of its place: ${metadata()}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
