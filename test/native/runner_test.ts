import assert from "node:assert/strict";
import { join } from "node:path";
import type { PipelineFacts } from "../../ffi/pipeline_facts.ts";
import type { TimeOptions } from "../../ffi/time_context.ts";
import { fakeSet, nativeTest, scenario, shimAndFakes } from "./children.ts";
import type { RigOptions } from "./pipeline_rig.ts";
import type { Failure } from "./scenario_steps.ts";

const NOTHING_LEFT = { handles: 0, liveMemory: 0, livePinned: 0, liveStreams: 0, liveEvents: 0, liveGraphs: 0 };

const rigOf = (set: string, options: Partial<RigOptions> = {}): RigOptions => ({ set: fakeSet(set), ...options });

interface Runs {
  readonly allocations: number;
  readonly pinned: number;
  readonly captures: number;
  readonly graphLaunches: number;
  readonly facts: PipelineFacts;
  readonly left: unknown;
}

const RUNS: [title: string, set: string, options: Partial<RigOptions>, captures: number, launches: number][] = [
  ["a dynamic batch", "10.16", {}, 4, 6],
  ["halves", "8.6", { half: true }, 4, 6],
  ["a fixed batch", "rtx-1.6", { fixed: true }, 1, 9],
  ["two inputs", "10.0", { sizes: "int64" }, 4, 6],
];

for (const [title, set, options, captures, launches] of RUNS) {
  nativeTest(`runner: with ${title} tensors go in and come out, with graphs and without`, async () => {
    const rig = rigOf(set, options);
    const replayed = await scenario<Runs>("runnerRuns", { rig, cudaGraph: true });
    assert.deepEqual([replayed.captures, replayed.graphLaunches], [captures, launches]);
    assert.deepEqual([replayed.facts.graphs, replayed.facts.runs, replayed.facts.graphRefusal], [1, 10, null]);
    const plain = await scenario<Runs>("runnerRuns", { rig, cudaGraph: false });
    assert.deepEqual([plain.captures, plain.graphLaunches], [0, 0]);
    for (const { pinned, left } of [replayed, plain]) assert.deepEqual([pinned, left], [0, NOTHING_LEFT]);
  });
}

nativeTest("runner: what does not fit is refused in words", async () => {
  const tried = await scenario<Record<string, Failure | string>>("runnerRefuses", { rig: rigOf("10.16") });
  const said = Object.fromEntries(
    Object.entries(tried).map((
      [name, failure],
    ) => [name, typeof failure === "string" ? failure : `${failure.status}: ${failure.message}`]),
  );
  assert.deepEqual(said, {
    "an input that is not there": 'INVALID_ARGUMENT: The engine has no input "pictures"',
    "an input too few": 'INVALID_ARGUMENT: The engine has one more input, "images"',
    "an output that is not there": 'INVALID_ARGUMENT: The engine has no output "boxes"',
    "no room": 'INVALID_ARGUMENT: "output0" must have room for 1 byte or more',
    "bytes missing": 'INVALID_ARGUMENT: Input "images" has 18428 bytes, its shape needs 18432',
    "a batch over the room": 'INVALID_ARGUMENT: Input "images" has 92160 bytes, the runner room for 73728',
    "a shape outside the profile": said["a shape outside the profile"],
    "an output over the room": 'BUFFER_TOO_SMALL: Output "output0" has 1440 bytes, the runner room for 100',
    "refused by TensorRT": said["refused by TensorRT"],
    "two at once": "RangeError: A run of this runner is under way",
    "a fault": "CUDA_ERROR: cuStreamQuery failed with an unknown error (700)",
  });
  assert.match(
    said["a shape outside the profile"]!,
    /^EXECUTION_FAILED: The context did not take the shape of "images": /,
  );
  assert.match(said["refused by TensorRT"]!, /^EXECUTION_FAILED: The context did not take the run: .*illegal wish/);
});

interface Timed {
  readonly times: number[] | Failure;
  readonly launched: number;
}

const timesOf = (time: TimeOptions, rest: { fake?: string; shaped?: boolean; rig?: RigOptions } = {}) =>
  scenario<Timed>("contextTimes", { rig: rigOf("10.16"), time, ...rest });

nativeTest("time: the bare engine is timed in every way, with a graph and without", async () => {
  for (const mode of ["latency", "clock", "throughput"] as const) {
    for (const graph of [false, true]) {
      const runs = mode === "throughput" ? 300 : 5;
      const { times, launched } = await timesOf({ runs, graph, mode });
      assert.ok(Array.isArray(times) && times.length === runs && times.every((ms) => ms > 0), JSON.stringify(times));
      assert.equal(launched, graph ? runs : 0);
    }
  }
});

nativeTest("time: what cannot be timed is said", async () => {
  const time: TimeOptions = { runs: 3, graph: true };
  const old = join(shimAndFakes().fakes, "cuda-old", "libcuda.so.1");
  const failures = [
    await timesOf(time, { fake: "cuda-capture=900" }),
    await timesOf(time, { fake: "cuda-graph-launch=1" }),
    await timesOf({ ...time, graph: false }, { rig: rigOf("8.5", { cuda: old }) }),
    await timesOf({ ...time, mode: "clock" }, { rig: rigOf("8.5", { cuda: old }) }),
    await timesOf(time, { shaped: false }),
    await timesOf(time, { fake: "cuda-oom=2" }),
    await timesOf(time, { fake: "run=719" }),
    await timesOf({ ...time, runs: 0 }),
  ].map(({ times }) => `${(times as Failure).status} ${(times as Failure).code}: ${(times as Failure).message}`);
  assert.deepEqual(failures.map((failure) => failure.split(":")[0]), [
    "UNSUPPORTED 0",
    "UNSUPPORTED 0",
    "UNSUPPORTED 0",
    "UNSUPPORTED 0",
    "EXECUTION_FAILED 0",
    "OUT_OF_MEMORY 2",
    "CUDA_ERROR 719",
    "INVALID_ARGUMENT 0",
  ]);
  assert.match(failures[0]!, /There is no CUDA graph: cuStreamEndCapture failed with 900$/);
  assert.match(failures[3]!, /There is no CUDA graph: The CUDA driver has no graphs$/);
  assert.match(failures[4]!, /The shape of "images" is not set$/);
});

nativeTest("time: a pipeline whose context was timed sets its own shapes and memory again", async () => {
  const facts = await scenario<PipelineFacts>("contextShared", { rig: rigOf("10.16") });
  assert.deepEqual([facts.runs, facts.graphs, facts.graphRefusal], [7, 1, null]);
});
