import assert from "node:assert/strict";
import { measure, type MeasureOptions } from "../../../src/bench/stages/measure.ts";
import { bestCell } from "../../../src/bench/stages/throughput.ts";
import { TrtdError } from "../../../src/errors.ts";
import { fakeSubject, SAMPLE } from "./fake_subject.ts";

const OPTIONS: MeasureOptions = {
  samples: [SAMPLE],
  rounds: 3,
  windowMs: 10,
  batches: [1, 2, 8],
  lanes: [1, 2, 4],
  settle: () => Promise.resolve(),
  note: () => {},
};

const STAGES = { decode: 2, upload: 0.5, letterbox: 0.25, inference: 4, rest: 0.25 };

Deno.test("measure: stages, ways and what they cost beyond the bare run of the same round", async () => {
  const { subjects: [report] } = await measure([fakeSubject({ stages: STAGES, bare: 3.2, runMs: 1 })], OPTIONS);
  assert.equal(report!.bare_ms!.p50, 3.2);
  assert.deepEqual(Object.keys(report!.stages_ms), ["decode", "upload", "letterbox", "inference", "rest"]);
  assert.equal(report!.stages_ms.inference!.p50, 4);
  assert.equal(report!.stages_ms.inference!.rounds.length, 3);
  assert.equal(report!.jpeg_ms.p50, 7);
  assert.equal(report!.pixels_ms.p50, 5);
  assert.deepEqual(report!.inference_to_bare, { median: 1.25, lowest: 1.25, highest: 1.25 });
  assert.ok(Math.abs(report!.pixels_beyond_bare_ms!.median - 1.8) < 1e-9);
  assert.deepEqual(report!.limiter.latency, { stage: "inference", ms: 4, share: 4 / 7 });
});

Deno.test("measure: inference is compared as the bare run is taken, run after run, where the subject can", async () => {
  const subject = fakeSubject({ stages: STAGES, bare: 3.2, runMs: 0 });
  const asked: (readonly [number, number])[] = [];
  const looped = {
    ...subject,
    bareInference: () => Promise.resolve([3.2]),
    inference: (samples: readonly unknown[], runs: number) => {
      asked.push([samples.length, runs]);
      return Promise.resolve([3.36, 3.36]);
    },
  };
  const { subjects: [report] } = await measure([looped], OPTIONS);
  assert.ok(Math.abs(report!.inference_to_bare!.median - 1.05) < 1e-9);
  assert.equal(report!.stages_ms.inference!.p50, 4);
  assert.ok(asked.length === 3 && asked.every(([batch, runs]) => batch === 1 && runs >= 3), JSON.stringify(asked));
  const without = { ...looped, inference: () => Promise.resolve(null) };
  const { subjects: [other] } = await measure([without], OPTIONS);
  assert.equal(other!.inference_to_bare!.median, 1.25);
});

Deno.test("measure: only batches and lanes that the subject has are tried, and the rates are of the clock", async () => {
  const subject = fakeSubject({ stages: STAGES, bare: null, runMs: 5 });
  const bests: string[] = [];
  // What else the machine does may hold up one cell more than another.
  for (let attempt = 0; attempt < 10 && bests.at(-1) !== "2x2"; attempt++) {
    const { subjects: [report] } = await measure([subject], { ...OPTIONS, windowMs: 60 });
    const cells = report!.throughput.map(({ batch, lanes }) => `${batch}x${lanes}`);
    assert.deepEqual(cells, ["1x1", "1x2", "2x1", "2x2"]);
    assert.equal(subject.lanesAtOnce(), 2);
    assert.equal(report!.bare_ms, null);
    assert.equal(report!.inference_to_bare, null);
    const { cell: { batch, lanes }, perSecond } = bestCell(report!.throughput, "jpeg")!;
    bests.push(`${batch}x${lanes}`);
    // Four pictures each 5 ms at most; timers are late at times, never early by more than their grain.
    assert.ok(perSecond > 0 && perSecond < 1000, String(perSecond));
  }
  assert.equal(bests.at(-1), "2x2", bests.join());
});

Deno.test("measure: subjects take turns, the other way round in every second round", async () => {
  const asked: string[] = [];
  const two = ["a", "b"].map((name) =>
    Object.assign(fakeSubject({ stages: STAGES, bare: 1, runMs: 0 }, name), { asked })
  );
  const order: string[] = [];
  const spied = two.map((subject, i) => ({
    ...subject,
    bare: (_: number, runs: number) => {
      order.push("ab"[i]!);
      return Promise.resolve(Array.from({ length: runs }, () => 1));
    },
  }));
  await measure(spied, { ...OPTIONS, batches: [], windowMs: 1 });
  // Warm-up, a guess of the time, then the rounds; later guesses come from the rounds before.
  assert.equal(order.join(""), "ab" + "aabb" + "ba" + "ab");
});

Deno.test("measure: memory that ends at a size is told in its cell; any other failure ends the measurement", async () => {
  const full = (batch: number) => batch === 2 ? new TrtdError("OUT_OF_GPU_MEMORY", "No room") : null;
  const { subjects: [report] } = await measure(
    [fakeSubject({ stages: STAGES, bare: 1, runMs: 0, fails: full })],
    OPTIONS,
  );
  const [one, , two] = report!.throughput;
  assert.deepEqual([one!.error, two!.error, two!.jpeg_per_s], [null, "No room", null]);
  assert.ok(one!.pixels_per_s !== null);
  const gone = (batch: number) => batch === 2 ? new TrtdError("INFERENCE_FAILED", "Gone") : null;
  const failing = fakeSubject({ stages: STAGES, bare: 1, runMs: 0, fails: gone });
  await assert.rejects(measure([failing], OPTIONS), { code: "INFERENCE_FAILED" });
});
