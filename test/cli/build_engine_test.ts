import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { chooseMachine, type MachineWishes, type Probed } from "../../src/tensorrt/request/machine.ts";
import { TrtdError } from "../../src/errors.ts";
import type { FoundTensorRt } from "../../src/tensorrt/discovery/discovery.ts";
import type { TensorRtProbe } from "../../src/tensorrt/probe/probe.ts";
import type { GpuFact, LibraryFact } from "../../src/tensorrt/probe/probe_messages.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { assertHead, detector, filesUnder } from "../tensorrt/build/fake_build.ts";
import { incidentModel } from "../tensorrt/build/incident_model.ts";
import { childrenOf } from "../server/process.ts";
import { cleanEnvironment } from "../clean_environment.ts";
import { pause, until } from "../until.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");
const GPU_89 = "NVIDIA Fake 4090:8.9:24564";
/** Longest life of one command. */
const LIFE_MS = 180_000;
const GPU_120 = "NVIDIA Fake 5060:12.0:8192";

interface CliOptions {
  readonly set: string;
  readonly script?: string;
  readonly gpus?: string;
  readonly model?: Uint8Array;
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Cli {
  readonly cwd: string;
  readonly child: Deno.ChildProcess;
  /** How it ended and what it printed. */
  readonly end: Promise<Ran>;
}

const environmentOf = (options: CliOptions, { cwd, cuda }: { cwd: string; cuda: string }) =>
  cleanEnvironment({
    LD_LIBRARY_PATH: dirname(cuda),
    TRTD_SHIM: shimAndFakes().shim,
    TRTD_FAKE: options.script ?? "",
    TRTD_FAKE_GPUS: options.gpus ?? GPU_89,
    TRTD_CACHE_DIR: join(cwd, "cache"),
    INIT_CWD: cwd,
    NO_COLOR: "1",
  });

/** Starts `trtd build-engine pets.onnx ...` with a fake TensorRT and a fake driver, in a folder of its own. */
async function withCli<T>(
  options: CliOptions,
  args: readonly string[],
  body: (cli: Cli) => Promise<T>,
  files: Readonly<Record<string, string>> = {},
): Promise<T> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-cli-" });
  const { core, cuda } = fakeSet(options.set);
  await Deno.writeFile(join(cwd, "pets.onnx"), options.model ?? detector([1, 3, 640, 1152]));
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(join(cwd, name), text);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, "build-engine", "pets.onnx", "--tensorrt", dirname(core), ...args],
    cwd,
    clearEnv: true,
    env: environmentOf(options, { cwd, cuda }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = child.output().then(({ code, stdout, stderr }) => {
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), LIFE_MS);
  try {
    return await body({ cwd, child, end });
  } finally {
    await end;
    clearTimeout(timer);
    await Deno.remove(cwd, { recursive: true });
  }
}

const LOG_FILES = ["pets/f32/bs1/pets.build.log", "pets/f32/bs1/pets.engine.lock", "pets/model.json"];
const ENGINE_FILES = ["pets/f32/bs1/pets.engine", "pets/f32/bs1/pets.engine.json"];

/** All files but timings, which may be lost. */
const builtFiles = (cwd: string): string[] => {
  try {
    return filesUnder(join(cwd, "models/trt")).filter((file) => !file.startsWith("."));
  } catch {
    return [];
  }
};

/** The model of the incident: its boxes are suppressed in the graph. */
const yolo = detector([1, 3, 640, 1152], "EfficientNMS_TRT");

nativeTest(
  "incident: TensorRT 8.6 and a GPU of 12.0 are refused before the builder is touched",
  () =>
    withCli({ set: "8.6", gpus: GPU_120, model: yolo }, [], async ({ cwd, end }) => {
      const { code, out, err } = await end;
      assert.equal(code, 3, err);
      assert.equal(out, "");
      assert.match(err, /^trtd: GPU_UNSUPPORTED: TensorRT 8\.6\.1 .*"NVIDIA Fake 5060" \(compute capability 12\.0\)/m);
      assert.match(err, /^ {2}remedy: Install TensorRT 10\.8/m);
      assert.doesNotMatch(err, /\bnull\b|__enter__/);
      assert.deepEqual(builtFiles(cwd), []);
    }),
);

nativeTest(
  "incident: with --force the builder's null is a failed build with its cause, and nothing is left but the log",
  () =>
    withCli(
      { set: "8.6", gpus: GPU_120, model: yolo },
      ["--force", "--nms", "plugin", "--json"],
      async ({ cwd, end }) => {
        const { code, out, err } = await end;
        assert.equal(code, 4, err);
        const { error, log, end: how, explanation } = JSON.parse(out);
        assert.equal(error.code, "BUILD_FAILED");
        assert.match(error.detail, /newer than this TensorRT.*smVerHex2Dig/);
        assert.match(error.remedy, /Install TensorRT 10\.8 or later/);
        assert.equal(how.kind, "refused");
        assert.equal(explanation.id, "gpu-newer-than-tensorrt");
        for (const text of [error.detail, error.remedy, err]) assert.doesNotMatch(text, /\bnull\b|__enter__/);
        assert.match(err, /^trtd: BUILD_FAILED: .*smVerHex2Dig/m);
        const text = await Deno.readTextFile(log);
        assertHead(text);
        assert.match(text, /^# gpu: NVIDIA Fake 5060, index 0, GPU-/m);
        assert.match(text, /^# compute capability: 12\.0$/m);
        assert.match(text, /^# tensorrt: TensorRT 8\.6\.1, family 8\.6/m);
        assert.match(text, /Assertion major >= 0 && major < 10 failed/);
        assert.deepEqual(builtFiles(cwd), LOG_FILES);
      },
    ),
);

nativeTest(
  "incident: the same model is built with our own suppression, and the log and the answer say what was done to it",
  () => {
    const model = incidentModel({ width: 0.25, size: [64, 96] });
    return withCli({ set: "8.6", gpus: GPU_89, model }, ["--json"], async ({ cwd, end }) => {
      const { code, out, err } = await end;
      assert.equal(code, 0, err);
      const { engine, report } = JSON.parse(out);
      assert.deepEqual(report.passes.map(({ pass }: { pass: string }) => pass), ["nms-split", "int32"]);
      assert.match(err, /^trtd: Pass nms-split@\d+: /m);
      assert.match(err, /^trtd: Pass int32@\d+: /m);
      const log = await Deno.readTextFile(report.log);
      assertHead(log);
      assert.match(log, /^# pass: int32@\d+: /m);
      assert.match(log, /^# parsed model: .*\.part, \d+ bytes, sha256 [0-9a-f]{64}$/m);
      const metadata = JSON.parse(await Deno.readTextFile(`${engine}.json`));
      assert.equal(metadata.rewritten.sha256, report.rewritten.sha256);
      assert(!builtFiles(cwd).some((file) => file.endsWith(".part")));
    });
  },
);

nativeTest(
  "build-engine --json: the answer is one JSON value of the contract",
  () =>
    withCli({ set: "10.16" }, ["--json", "--precision", "fp16"], async ({ cwd, end }) => {
      const { code, out, err } = await end;
      assert.equal(code, 0, err);
      const answer = JSON.parse(out);
      assert.deepEqual(Object.keys(answer), [
        "engine",
        "metadata",
        "cache",
        "missed_because",
        "tensorrt",
        "targets",
        "precision",
        "batch",
        "duration_s",
        "report",
      ]);
      assert.equal(answer.engine, join(cwd, "models/trt/pets/fp16/bs1/pets.engine"));
      assert.equal(answer.metadata, `${answer.engine}.json`);
      const absent = [{ field: "engine", old: "absent", new: "intact" }];
      assert.deepEqual([answer.cache, answer.missed_because, answer.targets], ["built", absent, [89]]);
      assert.deepEqual(answer.tensorrt, { product: "tensorrt", version: "10.16.1.7" });
      assert.match(err, /TensorRT 10\.16\.1\.7 is used/);
      assert(answer.report.loaded.timings_ms.deserialize >= 0, "it was loaded on the GPU before it was stored");
    }),
);

/** Runs build-engine once more in the folder of another run, and answers its JSON. */
async function again(
  { cwd }: Cli,
  options: CliOptions,
  args: readonly string[],
  onError: (said: string) => void = () => {},
): Promise<Ran> {
  const { core, cuda } = fakeSet(options.set);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", MAIN, "build-engine", ...args, "--tensorrt", dirname(core), "--json"],
    cwd,
    clearEnv: true,
    env: environmentOf(options, { cwd, cuda }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIFE_MS);
  const out = new Response(child.stdout).text();
  let err = "";
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) onError(err += text);
  const { code } = await child.status;
  clearTimeout(timer);
  return { code, out: await out, err };
}

nativeTest(
  "build-engine: the second start takes the engine from the cache; --rebuild builds, another option misses",
  () => {
    const options = { set: "10.16" };
    return withCli(options, ["--json"], async (cli) => {
      const first = JSON.parse((await cli.end).out);
      const answer = async (...args: string[]) => JSON.parse((await again(cli, options, ["pets.onnx", ...args])).out);
      const second = await answer();
      assert.deepEqual([second.cache, second.missed_because, second.engine], ["hit", [], first.engine]);
      assert.deepEqual(second.report, first.report);
      assert.equal((await answer("--rebuild")).cache, "built");
      const other = await answer("--workspace", "64");
      assert.deepEqual([other.cache, other.missed_because], [
        "built",
        [{ field: "workspace_bytes", old: null, new: 64 * 1_048_576 }],
      ]);
      assert.equal((await answer()).cache, "hit", "the engine of before was kept");
    });
  },
);

nativeTest("build-engine: of two at once one builds, the other waits for it by its number and takes its engine", () => {
  const options = { set: "10.16", script: "step=20" };
  return withCli(options, ["--json"], async (cli) => {
    const builder = await childAtWork(cli.cwd, cli.child.pid, /^# engine: /m);
    Deno.kill(builder, "SIGSTOP");
    const goOn = (said: string) => /Waiting for process/.test(said) && Deno.kill(builder, "SIGCONT");
    const second = await again(cli, options, ["pets.onnx"], goOn);
    const first = await cli.end;
    assert.deepEqual([JSON.parse(first.out).cache, JSON.parse(second.out).cache], ["built", "hit"]);
    assert.match(second.err, new RegExp(`^trtd: Waiting for process ${cli.child.pid} \\(`, "m"));
    assert.doesNotMatch(second.err, /Building the engine/);
  });
});

nativeTest(
  "build-engine: pets.tofp16.onnx stands for pets.onnx, is made of it, and made anew when that changes",
  () => {
    const options = { set: "11.1", model: incidentModel({ width: 0.25, size: [64, 96] }) };
    return withCli(options, ["--precision", "fp16", "--json"], async (cli) => {
      const { out, err } = await cli.end;
      const first = JSON.parse(out);
      const derived = join(cli.cwd, "pets.tofp16.onnx");
      assert.match(err, /^trtd: The fp16 model is kept as ".*\/pets\.tofp16\.onnx"$/m);
      assert.equal(first.report.rewritten.kept_as, derived);
      const before = await Deno.readFile(derived);
      const named = await again(cli, options, ["pets.tofp16.onnx"]);
      const { cache, precision, engine } = JSON.parse(named.out);
      assert.deepEqual([cache, precision, engine], ["hit", "fp16", first.engine]);
      assert.match(named.err, /is made of ".*\/pets\.onnx", converted to fp16 as "pets\.tofp16\.onnx"/);
      await Deno.writeFile(join(cli.cwd, "pets.onnx"), incidentModel({ width: 0.25, size: [96, 96] }));
      const changed = await again(cli, options, ["pets.tofp16.onnx"]);
      const fields = JSON.parse(changed.out).missed_because.map(({ field }: { field: string }) => field);
      assert.deepEqual(fields, ["model_sha256"]);
      assert.match(changed.err, /in place of one that did not fit: it was made of another model/);
      assert.notDeepEqual(await Deno.readFile(derived), before);
    });
  },
);

nativeTest("build-engine: an fp16 model that a person made is neither replaced nor taken for ours", () => {
  const options = { set: "11.1", model: incidentModel({ width: 0.25, size: [64, 96] }) };
  return withCli(options, ["--help"], async (cli) => {
    await cli.end;
    const path = join(cli.cwd, "pets.tofp16.onnx");
    const own = detector([1, 3, 64, 64]);
    await Deno.writeFile(path, own);
    const { code, err } = await again(cli, options, ["pets.onnx", "--precision", "fp16"]);
    assert.equal(code, 0, err);
    assert.match(err, /pets\.tofp16\.onnx" was not made by trtd and is left alone/);
    assert.deepEqual(await Deno.readFile(path), own);
    const named = await again(cli, options, ["pets.tofp16.onnx"]);
    assert.match(named.err, /was not made by trtd and is used as it is/);
    assert.match(JSON.parse(named.out).engine, /trt\/pets\.tofp16\/f32\/bs1\/pets\.tofp16\.engine$/);
  });
});

nativeTest("build-engine: too little memory is said before the build, and tried all the same with --force", () => {
  const options = { set: "10.16", gpus: "NVIDIA Fake Tiny:8.9:16" };
  return withCli(options, ["--json"], async (cli) => {
    const { code, out } = await cli.end;
    const { error } = JSON.parse(out);
    assert.deepEqual([code, error.code], [3, "OUT_OF_GPU_MEMORY"]);
    assert.match(error.detail, /^The GPU has \d+ MB of free memory; this build takes at least \d+ MB$/);
    assert.match(error.remedy, /--force/);
    assert(!builtFiles(cli.cwd).some((file) => file.endsWith(".build.log")), "nothing was begun");
    const forced = await again(cli, options, ["pets.onnx", "--force"]);
    assert.equal(forced.code, 0, forced.err);
    assert.match(forced.err, /^trtd: Little memory: The GPU has/m);
    assert.equal(JSON.parse(forced.out).report.forecast.verdict, "too-little");
  });
});

nativeTest(
  "build-engine: an engine that crashes the runtime does not replace the last good one, and the log says why",
  () =>
    withCli({ set: "10.16" }, ["--json"], async (cli) => {
      const { engine } = JSON.parse((await cli.end).out);
      const before = await Deno.readFile(engine);
      const { code, out, err } = await again(cli, { set: "10.16", script: "load=segv" }, ["pets.onnx", "--rebuild"]);
      const { error, end } = JSON.parse(out);
      assert.deepEqual([code, error.code, end.kind], [3, "LOAD_CRASHED", "crashed"]);
      assert.match(err, /^trtd: The engine was built, but cannot be loaded and is not stored\. Log: /m);
      assert.deepEqual(await Deno.readFile(engine), before);
      const log = await Deno.readTextFile(join(cli.cwd, "models/trt/pets/f32/bs1/pets.build.log"));
      assert.match(log, /^# end: built [^]*^# load: LOAD_CRASHED: /m);
      assert.equal(JSON.parse((await again(cli, { set: "10.16" }, ["pets.onnx"])).out).cache, "hit");
    }),
);

nativeTest(
  "build-engine: RTX's compiled kernels are kept per engine, GPU and driver, and given to it when it is built again",
  () => {
    const options = { set: "rtx-1.6" };
    return withCli(options, ["--json"], async (cli) => {
      const first = JSON.parse((await cli.end).out);
      assert(first.report.loaded.runtime_cache.written_bytes > 0);
      const kernels = filesUnder(join(cli.cwd, "models/trt/.runtime"));
      assert.equal(kernels.length, 2);
      assert.match(kernels[0]!, /^tensorrt-rtx-1\.6\.1\.7-sm89-nvidia-fake-4090-driver-.*-[0-9a-f]{16}\.cache$/);
      const second = JSON.parse((await again(cli, options, ["pets.onnx", "--rebuild"])).out);
      const { given_bytes: given, accepted } = second.report.loaded.runtime_cache;
      assert.deepEqual([given, accepted], [first.report.loaded.runtime_cache.written_bytes, true]);
    });
  },
);

nativeTest("build-engine: --retry allows a smaller batch, and says what became smaller", () => {
  const options = { set: "10.16", script: "oombatch=2", model: detector(["batch", 3, 64, 64]) };
  return withCli(options, ["--batch", "4"], async (cli) => {
    const { code, err } = await cli.end;
    assert.equal(code, 3, err);
    assert.match(err, /memory ran out.*Now with a workspace of 6141 MiB$/m);
    const { out } = await again(cli, options, ["pets.onnx", "--batch", "4", "--retry", "batch"]);
    const { engine, batch, report } = JSON.parse(out);
    assert.deepEqual([batch, report.retries], [2, [{ kind: "batch", from: 4, to: 2, after: "OUT_OF_GPU_MEMORY" }]]);
    assert.match(engine, /bs2\/pets\.engine$/);
    const none = await again(cli, options, ["pets.onnx", "--batch", "4", "--retry", "none"]);
    assert.doesNotMatch(none.err, /Now with/);
  });
});

nativeTest("build-engine: --max takes shapes here, and --device a GPU", () => {
  const model = detector(["batch", 3, 640, 640]);
  const shapes = ["--min", "1x3x640x640", "--opt", "2x3x640x640", "--max", "images:4x3x640x640"];
  const gpus = `${GPU_120};${GPU_89}`;
  return withCli({ set: "10.16", model, gpus }, [...shapes, "--device", "1"], async ({ cwd, end }) => {
    const { code, out, err } = await end;
    assert.equal(code, 0, err);
    assert.match(out, /bs4\/pets\.engine\n {2}TensorRT 10\.16\.1\.7, f32, batch 4, for 89\n/);
    const metadata = JSON.parse(await Deno.readTextFile(join(cwd, "models/trt/pets/f32/bs4/pets.engine.json")));
    assert.equal(metadata.gpu.name, "NVIDIA Fake 4090");
  });
});

const USAGE: readonly (readonly [title: string, args: readonly string[], status: number, says: RegExp])[] = [
  ["a batch that is no number", ["--batch", "two"], 2, /USAGE: --batch is "two"/],
  ["a precision that does not exist", ["--precision", "int8"], 2, /USAGE: .*int8/],
  ["a time limit of nothing", ["--time-limit", "0"], 2, /USAGE: --time-limit/],
  [
    "a GPU that is not there",
    ["--device", "7"],
    3,
    /GPU_UNAVAILABLE: --device 7 names no GPU: there are 0 \(NVIDIA Fake/,
  ],
  ["targets of a TensorRT that has none", ["--targets", "86"], 2, /OPTION_UNSUPPORTED/],
];

for (const [title, args, status, says] of USAGE) {
  nativeTest(`build-engine: refuses ${title}`, () =>
    withCli({ set: "10.16" }, args, async ({ cwd, end }) => {
      const { code, err } = await end;
      assert.match(err, says);
      assert.equal(code, status);
      assert.deepEqual(builtFiles(cwd), []);
    }));
}

/** Waits until the log of the build says so, and answers the process id of the build child. */
async function childAtWork(cwd: string, parent: number, says: RegExp): Promise<number> {
  let child: number | undefined;
  await until("building", async () => {
    const text = await Deno.readTextFile(join(cwd, "models/trt/pets/f32/bs1/pets.build.log")).catch(() => "");
    child = childrenOf(parent).find((pid) => commandOf(pid).includes("child_process.ts"));
    return child !== undefined && says.test(text);
  });
  return child!;
}

function commandOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return "";
  }
}

const isGone = (pid: number) => until("gone", () => !commandOf(pid).includes("child_process.ts"));

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  nativeTest(
    `build-engine: ${signal} ends the build with 130 and leaves no engine and no process`,
    () =>
      withCli({ set: "10.16", script: "step=200" }, [], async ({ cwd, child, end }) => {
        const pid = await childAtWork(cwd, child.pid, /^# engine: /m);
        // The builder tells nothing of its steps.
        await pause(600);
        child.kill(signal);
        const { code, err } = await end;
        assert.equal(code, 130, err);
        assert.match(err, /^trtd: INTERRUPTED: /m);
        await isGone(pid);
        assert.deepEqual(builtFiles(cwd), LOG_FILES);
      }),
  );
}

for (
  const [title, model] of [
    ["", detector([1, 3, 640, 1152])],
    [" and no rewritten model", incidentModel({ width: 0.25, size: [64, 96] })],
  ] as const
) {
  nativeTest(
    `build-engine: when it is killed, its child ends too and leaves no engine${title}`,
    () =>
      withCli({ set: "10.16", script: "build=hang", model }, [], async ({ cwd, child, end }) => {
        const pid = await childAtWork(cwd, child.pid, /goes round in circles\n/);
        child.kill("SIGKILL");
        assert.equal((await end).code, 137);
        await isGone(pid);
        assert.deepEqual(builtFiles(cwd), LOG_FILES);
        const log = await Deno.readTextFile(join(cwd, "models/trt/pets/f32/bs1/pets.build.log"));
        assert.match(log, /INFO tensorrt-10\.16\.1: The build goes round in circles\n$/);
      }),
  );
}

nativeTest(
  "build-engine: a broken configuration file that is not used does not reach the child",
  () =>
    withCli({ set: "10.16" }, ["--config", "good.json"], async ({ cwd, end }) => {
      const { code, err } = await end;
      assert.equal(code, 0, err);
      assert.deepEqual(builtFiles(cwd), [...LOG_FILES, ...ENGINE_FILES].sort());
    }, { "good.json": "{}", "trtd.config.json": "{" }),
);

const gpuFact = (capability: string): GpuFact => ({
  index: 0,
  name: "GPU",
  uuid: "GPU-00000000-0000-0000-0000-000000000000",
  compute_capability: capability,
  memory_total: 1,
  memory_free: null,
  mig: false,
  integrated: false,
  multiprocessors: 1,
  pci_bus_id: "0000:01:00.0",
});

function probe(
  version: string | null,
  changes: { kind?: LibraryFact["kind"]; parser?: string | null } = {},
): TensorRtProbe {
  const product = version?.startsWith("1.") === true ? "tensorrt-rtx" : "tensorrt";
  const { kind = "full", parser = "/p.so" } = changes;
  const found: FoundTensorRt = {
    path: `/lib/${version}`,
    real_path: `/lib/${version}`,
    product,
    kind,
    major: null,
    version_by_name: version,
    cuda: null,
    package: null,
    parser,
    plugins: null,
    origin: "loader",
    via: "the loader's cache",
    also_via: [],
    problem: null,
  };
  const broken = { step: "library", code: "NATIVE_LOAD_FAILED", detail: "It is broken", remedy: "Mend it" } as const;
  return {
    found,
    library: version === null ? null : { product, kind, version, path: found.path, evidence: "run", forced: false },
    parser,
    plugins: null,
    self_check: null,
    findings: version === null ? [{ ...broken, native_code: 0 }] : [],
    ms: 1,
  };
}

function probed(capability: string | null, tensorrt: readonly TensorRtProbe[], changes: Partial<Probed> = {}): Probed {
  return {
    platform: "linux-x86_64",
    cuda: {
      shim: "/lib/libtrtd.so",
      driver: { cuda_version: "13.0", release: "580.65.06", device_count: 1, library: "libcuda.so.1" },
      gpus: capability === null ? [] : [gpuFact(capability)],
      runtime: null,
      findings: [],
      ms: 1,
    },
    tensorrt,
    hostAvailable: null,
    l4t: null,
    ...changes,
  };
}

const NO_WISHES: MachineWishes = { tensorrt: undefined, device: undefined, targets: undefined, force: false };

Deno.test("build-engine: of several TensorRTs the one that fits the GPU is taken", () => {
  const all = [probe("8.6.1"), probe("10.16.1"), probe("1.7.1.116")];
  const chosen = (capability: string | null, wishes: Partial<MachineWishes> = {}) =>
    chooseMachine({ ...NO_WISHES, ...wishes }, probed(capability, all)).machine.tensorrt.version;
  assert.equal(chosen("8.9"), "10.16.1");
  assert.equal(chosen("6.1"), "8.6.1");
  assert.equal(chosen("12.0"), "10.16.1");
  assert.equal(chosen(null), "1.7.1.116");
  assert.equal(chosen("8.9", { targets: "86" }), "1.7.1.116");
});

Deno.test("build-engine: where none fits, the best is taken for its reason", () => {
  const { machine } = chooseMachine(NO_WISHES, probed("12.0", [probe("8.6.1")]));
  assert.equal(machine.tensorrt.version, "8.6.1");
  assert.equal(machine.gpu?.computeCapability, "12.0");
});

const NOTHING: readonly (readonly [title: string, probed: Probed, code: string, says: RegExp])[] = [
  ["no TensorRT", probed("8.9", []), "TENSORRT_NOT_FOUND", /No TensorRT was found/],
  [
    "a lean runtime",
    probed("8.9", [probe("10.16.1", { kind: "lean" })]),
    "TENSORRT_NOT_FOUND",
    /lean runtime, which cannot build/,
  ],
  [
    "a TensorRT without parser",
    probed("8.9", [probe("10.16.1", { parser: null })]),
    "TENSORRT_NOT_FOUND",
    /no ONNX parser/,
  ],
  ["a broken TensorRT", probed("8.9", [probe(null)]), "TENSORRT_NOT_FOUND", /It is broken/],
  [
    "no libtrtd",
    probed("8.9", [], { cuda: { shim: null, driver: null, gpus: [], runtime: null, findings: [], ms: 1 } }),
    "NATIVE_LOAD_FAILED",
    /libtrtd cannot be used/,
  ],
  ["a system without TensorRT", probed(null, [], { platform: null }), "TENSORRT_NOT_FOUND", /for this system/],
];

for (const [title, facts, code, says] of NOTHING) {
  Deno.test(`build-engine: with ${title} it says so`, () => {
    assert.throws(() => chooseMachine(NO_WISHES, facts), (thrown) => {
      assert(thrown instanceof TrtdError);
      assert.equal(thrown.code, code);
      assert.match(thrown.message, says);
      return true;
    });
  });
}
