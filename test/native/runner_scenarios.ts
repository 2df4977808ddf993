/** What the child processes of runner_test.ts do. */

import assert from "node:assert/strict";
import { liveHandles } from "../../ffi/handle.ts";
import { type HostTensor, Runner, type RunnerSpec } from "../../ffi/runner.ts";
import { timeContext, type TimeOptions } from "../../ffi/time_context.ts";
import { HEIGHT, randomFrame, randomFrom, randomQuestion, Rig, type RigOptions, WIDTH } from "./pipeline_rig.ts";
import { attempt } from "./scenario_steps.ts";

const fake = (words: string) => Deno.env.set("TRTD_FAKE", words);
const PICTURE = 3 * HEIGHT * WIDTH, OUTPUT = 9 * 40;

/** Values that halves have, so that nothing is rounded. */
function valuesOf(seed: number, count: number): Float32Array<ArrayBuffer> {
  const random = randomFrom(seed);
  return Float32Array.from({ length: count }, () => random(64) / 8);
}

/** Numbers as the engine's f32 or f16, both of which hold them. */
function encode(values: Float32Array<ArrayBuffer>, half: boolean): Uint8Array<ArrayBuffer> {
  return new Uint8Array(half ? Float16Array.from(values).buffer : values.buffer);
}

function decode(data: Uint8Array<ArrayBuffer>, half: boolean): number[] {
  const bytes = data.slice().buffer;
  return [...half ? new Float16Array(bytes) : new Float32Array(bytes)];
}

function specOf(rig: Rig, context: RunnerSpec["context"], changes: Partial<RunnerSpec> = {}): RunnerSpec {
  const { batch, half, sizes = null } = rig.options;
  const element = half ? 2 : 4;
  const second = sizes === null ? [] : [{ name: "sizes", bytesMax: batch * 16 }];
  return {
    context,
    device: rig.device,
    inputs: [{ name: "images", bytesMax: batch * PICTURE * element }, ...second],
    outputs: [{ name: "output0", bytesMax: batch * OUTPUT * element }],
    cudaGraph: true,
    ...changes,
  };
}

function inputsOf(rig: Rig, seed: number, count: number): { values: Float32Array; inputs: HostTensor[] } {
  const { half, sizes = null } = rig.options;
  const values = valuesOf(seed, count * PICTURE);
  const second = sizes === null ? [] : [{
    data: new Uint8Array(BigInt64Array.from({ length: 2 * count }, (_, i) => BigInt(i)).buffer),
    dims: [count, 2],
  }];
  return { values, inputs: [{ data: encode(values, half), dims: [count, 3, HEIGHT, WIDTH] }, ...second] };
}

/** Runs of several batches; the fake's element i is 2 * input[i % n] + 1. */
export async function runnerRuns({ rig: options, cudaGraph }: { rig: RigOptions; cudaGraph: boolean }) {
  fake("");
  let result;
  const { counts } = await (async () => {
    using rig = await Rig.open(options);
    const runner = rig.keep(
      await Runner.create(specOf(rig, rig.keep(await rig.engine.createContext()), { cudaGraph })),
    );
    const before = rig.counts();
    for (const [run, wished] of [1, 1, 1, 4, 4, 2, 2, 2, 1, 1].entries()) {
      const count = rig.options.fixed ? rig.options.batch : wished;
      const { values, inputs } = inputsOf(rig, run + 1, count);
      const { outputs, ms } = await runner.run(inputs);
      const expected = Array.from({ length: count * OUTPUT }, (_, i) => 2 * values[i % values.length]! + 1);
      assert.deepEqual(outputs[0]!.dims, [count, 9, 40]);
      assert.deepEqual(decode(outputs[0]!.data, rig.options.half), expected, `run ${run}`);
      assert.ok(ms > 0);
    }
    const { allocations, pinnedAllocations, captures, graphLaunches } = rig.counts();
    result = {
      pinned: pinnedAllocations - before.pinnedAllocations,
      allocations: allocations - before.allocations,
      captures,
      graphLaunches,
      facts: runner.facts(),
    };
    return rig;
  })();
  const { liveMemory, livePinned, liveStreams, liveEvents, liveGraphs } = counts();
  return { ...result!, left: { handles: liveHandles(), liveMemory, livePinned, liveStreams, liveEvents, liveGraphs } };
}

/** What a runner refuses. */
export async function runnerRefuses({ rig: options }: { rig: RigOptions }) {
  fake("");
  using rig = await Rig.open(options);
  const context = rig.keep(await rig.engine.createContext());
  const create = (changes: Partial<RunnerSpec>) =>
    attempt(async () => void rig.keep(await Runner.create(specOf(rig, context, changes))));
  const tried: Record<string, unknown> = {
    "an input that is not there": await create({ inputs: [{ name: "pictures", bytesMax: 4 }] }),
    "an input too few": await create({ inputs: [] }),
    "an output that is not there": await create({ outputs: [{ name: "boxes", bytesMax: 4 }] }),
    "no room": await create({ outputs: [{ name: "output0", bytesMax: 0 }] }),
  };
  const runner = rig.keep(await Runner.create(specOf(rig, context)));
  const { inputs: [good] } = inputsOf(rig, 1, 1);
  const { data, dims } = good!;
  const runs: Record<string, HostTensor> = {
    "bytes missing": { data: data.slice(4), dims },
    "a batch over the room": { data: new Uint8Array(5 * data.length), dims: [5, 3, HEIGHT, WIDTH] },
    "a shape outside the profile": { data: data.slice(0, data.length / 2), dims: [1, 3, HEIGHT / 2, WIDTH] },
  };
  for (const [name, input] of Object.entries(runs)) {
    tried[name] = await attempt(async () => void await runner.run([input]));
  }
  const small = rig.keep(await Runner.create(specOf(rig, context, { outputs: [{ name: "output0", bytesMax: 100 }] })));
  tried["an output over the room"] = await attempt(async () => void await small.run([good!]));
  fake("enqueue=refused");
  tried["refused by TensorRT"] = await attempt(async () => void await runner.run([good!]));
  fake("");
  await runner.run([good!]);
  fake("cuda-slow=300");
  const first = runner.run([good!]);
  tried["two at once"] = await runner.run([good!]).catch(String);
  await first;
  fake("cuda-sync=700");
  tried["a fault"] = await attempt(async () => void await runner.run([good!]));
  return tried;
}

/** Times of the bare engine. */
export async function contextTimes(
  { rig: options, time, fake: words = "", shaped = true }: {
    rig: RigOptions;
    time: TimeOptions;
    fake?: string;
    shaped?: boolean;
  },
) {
  fake("");
  using rig = await Rig.open(options);
  const context = rig.keep(await rig.engine.createContext());
  if (shaped && !rig.options.fixed) context.setShape("images", [2, 3, HEIGHT, WIDTH]);
  fake(words);
  const before = rig.counts().graphLaunches;
  const times = await attempt(async () => [...await timeContext(context, rig.device, time)]);
  return { times, launched: rig.counts().graphLaunches - before };
}

/** Timing the context of a pipeline between its runs. */
export async function contextShared({ rig: options }: { rig: RigOptions }) {
  fake("head=yolov8");
  using rig = await Rig.open(options);
  const context = rig.keep(await rig.engine.createContext());
  const pipeline = await rig.pipeline({ context });
  const frames = [randomFrame(1), randomFrame(2)], questions = frames.map((frame, i) => randomQuestion(i, frame));
  const run = async () => {
    await pipeline.run(frames, questions);
    return frames.map((_, i) => pipeline.read(i));
  };
  const expected = await run();
  for (let i = 0; i < 3; i++) {
    await timeContext(context, rig.device, { runs: 3, graph: true });
    assert.deepEqual(await run(), expected);
    assert.deepEqual(await run(), expected);
  }
  return pipeline.facts();
}
