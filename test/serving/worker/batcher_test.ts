import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import type { BatchLimits } from "../../../src/serving/policy/batch.ts";
import { Batcher, type BatchItem } from "../../../src/serving/worker/batcher.ts";
import type { DetectorRequest, ServedDetector } from "../../../src/serving/worker/served_detector.ts";
import { FakeClock, settled } from "../fake_clock.ts";
import { fakeAnswer } from "../fake_worker.ts";

type Outcomes = Awaited<ReturnType<ServedDetector["detectBatch"]>>;

interface Run {
  readonly requests: readonly DetectorRequest[];
  finish(outcomes?: Outcomes): void;
  fail(error: Error): void;
}

function fixture(limits: BatchLimits) {
  const clock = new FakeClock();
  const runs: Run[] = [];
  const detectBatch = (requests: readonly DetectorRequest[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<Outcomes>();
    runs.push({ requests, finish: (outcomes) => resolve(outcomes ?? requests.map(found)), fail: reject });
    return promise;
  };
  return { clock, runs, batcher: new Batcher({ detectBatch }, limits, clock) };
}

const found = () =>
  fakeAnswer({
    picture: { kind: "file", place: { bytes: new Uint8Array(0) } },
    options: {},
    annotate: false,
    deadline: 0,
  })
    .result;

const item = (extra: Partial<BatchItem> = {}): BatchItem => ({
  deadlineMs: Infinity,
  request: () => ({ bytes: new Uint8Array(1), options: {} }),
  ...extra,
});

const outcome = (promise: Promise<{ batch: number }>): Promise<number | string> =>
  promise.then(({ batch }) => batch, (error) => error.code);

Deno.test("batcher: what comes while a run is under way becomes the next batch", async () => {
  const { runs, batcher } = fixture({ batch: 4, lanes: 1, delayMs: 0 });
  const all = Array.from({ length: 9 }, () => outcome(batcher.detect(item())));
  await settled();
  assert.deepEqual(runs.map(({ requests }) => requests.length), [1, 1]);
  runs[0]!.finish();
  await settled();
  runs[1]!.finish();
  await settled();
  assert.deepEqual(runs.map(({ requests }) => requests.length), [1, 1, 4, 3]);
  runs[2]!.finish();
  runs[3]!.finish();
  assert.deepEqual(await Promise.all(all), [1, 1, 4, 4, 4, 4, 3, 3, 3]);
});

Deno.test("batcher: with a delay the first picture waits for others, no longer", async () => {
  const { clock, runs, batcher } = fixture({ batch: 4, lanes: 1, delayMs: 5 });
  void batcher.detect(item());
  await clock.advance(3);
  void batcher.detect(item());
  await clock.advance(1);
  assert.equal(runs.length, 0);
  await clock.advance(1);
  assert.deepEqual(runs.map(({ requests }) => requests.length), [2]);
  for (let i = 0; i < 4; i++) void batcher.detect(item());
  assert.deepEqual(runs.map(({ requests }) => requests.length), [2, 4], "a full batch does not wait");
});

Deno.test("batcher: a picture whose time is over is not read and not run", async () => {
  const { clock, runs, batcher } = fixture({ batch: 1, lanes: 1, delayMs: 0 });
  for (let i = 0; i < 3; i++) void batcher.detect(item());
  let read = false;
  const late = outcome(batcher.detect(item({
    deadlineMs: clock.now() + 10,
    request: () => (read = true, { bytes: new Uint8Array(1), options: {} }),
  })));
  await clock.advance(11);
  runs[0]!.finish();
  assert.equal(await late, "DEADLINE_EXCEEDED");
  assert.equal(read, false);
  assert.equal(runs.length, 3);
});

Deno.test("batcher: one bad picture does not spoil the others, a failed run fails all of its own", async () => {
  const { runs, batcher } = fixture({ batch: 4, lanes: 1, delayMs: 1 });
  const unreadable = () => {
    throw new TrtdError("IMAGE_DIMENSIONS_INVALID", "No picture");
  };
  const all = [item(), item({ request: unreadable }), item(), item()].map((one) => outcome(batcher.detect(one)));
  await settled();
  assert.equal(runs[0]!.requests.length, 3);
  runs[0]!.finish([found(), new TrtdError("IMAGE_CORRUPT", "Bad"), found()]);
  assert.deepEqual(await Promise.all(all), [3, "IMAGE_DIMENSIONS_INVALID", "IMAGE_CORRUPT", 3]);
  const failing = Array.from({ length: 4 }, () => outcome(batcher.detect(item())));
  await settled();
  runs[1]!.fail(new TrtdError("INFERENCE_FAILED", "No"));
  assert.deepEqual(await Promise.all(failing), Array.from({ length: 4 }, () => "INFERENCE_FAILED"));
});
