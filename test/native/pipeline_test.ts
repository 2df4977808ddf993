import assert from "node:assert/strict";
import { join } from "node:path";
import { ElementType, Layout } from "../../ffi/enums.ts";
import type { PipelineFacts } from "../../ffi/pipeline_facts.ts";
import { fakeSet, nativeTest, scenario, shimAndFakes, skipReason } from "./children.ts";
import type { RigOptions } from "./pipeline_rig.ts";
import type { Failure } from "./scenario_steps.ts";

const NOTHING_LEFT = { handles: 0, liveMemory: 0, livePinned: 0, liveStreams: 0, liveEvents: 0, liveGraphs: 0 };

const rigOf = (set: string, options: Partial<RigOptions> = {}): RigOptions => ({ set: fakeSet(set), ...options });
const oldDriver = () => join(shimAndFakes().fakes, "cuda-old", "libcuda.so.1");

interface Equal {
  readonly boxes: number;
  readonly captures: number;
  readonly graphLaunches: number;
  readonly facts: PipelineFacts;
  readonly stale: number;
  readonly left: unknown;
}

const EQUAL: [title: string, set: string, options: Partial<RigOptions>][] = [
  ["a dynamic batch", "10.16", {}],
  ["a dynamic batch of 2 or more", "11.1", { least: 2 }],
  ["a dynamic batch in halves", "8.6", { half: true }],
  ["a fixed batch", "rtx-1.6", { fixed: true }],
  ["a fixed batch in halves", "11.1", { fixed: true, half: true }],
  ["a fixed batch of one", "8.5", { fixed: true, batch: 1 }],
  ["a size input of 64-bit integers", "10.0", { sizes: "int64" }],
  ["a size input of 32-bit integers and a fixed batch", "rtx-1.4", { sizes: "int32", fixed: true }],
];

for (const [title, set, options] of EQUAL) {
  nativeTest(
    `pipeline: with ${title} its boxes are those of the steps one by one, with graphs and without`,
    async () => {
      const rig = rigOf(set, options);
      const replayed = await scenario<Equal>("pipelineEqual", { rig, runs: 40, cudaGraph: true });
      assert.ok(replayed.boxes > 20 && replayed.graphLaunches >= 10, JSON.stringify(replayed));
      assert.equal(replayed.facts.graphRefusal, null);
      assert.equal(replayed.facts.runs, 40);
      assert.equal(replayed.facts.batch, options.fixed === true ? options.batch ?? 4 : 0);
      const plain = await scenario<Equal>("pipelineEqual", { rig, runs: 40, cudaGraph: false });
      assert.deepEqual([plain.boxes, plain.captures, plain.graphLaunches], [replayed.boxes, 0, 0]);
      for (const { stale, left } of [plain, replayed]) assert.deepEqual([stale, left], [0, NOTHING_LEFT]);
    },
  );
}

nativeTest(
  "pipeline: a fixed batch keeps a graph for each number of frames, a dynamic one for its present batch",
  async () => {
    const fixed = await scenario<Equal>("pipelineEqual", {
      rig: rigOf("10.16", { fixed: true }),
      runs: 40,
      cudaGraph: true,
    });
    const dynamic = await scenario<Equal>("pipelineEqual", { rig: rigOf("10.16"), runs: 40, cudaGraph: true });
    assert.deepEqual([fixed.captures, fixed.facts.graphs], [4, 4]);
    assert.ok(dynamic.captures > 4 && dynamic.facts.graphs === 1);
  },
);

nativeTest("pipeline: memory grows with the frames and stays, and fifty runs allocate nothing", async () => {
  const { allocations, facts } = await scenario<{ allocations: Record<string, number[]>; facts: PipelineFacts }>(
    "pipelineMemory",
    { rig: rigOf("10.16") },
  );
  assert.deepEqual(allocations, {
    "first": [1, 1],
    "same": [0, 0],
    "others": [0, 0],
    "larger": [1, 1],
    "smaller": [0, 0],
    "a little larger": [0, 0],
    "much larger": [1, 1],
    "within the double": [0, 0],
    "fifty": [0, 0],
  });
  assert.ok(facts.deviceBytes > 4 << 20 && facts.pinnedBytes > 4 << 20);
});

interface Failed {
  readonly failed: Failure | string;
  readonly unread: Failure | number;
  readonly after: Failure | string;
  readonly facts: PipelineFacts;
  readonly left: unknown;
}

const CUDA = 2, TENSORRT = 3;
interface FailingCase {
  readonly title: string;
  readonly fake: string;
  readonly expected: readonly [status: string, origin: number, code: number, message: RegExp];
  /** The device is lost to the process. */
  readonly sticky?: boolean;
  readonly before?: number;
  readonly side?: number;
}

const FAILING: readonly FailingCase[] = [
  {
    title: "TensorRT refuses a plain run",
    fake: "enqueue=refused",
    before: 0,
    expected: ["EXECUTION_FAILED", TENSORRT, 1, /^The context did not take the run.*an illegal wish/],
  },
  {
    title: "a kernel of a graph faults",
    fake: "cuda-sync=700",
    expected: ["CUDA_ERROR", CUDA, 700, /\(700\)/],
    sticky: true,
  },
  {
    title: "a kernel of a plain run faults",
    fake: "run=719",
    before: 0,
    expected: ["CUDA_ERROR", CUDA, 719, /\(719\)/],
    sticky: true,
  },
  {
    title: "TensorRT refuses a run because the device is in error",
    fake: "enqueue=refused cuda-sync=700",
    before: 0,
    expected: ["CUDA_ERROR", CUDA, 700, /\(700\)/],
    sticky: true,
  },
  {
    title: "the device is lost",
    fake: "cuda-fault=101",
    expected: ["CUDA_ERROR", CUDA, 101, /\(101\)/],
    sticky: true,
  },
  {
    title: "a copy fails",
    fake: "cuda-copy=1",
    expected: ["CUDA_ERROR", CUDA, 1, /^cuMemcpyHtoDAsync failed/],
  },
  {
    title: "a launch fails",
    fake: "cuda-launch=701",
    before: 0,
    expected: ["CUDA_ERROR", CUDA, 701, /^cuLaunchKernel failed/],
  },
  {
    title: "there is no device memory for larger frames",
    fake: "cuda-oom-over=4000000",
    side: 1500,
    expected: ["OUT_OF_MEMORY", CUDA, 2, /^cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY/],
  },
  {
    title: "there is no pinned memory for the first frames",
    fake: "cuda-oom=2",
    before: 0,
    expected: ["OUT_OF_MEMORY", CUDA, 2, /^cuMemHostAlloc failed with CUDA_ERROR_OUT_OF_MEMORY/],
  },
];

for (const { title, fake, expected, sticky = false, ...rest } of FAILING) {
  nativeTest(
    `pipeline: when ${title} the run says so, and ${sticky ? "every later one too" : "the next one is well"}`,
    async () => {
      const end = await scenario<Failed>("pipelineFailing", { rig: rigOf("10.16"), fake, ...rest });
      const [status, origin, code, message] = expected;
      const failed = end.failed as Failure;
      assert.deepEqual([failed.status, failed.origin, failed.code], [status, origin, code], JSON.stringify(end.failed));
      assert.match(failed.message, message);
      assert.equal((end.unread as Failure).status, "INVALID_ARGUMENT");
      if (sticky) assert.deepEqual([(end.after as Failure).status, (end.after as Failure).code], ["CUDA_ERROR", code]);
      else assert.equal(end.after, "as before");
      assert.equal((end.left as { handles: number }).handles, 0);
      if (!sticky) assert.deepEqual(end.left, NOTHING_LEFT);
    },
  );
}

nativeTest("pipeline: memory that is there for the frames, and not for the double, is enough", async () => {
  assert.deepEqual(await scenario("pipelineTight", { rig: rigOf("10.16") }), [1, 3]);
});

nativeTest("pipeline: whichever allocation fails while it is made, nothing is left behind", async () => {
  const { failed, left } = await scenario<{ failed: string[]; left: unknown }>("pipelineScarce", {
    rig: rigOf("10.16"),
  });
  assert.ok(failed.length >= 8 && failed.every((status) => status === "OUT_OF_MEMORY"), failed.join());
  assert.deepEqual(left, NOTHING_LEFT);
});

const REFUSED: readonly [title: string, fake: string, refusal: RegExp][] = [
  ["capturing cannot begin", "cuda-begin=801", /^cuStreamBeginCapture failed with 801$/],
  ["the capture is invalid", "cuda-capture=900", /^cuStreamEndCapture failed with 900$/],
  ["the graph cannot be instantiated", "cuda-instantiate=2", /^cuGraphInstantiate failed with 2$/],
  ["the graph cannot be launched", "cuda-graph-launch=1", /^cuGraphLaunch failed with 1$/],
];

for (const [title, fake, refusal] of REFUSED) {
  nativeTest(`pipeline: when ${title} it runs plainly from then on, with the same boxes, and knows why`, async () => {
    const end = await scenario<Failed>("pipelineFailing", {
      rig: rigOf("10.16"),
      fake,
      before: fake.includes("graph-launch") ? 1 : 0,
    });
    assert.deepEqual([end.failed, end.after, end.left], ["a good run", "as before", NOTHING_LEFT]);
    assert.match(end.facts.graphRefusal!, refusal);
    assert.equal(end.facts.graphs, 0);
  });
}

nativeTest("pipeline: TensorRT that refuses to be captured runs plainly, and its words are kept", async () => {
  const end = await scenario<Failed>("pipelineFailing", { rig: rigOf("10.16"), fake: "capture=refused", before: 0 });
  assert.deepEqual([end.failed, end.after, end.left], ["a good run", "as before", NOTHING_LEFT]);
  assert.match(end.facts.graphRefusal!, /stream is capturing/);
});

nativeTest("pipeline: a driver without events and graphs runs plainly, with the same boxes", async () => {
  const end = await scenario<Equal>("pipelineEqual", {
    rig: rigOf("8.5", { cuda: oldDriver() }),
    runs: 20,
    cudaGraph: true,
  });
  assert.deepEqual([end.facts.graphRefusal, end.graphLaunches], ["The CUDA driver has no graphs", 0]);
  assert.ok(end.boxes > 10);
  assert.deepEqual(end.left, NOTHING_LEFT);
});

const SPECS: readonly [title: string, changes: unknown, status: string, message: RegExp, fake?: string][] = [
  ["an input that is not there", { input: "pictures" }, "INVALID_ARGUMENT", /^The engine has no input "pictures"$/],
  ["an output as input", { input: "output0" }, "INVALID_ARGUMENT", /^The engine has no input "output0"$/],
  ["an output that is not there", { outputs: ["boxes"] }, "INVALID_ARGUMENT", /^The engine has no output "boxes"$/],
  ["too many outputs", { outputs: ["output0", "extra"] }, "INVALID_ARGUMENT", /^The layout has 1 tensors, 2 outputs/],
  [
    "another input size",
    { letterbox: { width: 64 } },
    "INVALID_ARGUMENT",
    /^Letterbox and detections must be of the same/,
  ],
  [
    "an input size that is not the engine's",
    { letterbox: { width: 64 }, detections: { width: 64 } },
    "INVALID_ARGUMENT",
    /^Input "images" is not \[N, 3, 32, 64\]$/,
  ],
  [
    "another type",
    { letterbox: { type: "float16" } },
    "INVALID_ARGUMENT",
    /^Input "images" has the type 0, the letterbox 1$/,
  ],
  [
    "another type of the output",
    { detections: { types: [ElementType.FLOAT16] } },
    "INVALID_ARGUMENT",
    /^Output "output0" has the type 0, the layout 1$/,
  ],
  [
    "another layout",
    { detections: { layout: Layout.END_TO_END, rows: 40, columns: 9 }, outputs: ["extra"] },
    "INVALID_ARGUMENT",
    /^Output "extra" has 48 bytes for 4 pictures, the layout 5760$/,
  ],
  [
    "two batches",
    { detections: { imagesMax: 3 } },
    "INVALID_ARGUMENT",
    /^"frames_max" and "images_max" must be the same$/,
  ],
  [
    "a batch over the profile",
    { letterbox: { framesMax: 5 }, detections: { imagesMax: 5 } },
    "EXECUTION_FAILED",
    /^The context did not take the shape of "images": .*satisfyProfile/,
  ],
  [
    "a size input that is not there",
    { sizeInput: "orig_target_sizes" },
    "INVALID_ARGUMENT",
    /^The engine has no input/,
  ],
  ["a wait without end", { spinUs: 1_000_001 }, "INVALID_ARGUMENT", /^"spin_us" must be 0 to 1000000$/],
  [
    "a tensor that is not linear",
    {},
    "INVALID_ARGUMENT",
    /^"images" has the format 4, the kernels work on/,
    "format=4",
  ],
  ["no memory for the outputs", {}, "OUT_OF_MEMORY", /^cuMemAlloc failed with CUDA_ERROR_OUT_OF_MEMORY/, "cuda-oom=7"],
];

for (const [title, changes, status, message, fake = ""] of SPECS) {
  nativeTest(`pipeline: ${title} is refused in words`, async () => {
    const failure = await scenario<Failure>("pipelineRefused", { rig: rigOf("10.16"), changes, fake });
    assert.equal(failure.status, status, JSON.stringify(failure));
    assert.match(failure.message, message);
  });
}

nativeTest("pipeline: an engine with a fixed batch takes no larger one, and one more input is refused", async () => {
  const [five, sizes] = [{ letterbox: { framesMax: 5 }, detections: { imagesMax: 5 } }, { sizeInput: null }];
  const large = await scenario<Failure>("pipelineRefused", { rig: rigOf("10.16", { fixed: true }), changes: five });
  assert.equal(large.message, 'The engine runs 4 pictures, "frames_max" is 5');
  const more = await scenario<Failure>("pipelineRefused", { rig: rigOf("10.16", { sizes: "int64" }), changes: sizes });
  assert.equal(more.message, 'The engine has one more input, "sizes"');
});

nativeTest("pipeline: frames that do not fit and calls at the wrong time are refused in words", async () => {
  const tried = await scenario<Record<string, Failure>>("pipelineMisused", { rig: rigOf("10.16") });
  const said = Object.fromEntries(
    Object.entries(tried).map(([name, failure]) => [name, typeof failure === "string" ? failure : failure.message]),
  );
  assert.deepEqual(said, {
    "read before a run": "There is no run to read: none was made, or the last one failed",
    "no frames": "There are too few or too many frames",
    "too many frames": "There are too few or too many frames",
    "bytes missing": said["bytes missing"],
    "outside the input": '"left" must be 0 to 39, current value is 47',
    "a JPEG without a decoder": "Frame 0 is a JPEG file, and the pipeline has no decoder",
    "a threshold that is no number": "A threshold must be a number",
    "too many boxes": '"most boxes" must be 1 to 20, current value is 21',
    "two at once": "RangeError: A run of this pipeline is under way",
    "read during a run": "RangeError: A run of this pipeline is under way",
    "a picture too many": "There is no picture of this index",
    "closed": "Handle 0 is no open pipeline: it was closed or never made",
  });
  assert.match(said["bytes missing"]!, /^Frame 0 has \d+ bytes, its size needs \d+$/);
});

nativeTest("pipeline: six pipelines at once, with graphs and without, have the boxes of one", async () => {
  const end = await scenario<{ boxes: number; stale: boolean; left: unknown }>("pipelinesAtOnce", {
    rig: rigOf("10.16"),
    lanes: 6,
    runs: 24,
  });
  assert.ok(end.boxes > 200);
  assert.deepEqual([end.stale, end.left], [false, NOTHING_LEFT]);
});

nativeTest(
  "pipeline: stages are timed inside a graph from the second time on, and a thread asks first and sleeps then",
  async () => {
    const end = await scenario<Record<string, never>>("pipelineTimes", { rig: rigOf("10.16") });
    const { timed, again, plain, graphs, repeated, repeats, untimed, asked, woken } = end;
    for (const times of [timed, again] as unknown as Record<string, number>[]) {
      const { total, ...stages } = times;
      assert.ok(Object.values(stages).every((ms) => ms >= 0) && stages.letterbox! > 0 && stages.postprocess! > 0);
      assert.ok(Object.values(stages).reduce((sum, ms) => sum + ms, 0) <= total! * 1.05, JSON.stringify(times));
    }
    const { letterbox, postprocess, download, decode, inference, total } = plain as unknown as Record<string, number>;
    assert.deepEqual([letterbox, postprocess, download, decode], [0, 0, 0, 0]);
    assert.ok(inference! >= 19 && total! >= inference!, JSON.stringify(plain));
    assert.deepEqual([graphs, asked, woken], [1, 0, 1]);
    assert.deepEqual([(repeated as unknown as number[]).length, repeats], [5, 5]);
    assert.ok((repeated as unknown as number[]).every((ms) => ms > 0), JSON.stringify(repeated));
    assert.equal((untimed as unknown as Failure).status, "UNSUPPORTED");
  },
);

nativeTest(
  "pipeline: a run that is begun on the calling thread has the same boxes, graph or none, fault or none",
  async () => {
    const end = await scenario<Record<string, unknown>>("pipelineHere", { rig: rigOf("10.16") });
    const { boxes, launches, refusal, fault, after, left } = end;
    assert.ok(boxes as number > 20 && launches as number >= 16, JSON.stringify(end));
    assert.equal(refusal, "cuGraphLaunch failed with 2");
    assert.equal(end["two at once"], "RangeError: A run of this pipeline is under way");
    for (const failed of [fault, after] as Failure[]) {
      assert.deepEqual([failed.status, failed.code], [
        "CUDA_ERROR",
        700,
      ]);
    }
    assert.deepEqual(left, NOTHING_LEFT);
  },
);

nativeTest("pipeline: JPEG files and RGB frames share a run, and a file that is refused is named", async () => {
  const nvjpeg = join(shimAndFakes().fakes, "nvjpeg", "libnvjpeg.so.13");
  const { boxes, refused } = await scenario<{ boxes: number; refused: Failure }>("pipelineJpeg", {
    rig: rigOf("10.16"),
    nvjpeg,
  });
  assert.ok(boxes >= 8);
  assert.deepEqual([refused.status, refused.code], ["PICTURE_REFUSED", 2]);
});

Deno.test({
  name: "pipeline: it needs permission for the library's file alone",
  ignore: skipReason !== undefined,
  async fn() {
    const { shim } = shimAndFakes();
    const set = fakeSet("10.16");
    // The fakes' journal and counts are libraries that the test opens itself.
    const permissions = ["-R", "-E", `--allow-ffi=${shim},${set.core},${set.cuda}`];
    const end = await scenario<Equal>("pipelineEqual", { rig: { set }, runs: 6, cudaGraph: true }, { permissions });
    assert.ok(end.boxes > 0);
  },
});
