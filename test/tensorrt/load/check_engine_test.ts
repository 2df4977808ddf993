import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { ERRORS } from "../../../src/errors.ts";
import { selfCommand } from "../../../src/self_command.ts";
import { childCommand, thisProgram } from "../../../src/tensorrt/build/child/child_program.ts";
import { LOAD_CHILD_COMMAND } from "../../../src/tensorrt/load/check_engine.ts";
import { nativeTest } from "../../native/children.ts";
import { DYNAMIC, type FakeLoad, fakeLoad, fakePlan, STATIC } from "./fake_load.ts";

const floatsOf = async (path: string) => [...new Float32Array((await Deno.readFile(path)).buffer)];
const bytesOf = (...values: number[]) => new Uint8Array(Float32Array.of(...values).buffer);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

for (const set of ["8.6", "9.3", "10.16", "11.1", "rtx-1.4", "rtx-1.6"]) {
  nativeTest(
    `load: an engine of the fake ${set} is loaded, run on the given values, and its outputs are kept`,
    async () => {
      const { load, failure, left } = await fakeLoad({
        set,
        async check(folder) {
          await Deno.writeFile(join(folder, "in"), bytesOf(1, 2, 3, 4));
          return { run: { inputs: { images: join(folder, "in") }, outputs: folder, runs: 5 } };
        },
        async after(folder) {
          assert.deepEqual(await floatsOf(join(folder, "output-0.bin")), [3, 5, 7, 9]);
        },
      });
      assert.equal(failure, null, failure?.message);
      assert.ok(load !== null);
      assert.deepEqual(left, ["output-0.bin"]);
      assert.deepEqual(load.tensors, [
        { name: "images", mode: "input", type: "FLOAT32", dims: [1, 4] },
        { name: "output0", mode: "output", type: "FLOAT32", dims: [1, 4] },
      ]);
      assert.deepEqual(load.outputs.map(({ name, type, dims }) => [name, type, dims]), [["output0", "FLOAT32", [
        1,
        4,
      ]]]);
      assert.deepEqual(load.gpu, { name: "NVIDIA Fake 4090", compute_capability: "8.9" });
      assert.equal(load.memory.free_before, 24564 * 1_048_576 / 2);
      assert.ok([4096, 8192].includes(load.memory.engine_bytes));
      assert.equal(load.runtime_cache, null);
      assert.deepEqual(load.remarks, []);
      const { timings_ms: times } = load;
      for (const time of [times.open, times.read, times.deserialize, times.context, times.first_run, times.run]) {
        assert.ok(time !== undefined && time >= 0, JSON.stringify(times));
      }
    },
  );
}

nativeTest("load: dynamic inputs get OPT of the profile, or the shape that is wished", async () => {
  const dims = async (run: NonNullable<Awaited<ReturnType<NonNullable<FakeLoad["check"]>>>["run"]>) => {
    const { load, failure } = await fakeLoad({ set: "10.16", lines: DYNAMIC, check: () => ({ run }) });
    return load?.outputs[0]?.dims ?? failure?.message;
  };
  assert.deepEqual(await dims({ runs: 0 }), [2, 4]);
  assert.deepEqual(await dims({ runs: 0, shapes: { images: [4, 4] } }), [4, 4]);
  assert.match(
    String(await dims({ shapes: { images: [5, 4] } })),
    /^A shape is outside the range that the engine was built for/,
  );
});

nativeTest("load: without a wish to run nothing runs", async () => {
  const { load } = await fakeLoad({ set: "11.1" });
  assert.deepEqual([load?.outputs, load?.timings_ms.first_run, load?.timings_ms.run], [[], undefined, undefined]);
});

for (const set of ["rtx-1.4", "rtx-1.6"]) {
  nativeTest(
    `load: compiled kernels of the fake ${set} are kept and spare the next load their compilation`,
    async () => {
      const script = "compile=1500";
      const kept = (folder: string) => join(folder, "kernels.part");
      let kernels = "";
      const first = await fakeLoad({
        set,
        script,
        check: (folder) => ({ runtimeCache: { read: null, write: kept(folder) } }),
        async after(folder) {
          kernels = await Deno.readTextFile(kept(folder));
        },
      });
      assert.equal(kernels, "KERNELS conv");
      assert.deepEqual(first.load?.runtime_cache, { given_bytes: 0, accepted: false, written_bytes: 12 });
      const second = await fakeLoad({
        set,
        script,
        async check(folder) {
          const path = join(folder, "kernels");
          await Deno.writeTextFile(path, kernels);
          return { runtimeCache: { read: { path, sha256: sha256(kernels) }, write: kept(folder) } };
        },
      });
      assert.deepEqual(second.load?.runtime_cache, { given_bytes: 12, accepted: true, written_bytes: 12 });
      assert.deepEqual(second.left, ["kernels.part"]);
      const [cold, warm] = [first.load!.timings_ms.context, second.load!.timings_ms.context];
      assert.ok(cold >= 1500 && warm < 1500, `${cold} ms without, ${warm} ms with`);
    },
  );
}

const REFUSED_KERNELS: readonly {
  title: string;
  script: string;
  text: string | null;
  digest: string | null;
  remark: RegExp | null;
}[] = [
  { title: "are missing", script: "", text: null, digest: null, remark: null },
  {
    title: "are of another environment",
    script: "cache=foreign",
    text: "KERNELS conv",
    digest: null,
    remark: /another environment/,
  },
  {
    title: "are damaged",
    script: "",
    text: "KERNELS con",
    digest: sha256("KERNELS conv"),
    remark: /SHA-256 of ".*" is another/,
  },
  { title: "are no kernels", script: "", text: "{}", digest: null, remark: /did not take the runtime cache/ },
];
for (const { title, script, text, digest, remark } of REFUSED_KERNELS) {
  nativeTest(`load: kernels that ${title} are compiled anew, with a remark and no failure`, async () => {
    const { load, failure } = await fakeLoad({
      set: "rtx-1.6",
      script,
      async check(folder) {
        const path = join(folder, "kernels");
        if (text !== null) await Deno.writeTextFile(path, text);
        return { runtimeCache: { read: { path, sha256: digest }, write: join(folder, "kernels.part") } };
      },
      async after(folder) {
        assert.equal(await Deno.readTextFile(join(folder, "kernels.part")), "KERNELS conv");
      },
    });
    assert.equal(failure, null, failure?.message);
    assert.equal(load?.runtime_cache?.accepted, false);
    if (remark === null) assert.deepEqual(load?.remarks, []);
    else assert.match(load?.remarks.join() ?? "", remark);
  });
}

interface Case {
  readonly title: string;
  readonly load: FakeLoad;
  readonly code: keyof typeof ERRORS;
  readonly detail: RegExp;
}

const BROKEN = new Uint8Array(64);
const CASES: readonly Case[] = [
  {
    title: "a file that changed is never given to TensorRT",
    load: { set: "10.16", wrongDigest: true, script: "load=abort" },
    code: "ENGINE_CORRUPT",
    detail: /"\/.*pets\.engine" is not the file that it was: its SHA-256 is another/,
  },
  {
    title: "a file that is no plan is refused and explained",
    load: { set: "11.1", bytes: BROKEN },
    code: "ENGINE_NOT_A_PLAN",
    detail: /Loading "\/.*pets\.engine" failed while the engine was deserialized/,
  },
  {
    title: "a plan of another TensorRT-RTX is refused with its version",
    load: { set: "rtx-1.6", bytes: fakePlan(STATIC, { rtx: true, version: [1, 4, 0] }) },
    code: "ENGINE_INCOMPATIBLE",
    detail:
      /^The engine was built by TensorRT-RTX 1\.4\.0\.0; only that version can run it\. Loading "\/.*" failed while/,
  },
  {
    title: "a plan of another TensorRT is refused with both versions",
    load: { set: "11.1", bytes: fakePlan(STATIC, { rtx: false, version: [10, 16, 1] }) },
    code: "ENGINE_INCOMPATIBLE",
    detail: /^The engine was built by TensorRT 10\.16\.1\.0, but this is TensorRT 11\.1\.0\.7\. /,
  },
  {
    title: "a plan for another GPU is refused with both compute capabilities",
    load: { set: "8.6", script: "load=capability" },
    code: "ENGINE_INCOMPATIBLE",
    detail: /8\.6.*8\.9|8\.9.*8\.6/,
  },
  {
    title: "a refusal without a word is still a failure with words",
    load: { set: "10.16", script: "load=silent" },
    code: "LOAD_FAILED",
    detail: /^Loading ".*" failed while the engine was deserialized: TensorRT 10\.16\.1 refused the plan$/,
  },
  {
    title: "an abort is a failure with the signal and the stage",
    load: { set: "10.16", script: "load=abort" },
    code: "LOAD_CRASHED",
    detail: /^Loading ".*" ended with SIGABRT while the engine was deserialized$/,
  },
  {
    title: "a segmentation fault is a failure",
    load: { set: "rtx-1.4", script: "load=segv" },
    code: "LOAD_CRASHED",
    detail: /SIGSEGV while the engine was deserialized$/,
  },
  {
    title: "a kill from outside is told from a crash",
    load: { set: "11.1", script: "load=kill", options: { countMemoryKills: () => 7 } },
    code: "LOAD_KILLED",
    detail: /was killed from outside while the engine was deserialized, memory suspected$/,
  },
  {
    title: "a hang is ended at the time limit",
    load: { set: "9.3", script: "load=hang", options: { timeLimitMs: 2_500 } },
    code: "LOAD_TIMED_OUT",
    detail: /was ended after 2\.5 s, while the engine was deserialized$/,
  },
  {
    title: "too little GPU memory for the context is named",
    load: { set: "10.16", script: "context=null" },
    code: "OUT_OF_GPU_MEMORY",
    detail: /while its execution context was made/,
  },
  {
    title: "too little GPU memory for the tensors is named",
    load: { set: "10.16", script: "cuda-alloc=2", check: () => ({ run: {} }) },
    code: "OUT_OF_GPU_MEMORY",
    detail: /./,
  },
  {
    title: "a fault of a kernel is a failure of the run",
    load: { set: "11.1", script: "cuda-sync=700", check: () => ({ run: {} }) },
    code: "INFERENCE_FAILED",
    detail: /while it ran/,
  },
  {
    title: "no GPU is named as such",
    load: { set: "10.16", gpus: "" },
    code: "GPU_UNAVAILABLE",
    detail: /^No GPU is visible to this process \(CUDA error 100\)\. .* while its libraries were opened$/,
  },
  {
    title: "an input that the engine does not have is named with those that it has",
    load: { set: "10.16", check: () => ({ run: { inputs: { pixels: "/nonexistent" } } }) },
    code: "LOAD_FAILED",
    detail: /^The engine has no input "pixels"; it has images$/,
  },
  {
    title: "an input of the wrong size is named with both sizes",
    load: {
      set: "10.16",
      async check(folder) {
        await Deno.writeFile(join(folder, "in"), bytesOf(1, 2));
        return { run: { inputs: { images: join(folder, "in") } } };
      },
    },
    code: "LOAD_FAILED",
    detail: /^".*" has 8 bytes; the input "images" takes 16$/,
  },
  {
    title: "a missing input file is named",
    load: { set: "10.16", check: () => ({ run: { inputs: { images: "/nonexistent/in" } } }) },
    code: "FILE_UNREADABLE",
    detail: /"\/nonexistent\/in"/,
  },
];

for (const { title, load: wanted, code, detail } of CASES) {
  nativeTest(`load: ${title}`, async () => {
    const { load, failure, left } = await fakeLoad(wanted);
    assert.equal(load, null);
    assert.ok(failure !== null);
    assert.equal(failure.code, code, failure.message);
    assert.match(failure.message, detail);
    assert.doesNotMatch(failure.message, /\bnull\b|undefined|__enter__|\.$/);
    assert.deepEqual(left, []);
  });
}

nativeTest("load: the kernel's out-of-memory kill is told from any other kill", async () => {
  let kills = 3;
  const { failure } = await fakeLoad({
    set: "11.1",
    script: "load=kill",
    options: { countMemoryKills: () => kills++ },
  });
  assert.equal(failure?.code, "LOAD_OUT_OF_MEMORY", failure?.message);
});

nativeTest("load: an interrupted check leaves no file and no process", async () => {
  const abort = new AbortController();
  const { failure, left } = await fakeLoad({
    set: "rtx-1.4",
    script: "load=hang",
    options: { signal: abort.signal, timeLimitMs: 120_000 },
    check(folder) {
      setTimeout(() => abort.abort(), 700);
      return { runtimeCache: { read: null, write: join(folder, "kernels.part") } };
    },
  });
  assert.equal(failure?.code, "INTERRUPTED");
  assert.deepEqual(left, []);
});

nativeTest("load: long runs are ended between two of them", async () => {
  const abort = new AbortController();
  const { failure } = await fakeLoad({
    set: "10.16",
    options: { signal: abort.signal, timeLimitMs: 120_000 },
    check() {
      setTimeout(() => abort.abort(), 700);
      return { run: { runs: 100_000 } };
    },
  });
  assert.equal(failure?.code, "INTERRUPTED");
});

Deno.test("load: a compiled file starts itself with the hidden command", () => {
  const plan = { libraries: { core: "/opt/trt/libnvinfer.so.10", parser: "", plugins: null, cuda_driver: null } };
  const command = childCommand({ ...thisProgram(), execPath: "/bin/trtd", standalone: true }, {
    plan,
    shim: null,
    environment: {},
    command: LOAD_CHILD_COMMAND,
  });
  assert.deepEqual([command.path, command.args], ["/bin/trtd", ["load-child"]]);
  const entry = [new URL("../../../src/tensorrt/load/load_process.ts", import.meta.url).href] as const;
  const plain = selfCommand({ execPath: "deno", standalone: false }, { command: LOAD_CHILD_COMMAND, entry, flags: [] });
  assert.ok(plain.args.at(-1)!.endsWith("load_process.ts"));
});
