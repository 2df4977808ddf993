import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Difference } from "../../../src/cache/key.ts";
import type { LockWait } from "../../../src/cache/lock/lock.ts";
import { type ErrorCode, TrtdError } from "../../../src/errors.ts";
import type { EngineFacts } from "../../../src/tensorrt/build/engine_metadata.ts";
import { childCommand, thisProgram } from "../../../src/tensorrt/build/child/child_program.ts";
import type { BuildProgress } from "../../../src/tensorrt/build/child/messages.ts";
import type { ObtainOptions } from "../../../src/tensorrt/build/obtain_engine.ts";
import type { MemoryForecast } from "../../../src/tensorrt/plan/memory_forecast.ts";
import { type RetryKind, retryText } from "../../../src/tensorrt/plan/retry_ladder.ts";
import { nativeTest } from "../../native/children.ts";
import { assertHead, detector, type FakeBuild, fakeBuild, filesUnder } from "./fake_build.ts";
import { pause, until } from "../../until.ts";

const LOG_FILES = ["pets/f32/bs1/pets.build.log", "pets/f32/bs1/pets.engine.lock", "pets/model.json"];
const ENGINE_FILES = [...LOG_FILES, "pets/f32/bs1/pets.engine", "pets/f32/bs1/pets.engine.json"].sort();

/** Without what may be lost at any time. */
const lasting = (files: readonly string[]): string[] => files.filter((file) => !file.startsWith(".timing/"));

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-build-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const set of ["8.5", "8.6", "9.3", "10.0", "10.16", "11.1", "rtx-1.4", "rtx-1.6"]) {
  nativeTest(`build: the fake ${set} makes an engine in its place, and nothing else is left`, async () => {
    const { result, failure, log, files } = await fakeBuild({ set });
    assert.equal(failure, null, failure?.message);
    assert.deepEqual(lasting(files), ENGINE_FILES);
    assert.equal(result!.cache, "built");
    assert.deepEqual(result!.facts.targets, [89]);
    assertHead(log);
  });
}

nativeTest("build: the metadata says what the engine was made of, for and by", () =>
  inFolder(async (folder) => {
    const model = detector(["batch", 3, 640, 1152]);
    const wishes = { batch: 2, precision: "fp16", workspaceMb: 64, optimizationLevel: 4 } as const;
    const { result } = await fakeBuild({ set: "10.16", model, wishes }, folder);
    const { engine, metadata: path } = result!.place;
    assert.equal(engine, join(folder, "trt/pets/fp16/bs2/pets.engine"));
    const metadata: EngineFacts & { engine: { sha256: string; bytes: number } } = JSON.parse(
      await Deno.readTextFile(path),
    );
    const bytes = await Deno.readFile(engine);
    assert.equal(metadata.engine.sha256, createHash("sha256").update(bytes).digest("hex"));
    assert.equal(metadata.engine.bytes, bytes.length);
    assert.equal(metadata.model.sha256, createHash("sha256").update(model).digest("hex"));
    assert.equal(metadata.gpu?.name, "NVIDIA Fake");
    assert.deepEqual(
      [metadata.precision, metadata.batch, metadata.flags, metadata.workspace_bytes, metadata.optimization_level],
      ["fp16", 2, ["FP16"], 64 * 1024 * 1024, 4],
    );
    assert.deepEqual(metadata.profile, [{
      input: "images",
      min: [2, 3, 640, 1152],
      opt: [2, 3, 640, 1152],
      max: [2, 3, 640, 1152],
    }]);
    assert.match(new TextDecoder().decode(bytes), /profile 0 images 2x3x640x1152 2x3x640x1152 2x3x640x1152\n/);
    assert.match(new TextDecoder().decode(bytes), /^flags 65$/m);
  }));

nativeTest("build: the next build knows how long the last one took", () =>
  inFolder(async (folder) => {
    const expected: (number | null)[] = [];
    const options = { onStart: (seconds: number | null) => expected.push(seconds), rebuild: true };
    const first = await fakeBuild({ set: "10.16", options }, folder);
    const second = await fakeBuild({ set: "10.16", options }, folder);
    assert.deepEqual(expected, [null, first.result!.facts.duration_s]);
    const durations = second.result!.facts.durations.map(({ duration_s }) => duration_s);
    assert.deepEqual(durations, [second, first].map(({ result }) => result!.facts.duration_s));
  }));

nativeTest(
  "cache: the second start finds the engine, and says which field differs when it does not",
  () =>
    inFolder(async (folder) => {
      const missed: string[] = [];
      const options = {
        onMiss: (differences: readonly Difference[]) => missed.push(differences.map(({ field }) => field).join()),
      };
      const first = await fakeBuild({ set: "10.16", options }, folder);
      const second = await fakeBuild({ set: "10.16", options }, folder);
      assert.deepEqual([first.result!.cache, second.result!.cache], ["built", "hit"]);
      assert.deepEqual(second.result!.missedBecause, []);
      assert.equal(second.result!.engine.sha256, first.result!.engine.sha256);
      assert.deepEqual(second.result!.facts, first.result!.facts);
      const other = await fakeBuild({ set: "10.16", options, wishes: { optimizationLevel: 5 } }, folder);
      assert.deepEqual(other.result!.missedBecause, [{ field: "optimization_level", old: null, new: 5 }]);
      const model = detector([1, 3, 640, 1152], "Sigmoid");
      assert.equal((await fakeBuild({ set: "10.16", options, model }, folder)).result!.cache, "built");
      assert.deepEqual(missed, ["engine", "optimization_level", "model_sha256,optimization_level"]);
    }),
);

nativeTest(
  "cache: of two builds at once one builds, and the other waits for it by name and finds the engine",
  () =>
    inFolder(async (folder) => {
      const waits: string[] = [];
      const options = {
        wait: { onWait: ({ owner }: LockWait) => waits.push(`${owner?.pid}`) },
        onStart: () => started++,
      };
      let started = 0;
      const both = await Promise.all([1, 2].map(() => fakeBuild({ set: "10.16", script: "step=8", options }, folder)));
      assert.deepEqual(both.map(({ result }) => result!.cache).sort(), ["built", "hit"]);
      assert.equal(started, 1);
      assert(waits.includes(String(Deno.pid)), waits.join());
      assert.equal(both[0]!.log.match(/^# end: /gm)?.length, 1, "the log is of one build");
    }),
);

nativeTest(
  "cache: a new engine that cannot be loaded does not replace the last good one",
  () =>
    inFolder(async (folder) => {
      const loaded = { timings_ms: { deserialize: 3, context: 4 } };
      const check = (next: { path: string }) => {
        checked.push(next.path);
        return Promise.resolve(loaded);
      };
      const checked: string[] = [];
      const { result } = await fakeBuild({ set: "10.16", options: { check } }, folder);
      assert.deepEqual(result!.facts.loaded, loaded);
      assert.equal(checked.length, 1);
      const before = await Deno.readFile(result!.place.engine);
      const refuse = () => Promise.reject(new TrtdError("ENGINE_INCOMPATIBLE", "The GPU does not take it"));
      await assert.rejects(
        fakeBuild({ set: "10.16", options: { check: refuse, rebuild: true } }, folder),
        /The GPU does not take it/,
      );
      assert.deepEqual(await Deno.readFile(result!.place.engine), before);
      assert.equal((await fakeBuild({ set: "10.16" }, folder)).result!.cache, "hit");
    }),
);

const SMALL_BATCH: FakeBuild = { set: "10.16", model: detector(["batch", 3, 64, 64]), wishes: { batch: 8 } };
const WORDS = ["workspace", "optimization-level", "batch"] as const;

interface RetryCase {
  readonly title: string;
  readonly script: string;
  readonly retry: readonly RetryKind[];
  /** What became smaller, and in the end the plan's workspace in MiB, level and batch; null when all fails. */
  readonly steps: readonly string[];
  readonly end: readonly [number | null, number | null, number] | null;
}

const RETRIES: readonly RetryCase[] = [
  {
    title: "a smaller workspace",
    script: "oomworkspace=2000000000",
    retry: WORDS,
    steps: ["a workspace of 6141 MiB", "a workspace of 1535 MiB"],
    end: [1535, null, 8],
  },
  {
    title: "a lower level after a smaller workspace",
    script: "oomlevel=1",
    retry: WORDS,
    steps: ["a workspace of 6141 MiB", "a workspace of 1535 MiB", "optimization level 1"],
    end: [1535, 1, 8],
  },
  {
    title: "a smaller batch in the end",
    script: "oombatch=4",
    retry: ["batch"],
    steps: ["a batch of 4"],
    end: [null, null, 4],
  },
  {
    title: "nothing when nothing is allowed",
    script: "oomworkspace=2000000000",
    retry: [],
    steps: [],
    end: null,
  },
  {
    title: "no smaller batch unless it is allowed",
    script: "oombatch=4",
    retry: ["workspace"],
    steps: ["a workspace of 6141 MiB", "a workspace of 1535 MiB"],
    end: null,
  },
];

for (const { title, script, retry, steps, end } of RETRIES) {
  for (const how of ["log", "kill"] as const) {
    nativeTest(`retry: after memory ran out (${how}) there is ${title}`, () =>
      inFolder(async (folder) => {
        const told: string[] = [];
        const options: ObtainOptions = {
          retry,
          onRetry: (step) => told.push(retryText(step)),
          ...how === "kill" ? { countMemoryKills: counter() } : {},
        };
        const words = `${script} ${how === "kill" ? "build=oomkill" : ""}`;
        const { result, failure, log } = await fakeBuild({ ...SMALL_BATCH, script: words, options }, folder);
        assert.deepEqual(told, steps);
        if (end === null) {
          assert.equal(failure?.code, how === "log" ? "OUT_OF_GPU_MEMORY" : "BUILD_OUT_OF_MEMORY");
          return;
        }
        const { workspace_bytes: size, optimization_level: level, batch, retries } = result!.facts;
        assert.deepEqual([size === null ? null : size / 1_048_576, level, batch], end);
        assert.deepEqual(retries.map(retryText), steps);
        assert(retries.every(({ after }) => after === (how === "log" ? "OUT_OF_GPU_MEMORY" : "BUILD_OUT_OF_MEMORY")));
        assert.match(result!.place.engine, new RegExp(`/bs${batch}/pets\\.engine$`));
        if (batch === 8) assert.match(log, new RegExp(`^# retry: with ${steps.at(-1)}, after `, "m"));
        const again = await fakeBuild({ ...SMALL_BATCH, script: words, options: { retry } }, folder);
        assert.equal(again.result?.cache, "hit", "the next start does not begin from the top again");
        assert.equal(again.result!.facts.batch, batch);
      }));
  }
}

nativeTest(
  "retry: a smaller batch is not taken for the whole one by who does not allow it",
  () =>
    inFolder(async (folder) => {
      await fakeBuild({ ...SMALL_BATCH, script: "oombatch=4", options: { retry: ["batch"] } }, folder);
      const { result } = await fakeBuild({ ...SMALL_BATCH, options: { retry: [] } }, folder);
      assert.deepEqual([result!.cache, result!.facts.batch], ["built", 8]);
      const { batch } = (await fakeBuild({ ...SMALL_BATCH, options: { retry: ["batch"] } }, folder)).result!.facts;
      assert.equal(batch, 8);
    }),
);

nativeTest(
  "retry: an engine that finds no room on the GPU, or a build that is not begun for that, gets a smaller batch",
  () =>
    inFolder(async (folder) => {
      const noRoom = () => new TrtdError("OUT_OF_GPU_MEMORY", "There is no room");
      const loaded = { timings_ms: { context: 1 } };
      const check: ObtainOptions["check"] = ({ plan }) =>
        plan.batch > 4 ? Promise.reject(noRoom()) : Promise.resolve(loaded);
      const first = await fakeBuild({ ...SMALL_BATCH, options: { check, retry: ["batch"] } }, folder);
      assert.deepEqual([first.result!.facts.batch, first.result!.facts.loaded], [4, loaded]);
      const forecast: ObtainOptions["forecast"] = ({ batch }) => {
        if (batch > 2) throw noRoom();
        return null as unknown as MemoryForecast;
      };
      const options: ObtainOptions = { forecast, retry: ["batch"], rebuild: true };
      assert.equal((await fakeBuild({ ...SMALL_BATCH, options }, folder)).result!.facts.batch, 2);
      await assert.rejects(fakeBuild({ ...SMALL_BATCH, options: { forecast, rebuild: true } }, folder), /no room/);
    }),
);

nativeTest("retry: what a smaller plan does not help is not tried again", async () => {
  for (const script of ["build=null", "build=crash", "build=kill"]) {
    const { failure, log } = await fakeBuild({ ...SMALL_BATCH, script, options: { retry: WORDS } });
    assert(failure !== null && !log.includes("# retry"), script);
  }
});

interface FailureCase extends FakeBuild {
  readonly title: string;
  readonly code: ErrorCode;
  readonly kind: string;
  /** In the failure's detail. */
  readonly says: RegExp;
  readonly remedy?: RegExp;
  /** In the log. */
  readonly logs?: RegExp;
}

const FAILURES: readonly FailureCase[] = [
  {
    title: "a builder that returns null on a GPU that is too new",
    set: "8.6",
    capability: "12.0",
    model: detector([1, 3, 640, 1152], "EfficientNMS_TRT"),
    wishes: { force: true, nms: "plugin" },
    code: "BUILD_FAILED",
    kind: "refused",
    says: /smVerHex2Dig/,
    remedy: /TensorRT 10\.8/,
    logs: /ERROR tensorrt-8\.6\.1: 2: \[helpers\.h::smVerHex2Dig::694\] Error Code 2/,
  },
  {
    title: "a builder that returns an address of the first page",
    set: "10.16",
    script: "build=near-null",
    code: "BUILD_FAILED",
    kind: "refused",
    says: /returned no engine/,
  },
  {
    title: "a builder that cannot be made",
    set: "10.16",
    script: "builder=near-null",
    code: "DRIVER_TOO_OLD",
    kind: "refused",
    says: /CUDA error 35.*while its libraries were opened/,
  },
  {
    title: "an error that nobody knows",
    set: "10.16",
    script: "builder=error",
    code: "BUILD_FAILED",
    kind: "refused",
    says: /while its libraries were opened: .*something is wrong/,
    remedy: /trtd doctor --bundle FILE/,
  },
  {
    title: "an abort",
    set: "10.16",
    script: "build=abort",
    code: "BUILD_CRASHED",
    kind: "crashed",
    says: /SIGABRT while the engine was built: .*the line before the abort/,
    logs: /FATAL tensorrt-10\.16\.1: .*the line before the abort/,
  },
  {
    title: "an invalid access",
    set: "rtx-1.6",
    script: "build=crash",
    code: "BUILD_CRASHED",
    kind: "crashed",
    says: /SIGSEGV while the engine was built: The line before the crash/,
    logs: /The line before the crash/,
  },
  {
    title: "an endless loop",
    set: "10.16",
    script: "build=hang",
    options: { timeLimitMs: 1_500 },
    code: "BUILD_TIMED_OUT",
    kind: "timed-out",
    says: /after 1\.5 s, while the engine was built/,
    logs: /The build goes round in circles/,
  },
  {
    title: "a kill from outside",
    set: "10.16",
    script: "build=kill",
    options: { countMemoryKills: () => 3 },
    code: "BUILD_KILLED",
    kind: "killed",
    says: /killed from outside while the engine was built, memory suspected/,
  },
  {
    title: "a kill that the kernel counted",
    set: "10.16",
    script: "build=kill",
    options: { countMemoryKills: counter() },
    code: "BUILD_OUT_OF_MEMORY",
    kind: "out-of-memory",
    says: /The kernel killed the build while the engine was built because memory ran out/,
  },
  {
    title: "GPU memory that runs out",
    set: "10.16",
    script: "build=oom",
    code: "OUT_OF_GPU_MEMORY",
    kind: "refused",
    says: /memory ran out/,
  },
  {
    title: "a node that the parser refuses",
    set: "11.1",
    script: "parse=error",
    code: "MODEL_LOAD_FAILED",
    kind: "refused",
    says: /node 23 "\/model\.22\/Slice" \(Slice\): Assertion failed: convertDtype/,
  },
  {
    title: "a parser that says nothing",
    set: "10.16",
    script: "parse=silent",
    code: "MODEL_LOAD_FAILED",
    kind: "refused",
    says: /while the model was parsed/,
  },
  {
    title: "an operator that RTX has no plugin for",
    set: "rtx-1.6",
    capability: null,
    model: detector([1, 3, 640, 1152], "EfficientNMS_TRT"),
    wishes: { targets: "86", force: true, nms: "plugin" },
    code: "PLUGIN_MISSING",
    kind: "refused",
    says: /EfficientNMS_TRT/,
  },
  {
    title: "a GPU that is gone when the build begins",
    set: "10.16",
    env: { TRTD_FAKE_GPUS: "" },
    code: "GPU_UNAVAILABLE",
    kind: "refused",
    says: /while its libraries were opened/,
  },
  {
    title: "a core library that is gone",
    set: "10.16",
    change: (plan) => ({ ...plan, libraries: { ...plan.libraries, core: "/nowhere/libnvinfer.so.10" } }),
    code: "TENSORRT_NOT_FOUND",
    kind: "refused",
    says: /\/nowhere\/libnvinfer\.so\.10/,
  },
];

function counter(): () => number {
  let count = 0;
  return () => count++;
}

for (const { title, code, kind, says, remedy, logs, ...build } of FAILURES) {
  nativeTest(`build: ${title} ends as ${code}, with head and log, and no engine`, async () => {
    const { failure, log, files } = await fakeBuild(build);
    assert(failure !== null, "an engine was built");
    assert.equal(failure.code, code, failure.message);
    assert.equal(failure.end.kind, kind);
    assert.match(failure.message, says);
    if (remedy !== undefined) assert.match(failure.remedy, remedy);
    for (const text of [failure.message, failure.remedy]) assert.doesNotMatch(text, /\bnull\b|__enter__|undefined/);
    assertHead(log);
    if (logs !== undefined) assert.match(log, logs);
    assert.match(log, new RegExp(`^# end: ${kind}`, "m"));
    assert.deepEqual(lasting(files), LOG_FILES);
  });
}

nativeTest("build: a failed build leaves the engine of the one before as it is", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-build-" });
  try {
    const { result } = await fakeBuild({ set: "10.16" }, folder);
    const read = () =>
      Promise.all([result!.place.engine, result!.place.metadata].map((path) => Deno.readTextFile(path)));
    const before = await read();
    const options = { rebuild: true };
    const { failure, files } = await fakeBuild({ set: "10.16", script: "build=null", options }, folder);
    assert.equal(failure?.code, "BUILD_FAILED");
    assert.deepEqual(await read(), before);
    assert.deepEqual(lasting(files), ENGINE_FILES);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

nativeTest("build: a flood of 100,000 lines loses none", async () => {
  const { result, log } = await fakeBuild({ set: "10.16", script: "flood=100000" });
  assert(result !== null);
  const numbers = log.split("\n").flatMap((line) => {
    const match = / VERBOSE tensorrt-10\.16\.1: Tactic: 0x(\d+) Time: 0\.0123$/.exec(line);
    return match === null ? [] : [Number(match[1])];
  });
  assert.equal(numbers.length, 100_000);
  assert(numbers.every((number, index) => number === index));
});

nativeTest("build: progress of a slow build rises to its end", async () => {
  const seen: BuildProgress[] = [];
  const options = { onProgress: (progress: BuildProgress) => seen.push(progress) };
  const { result } = await fakeBuild({ set: "11.1", script: "step=8", options });
  assert(result !== null);
  assert(seen.length >= 4, `${seen.length} reports`);
  assert(seen.some(({ phase }) => phase === "Timing Tactics"));
  const fractions = seen.map(({ fraction }) => fraction);
  assert.deepEqual(fractions, fractions.toSorted((a, b) => a - b));
});

for (
  const [set, how] of [["10.16", "asked to end, it ends"], ["8.6", "it cannot be asked, so its process ends"]] as const
) {
  nativeTest(
    `build: an interrupted build of ${set} is over before it is done: ${how}`,
    () =>
      inFolder(async (folder) => {
        const interrupt = new AbortController();
        const script = set === "8.6" ? "build=hang" : "step=200";
        const building = fakeBuild({ set, script, options: { signal: interrupt.signal } }, folder);
        const log = join(folder, "trt", LOG_FILES.find((file) => file.endsWith(".log"))!);
        const begun = set === "8.6" ? /goes round in circles/ : /^# engine: /m;
        await until("building", async () => begun.test(await Deno.readTextFile(log).catch(() => "")));
        // The newer one tells nothing of its steps in the log.
        await pause(500);
        interrupt.abort();
        const { failure, files } = await building;
        assert.equal(failure?.code, "INTERRUPTED");
        assert.equal(failure?.row.exit, 130);
        assert.deepEqual(lasting(files), LOG_FILES);
      }),
  );
}

nativeTest("build: an abort before the start ends at once", () =>
  inFolder(async (folder) => {
    const options = { signal: AbortSignal.abort() };
    await assert.rejects(
      fakeBuild({ set: "10.16", options }, folder),
      (error) => error instanceof TrtdError && error.code === "INTERRUPTED",
    );
    assert(!filesUnder(folder).some((file) => /\.(engine|part)$/.test(file)));
  }));

nativeTest("build: a timing cache is begun, kept, and taken up again", () =>
  inFolder(async (folder) => {
    const timingCache = join(folder, "timings");
    const size = async () => (await Deno.stat(timingCache)).size;
    const options = { rebuild: true };
    assert.equal((await fakeBuild({ set: "10.16", wishes: { timingCache }, options }, folder)).failure, null);
    assert(await size() > 0);
    assert.equal((await fakeBuild({ set: "10.16", wishes: { timingCache }, options }, folder)).failure, null);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["pets.onnx", "timings", "trt"]);
  }));

nativeTest(
  "build: unless told otherwise there is one timing cache per GPU and TensorRT, where there are any",
  () =>
    inFolder(async (folder) => {
      const timings = (files: readonly string[]) => files.filter((file) => file.startsWith(".timing/"));
      assert.deepEqual(timings((await fakeBuild({ set: "rtx-1.6" }, folder)).files), []);
      const first = timings((await fakeBuild({ set: "10.16" }, folder)).files);
      assert.deepEqual(first, [".timing/tensorrt-10.16.1.7-sm89-nvidia-fake.cache"]);
      await Deno.writeTextFile(join(folder, "trt", first[0]!), "nonsense");
      const { result } = await fakeBuild({ set: "10.16", options: { rebuild: true } }, folder);
      assert.match(result!.facts.remarks.join(), /timing cache .* was not accepted and is begun anew/);
    }),
);

nativeTest("build: a model that changes between plan and build is refused", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-build-" });
  try {
    const change = (plan: Parameters<NonNullable<FakeBuild["change"]>>[0]) => {
      Deno.writeFileSync(join(folder, "pets.onnx"), detector([1, 3, 320, 320]));
      return plan;
    };
    const { failure } = await fakeBuild({ set: "10.16", change }, folder);
    assert.equal(failure?.code, "MODEL_LOAD_FAILED");
    assert.match(failure!.message, /changed while its engine was to be built/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("child: under Deno it may open libtrtd and nothing else native; compiled it is the program itself", () => {
  const plan = { libraries: { core: "/opt/trt/libnvinfer.so.10" } } as Parameters<typeof childCommand>[1]["plan"];
  const given = { plan, shim: "/opt/libtrtd.so", environment: { LD_LIBRARY_PATH: "/a:/opt/trt" } };
  const { args, env, path } = childCommand(
    { execPath: "/bin/deno", standalone: false, childUrl: "file:///child.ts" },
    given,
  );
  assert.equal(path, "/bin/deno");
  assert(args.includes("--allow-ffi=/opt/libtrtd.so") && !args.includes("--allow-net") && !args.includes("-A"));
  assert.equal(args.at(-1), "file:///child.ts");
  assert.equal(env["LD_LIBRARY_PATH"], "/opt/trt:/a");
  assert.deepEqual(childCommand({ ...thisProgram(), execPath: "/bin/trtd", standalone: true }, given).args, [
    "build-child",
  ]);
});
