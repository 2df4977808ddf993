import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { TrtdError } from "../../../src/errors.ts";
import { checkBuilt, type CheckOptions } from "../../../src/tensorrt/build/check_built.ts";
import type { EngineCheck } from "../../../src/tensorrt/load/check_engine.ts";
import { LoadFailure } from "../../../src/tensorrt/load/load_failure.ts";
import type { PlanMachine } from "../../../src/tensorrt/plan/plan.ts";
import { fakePlan } from "../plan/fake_plan.ts";

const GPU = { index: 0, name: "NVIDIA Fake", uuid: "GPU-1", computeCapability: "8.9" };
const MACHINE = { gpu: GPU, driver: "580.65.06" } as PlanMachine;
const RTX = fakePlan({ tensorrt: { product: "tensorrt-rtx", version: "1.6.1.120", family: "rtx-1.5" } });
const FILE = { path: "/nowhere/pets.engine.next", sha256: "ab".repeat(32) };
const ENGINE = { ...FILE, log: "/nowhere/pets.build.log" };

/** A load that writes the given kernels. */
function loadOf(kernels: string, seen: EngineCheck[]): NonNullable<CheckOptions["load"]> {
  return async (check) => {
    seen.push(check);
    const write = check.runtimeCache?.write ?? null;
    if (write !== null) await Deno.writeTextFile(write, kernels);
    return {
      timings_ms: { open: 1, read: 2, deserialize: 3, context: 4 },
      tensors: [],
      memory: { engine_bytes: 1, free_before: null, free_after: null },
      runtime_cache: write === null ? null : { given_bytes: 0, accepted: false, written_bytes: kernels.length },
      outputs: [],
      library: "1.6.1.120",
      gpu: { name: "NVIDIA Fake", compute_capability: "8.9" },
      remarks: [],
    };
  };
}

async function inFolder(body: (folder: string, options: Omit<CheckOptions, "load">) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-check-" });
  const cache = { sideFile: () => Promise.resolve(join(folder, "kernels.cache")) };
  try {
    await body(folder, { cache, machine: MACHINE, shim: null });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("check: RTX's compiled kernels are kept with their digest, and given to the next load", () =>
  inFolder(async (folder, options) => {
    const seen: EngineCheck[] = [];
    await checkBuilt({ ...ENGINE, plan: RTX }, { ...options, load: loadOf("kernels", seen) });
    assert.deepEqual(names(folder), ["kernels.cache", "kernels.cache.sha256"]);
    await checkBuilt({ ...ENGINE, plan: RTX }, { ...options, load: loadOf("more kernels", seen) });
    assert.deepEqual(seen.map(({ runtimeCache }) => runtimeCache?.read ?? null), [
      null,
      { path: join(folder, "kernels.cache"), sha256: createHash("sha256").update("kernels").digest("hex") },
    ]);
    assert.deepEqual(seen.map(({ engine }) => engine), [FILE, FILE]);
    assert.equal(await Deno.readTextFile(join(folder, "kernels.cache")), "more kernels");
  }));

Deno.test("check: kernels without their digest are not given to TensorRT", () =>
  inFolder(async (folder, options) => {
    await Deno.writeTextFile(join(folder, "kernels.cache"), "from somebody");
    const seen: EngineCheck[] = [];
    await checkBuilt({ ...ENGINE, plan: RTX }, { ...options, load: loadOf("kernels", seen) });
    assert.equal(seen[0]!.runtimeCache?.read, null);
  }));

Deno.test("check: TensorRT has no compiled kernels to keep", () =>
  inFolder(async (folder, options) => {
    const seen: EngineCheck[] = [];
    const loaded = await checkBuilt({ ...ENGINE, plan: fakePlan() }, { ...options, load: loadOf("kernels", seen) });
    assert.equal(seen[0]!.runtimeCache, undefined);
    assert.deepEqual(loaded.timings_ms, { open: 1, read: 2, deserialize: 3, context: 4 });
    assert.deepEqual(names(folder), []);
  }));

Deno.test("check: a load that fails leaves the kernels as they were, and nothing temporary", () =>
  inFolder(async (folder, options) => {
    await checkBuilt({ ...ENGINE, plan: RTX }, { ...options, load: loadOf("kernels", []) });
    const load: CheckOptions["load"] = async ({ runtimeCache }) => {
      await Deno.writeTextFile(runtimeCache!.write!, "half");
      throw new TrtdError("ENGINE_INCOMPATIBLE", "The GPU does not take it");
    };
    await assert.rejects(checkBuilt({ ...ENGINE, plan: RTX }, { ...options, load }), /does not take it/);
    assert.deepEqual(names(folder), ["kernels.cache", "kernels.cache.sha256"]);
    assert.equal(await Deno.readTextFile(join(folder, "kernels.cache")), "kernels");
  }));

Deno.test("check: what TensorRT said to an engine that it refused stands in the log of the build", () =>
  inFolder(async (folder, options) => {
    const log = join(folder, "pets.build.log");
    await Deno.writeTextFile(log, "# end: built\n");
    const facts = {
      end: { kind: "crashed", stage: "context", signal: "SIGSEGV" },
      explanation: null,
      lines: ["2026-11-22T20:00:00.000000Z ERROR rtx-1.6.1: It does not fit"],
      remedy: undefined,
    } as const;
    const load: CheckOptions["load"] = () => Promise.reject(new LoadFailure("LOAD_CRASHED", "It crashed", facts));
    await assert.rejects(checkBuilt({ ...ENGINE, log, plan: RTX }, { ...options, load }), /It crashed/);
    assert.equal(await Deno.readTextFile(log), `# end: built\n${facts.lines[0]}\n# load: LOAD_CRASHED: It crashed\n`);
  }));

Deno.test("check: where no folder takes the kernels, the engine is loaded all the same, and that is told", () =>
  inFolder(async (_folder, options) => {
    const cache = { sideFile: () => Promise.reject(new TrtdError("CACHE_FOLDER_UNUSABLE", "Nowhere")) };
    const loaded = await checkBuilt({ ...ENGINE, plan: RTX }, { ...options, cache, load: loadOf("kernels", []) });
    assert.deepEqual(loaded["remarks"], ["Compiled kernels are not kept: Nowhere"]);
  }));
