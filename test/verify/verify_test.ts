import assert from "node:assert/strict";
import type { Tensor } from "../../src/backends/backend.ts";
import type { DetectOptions } from "../../src/detect/detection.ts";
import { TrtdError } from "../../src/errors.ts";
import { areConstant, compareOutputs, differenceOf, numbersOf } from "../../src/verify/outputs.ts";
import { reportFrom } from "../../src/verify/report.ts";
import { ReferenceAnswers, ReferenceFailure } from "../../src/verify/sides.ts";
import { verifyEngine } from "../../src/verify/verify.ts";
import { apart, detection } from "./boxes.ts";
import { compareFakes, FakeDetector, MACHINE, pictureSet } from "./fakes.ts";

Deno.test("verify: twelve boxes that agree are enough, and the report says what was compared", async () => {
  const boxes = { photo: apart(12) };
  const report = await compareFakes({ boxes }, { boxes });
  const { duration_ms, trtd, ...rest } = report;
  assert.ok(duration_ms.total >= 0 && trtd !== "");
  assert.deepEqual(rest, {
    basis: "detections",
    cut: 0.25,
    limits: { iou: 0.95, score: 0.01, percent: 99.5 },
    boxes: { engine: 12, reference: 12 },
    compared: 12,
    matched: 12,
    percent: 100,
    ties: 0,
    worst_score_difference: 0,
    worst_iou: 1,
    failures: [],
    failures_in_all: 0,
    passed: true,
    reason: null,
    date: "2026-11-22T00:00:00.000Z",
    gate: 1,
    precision: "f32",
    engine_sha256: "ee".repeat(32),
    pictures: { set: "test", count: 1, skipped: [] },
    machine: MACHINE,
    reference: "onnxruntime cpu",
  });
  assert.deepEqual(reportFrom(JSON.parse(JSON.stringify(report))), report);
});

Deno.test("verify: an engine that finds nothing where the reference finds something fails, in fp16 too", async () => {
  for (const precision of ["f32", "fp16"] as const) {
    for (const count of [1, 9, 50]) {
      const { passed, reason, failures, failures_in_all } = await compareFakes({ boxes: {} }, {
        boxes: { photo: apart(count) },
      }, { precision });
      assert.equal(passed, false);
      assert.equal(reason, `It finds nothing, the reference ${count} boxes`);
      assert.deepEqual([failures.length, failures_in_all], [Math.min(20, count), count]);
    }
  }
});

Deno.test("verify: few detections that agree are not enough, boxes before suppression must agree too", async () => {
  const boxes = { photo: apart(3) };
  const weak = Array.from({ length: 60 }, (_, i) => detection({ x: 7 * i, score: 0.2 - i / 1000 }));
  const before = { photo: [...apart(3), ...weak] };
  const same = await compareFakes({ boxes, before }, { boxes, before });
  assert.deepEqual([same.passed, same.basis, same.compared], [true, "candidates", 63]);
  assert.ok(same.cut !== null && same.cut > 0.14 && same.cut < 0.1411);
  const dead = await compareFakes({ boxes, before: boxes }, { boxes, before });
  assert.deepEqual([dead.passed, dead.basis], [false, "candidates"]);
  assert.equal(dead.reason, "3 of 63 boxes before suppression match (4.761 %), at least 97 % must");
});

Deno.test("verify: of a model that detects nothing the best candidates are compared, however low they score", async () => {
  const scored = (factor: number) =>
    Array.from({ length: 300 }, (_, i) => detection({ x: 300 * i, score: factor * (0.002 - i * 5e-6) }));
  const reference = { boxes: { photo: [] }, before: { photo: scored(1) } };
  const near = await compareFakes({ boxes: {}, before: { photo: scored(1.01) } }, reference);
  assert.deepEqual([near.passed, near.basis, near.boxes?.reference], [true, "candidates", 100]);
  assert.ok(near.cut !== null && near.cut > 0.0015 && near.cut < 0.00151);
  for (const factor of [0, 0.5]) {
    const far = await compareFakes({ boxes: {}, before: { photo: scored(factor) } }, reference);
    assert.equal(far.passed, false, `scores times ${factor}`);
  }
  const loud = await compareFakes({ boxes: { photo: apart(4) } }, reference);
  assert.deepEqual([loud.passed, loud.basis], [false, "detections"]);
});

Deno.test("verify: a tie of suppression is looked for before an engine fails", async () => {
  const others = apart(15);
  const [one, other] = [detection({ score: 0.9, x: 7000 }), detection({ score: 0.901, x: 7020 })];
  const before = { photo: [...others, one, other] };
  const report = await compareFakes({ boxes: { photo: [...others, one] }, before }, {
    boxes: { photo: [...others, other] },
    before,
  });
  assert.deepEqual([report.passed, report.ties, report.compared], [true, 2, 16]);
});

const tensor = (values: readonly number[]): Tensor => ({
  type: "float32",
  dims: [1, values.length],
  data: Float32Array.from(values),
});
const outputsOf = (first: readonly number[], second: readonly number[]) => ({
  a: [tensor(first)],
  b: [tensor(second)],
});

Deno.test("verify: where no box can be had, raw outputs are compared", async () => {
  const nothing = { boxes: { a: [], b: [] } };
  const reference = { ...nothing, outputs: outputsOf([1, 2, 300], [4, 5, 600]) };
  const near = await compareFakes({ ...nothing, outputs: outputsOf([2, 2, 300], [4, 5, 603]) }, reference);
  assert.deepEqual([near.passed, near.basis, near.cut, near.compared, near.matched], [true, "outputs", null, 6, 6]);
  const cases: [number[], RegExp][] = [
    [[1, 2, 200], /^83\.333 % of the values of the outputs agree, at least 99\.5 % of each output must$/],
    [[1, NaN, 300], /^1 values of the outputs are no numbers$/],
    [[1, 2], /^Output 0 of "a" has the shape 1x2, not 1x3$/],
  ];
  for (const [first, reason] of cases) {
    const far = await compareFakes({ ...nothing, outputs: outputsOf(first, [4, 5, 600]) }, reference);
    assert.equal(far.passed, false);
    assert.match(far.reason ?? "", reason);
  }
});

Deno.test("verify: an engine is not passed because there is nothing to compare", async () => {
  const nothing = { boxes: { a: [], b: [] } };
  const constant = { ...nothing, outputs: outputsOf([0, 0, 0], [0, 0, 0]) };
  for (const [engine, reference] of [[nothing, nothing], [constant, constant], [nothing, constant]] as const) {
    const { passed, basis, reason } = await compareFakes(engine, reference);
    assert.deepEqual([passed, basis], [false, "nothing"]);
    assert.match(reason ?? "", /^There is nothing to compare/);
  }
});

Deno.test("verify: so many candidates of one score that the list is full are not compared by their boxes", async () => {
  const crowd = Array.from({ length: 6000 }, (_, i) => detection({ x: i, score: 0.01 }));
  const crowded = { boxes: { a: [], b: [] }, before: { a: crowd, b: [] }, outputs: outputsOf([1, 2], [3, 4]) };
  const report = await compareFakes(crowded, crowded);
  assert.deepEqual([report.passed, report.basis], [true, "outputs"]);
});

Deno.test("verify: the reference answers once for two engines, also where they have different limits", async () => {
  const detector = new FakeDetector({ boxes: { photo: apart(12) }, name: "onnxruntime" });
  const reference = new ReferenceAnswers(detector, pictureSet("photo"));
  for (const precision of ["fp16", "f32"] as const) {
    const engine = { detector: new FakeDetector({ boxes: { photo: apart(12) } }), precision, sha256: "" };
    assert.equal((await verifyEngine({ engine, reference, machine: MACHINE })).passed, true);
  }
  assert.equal(detector.asked, 1);
});

Deno.test("verify: an engine of a larger batch gets several pictures in one run", async () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const boxes = Object.fromEntries(names.map((name, i) => [name, apart(3, { score: 0.9 - i / 20 })]));
  const run = async (mixed: boolean, batchMax: number) => {
    const sizes: number[] = [];
    const engine = new FakeDetector({ boxes });
    const detector = Object.assign(engine, {
      batchMax,
      async detectBatch(requests: readonly { bytes: Uint8Array; options: DetectOptions }[]) {
        sizes.push(requests.length);
        const answers = await Promise.all(requests.map(({ bytes, options }) => engine.detect(bytes, options)));
        return mixed ? answers.toReversed() : answers;
      },
    });
    const reference = new ReferenceAnswers(new FakeDetector({ boxes }), pictureSet(...names));
    const request = { engine: { detector, precision: "f32", sha256: "" } as const, reference, machine: MACHINE };
    const { passed, compared } = await verifyEngine(request);
    return { passed, compared, sizes };
  };
  assert.deepEqual(await run(false, 16), { passed: true, compared: 18, sizes: [4, 2] });
  assert.deepEqual(await run(false, 3), { passed: true, compared: 18, sizes: [3, 3] });
  assert.deepEqual(await run(false, 1), { passed: true, compared: 18, sizes: [] });
  assert.equal((await run(true, 16)).passed, false);
});

Deno.test("verify: a picture that cannot be decoded is left out and named; without any other the error is told", async () => {
  const broken = { name: "broken", load: () => Promise.reject(new TrtdError("IMAGE_CORRUPT", "Cannot decode it")) };
  const boxes = { photo: apart(12) };
  const run = (names: string[]) => {
    const set = { id: "test", list: async () => [broken, ...await pictureSet(...names).list()] };
    const reference = new ReferenceAnswers(new FakeDetector({ boxes }), set);
    const engine = { detector: new FakeDetector({ boxes }), precision: "f32", sha256: "" } as const;
    return verifyEngine({ engine, reference, machine: MACHINE });
  };
  assert.deepEqual((await run(["photo"])).pictures, { set: "test", count: 1, skipped: ["broken"] });
  await assert.rejects(run([]), { code: "IMAGE_CORRUPT" });
});

Deno.test("verify: a failure of ONNX Runtime is told apart from one of the engine", async () => {
  const fails = new TrtdError("INFERENCE_FAILED", "It does not run");
  const boxes = { photo: apart(12) };
  await assert.rejects(compareFakes({ boxes }, { boxes, fails }), ReferenceFailure);
  await assert.rejects(compareFakes({ boxes, fails }, { boxes }), { code: "INFERENCE_FAILED", name: "TrtdError" });
});

Deno.test("verify: values of outputs agree in parts of the largest of their own output", () => {
  const pair = (found: readonly Tensor[], reference: readonly Tensor[]) => [{ picture: "a", found, reference }];
  const limits = { relative: 0.01, percent: 99.5 };
  // Boxes agree, and scores are all 0: that the other output is large must not hide it.
  const dead = compareOutputs(
    pair([tensor([600, 500]), tensor([0, 0])], [tensor([600, 500]), tensor([0.001, 0])]),
    limits,
  );
  assert.deepEqual([dead.passed, dead.worst], [false, 1]);
  assert.equal(compareOutputs(pair([tensor([NaN, 1])], [tensor([NaN, 1])]), limits).passed, true);
  assert.equal(compareOutputs(pair([tensor([Infinity])], [tensor([-Infinity])]), limits).passed, false);
});

Deno.test("verify: differences are absolute and relative, and strange values are counted", () => {
  const difference = differenceOf([1, 2, NaN, 4.5], [1, 2, 3, 4]);
  assert.deepEqual(difference, { max_abs: 0.5, max_relative: 0.125, strange: 1, elements: 4 });
  assert.throws(() => differenceOf([1], [1, 2]), RangeError);
  const half: Tensor = { type: "float16", dims: [2], data: Uint16Array.of(0x3c00, 0xc000) };
  assert.deepEqual(Array.from(numbersOf(half)), [1, -2]);
  assert.equal(areConstant([[tensor([1])], [tensor([1])]]), true);
  assert.equal(areConstant([[tensor([1])], [tensor([2])]]), false);
});
