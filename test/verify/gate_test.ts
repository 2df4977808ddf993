import assert from "node:assert/strict";
import { TrtdError } from "../../src/errors.ts";
import { type GateEngine, type GateOutcome, type GateParts, passGate, summaryOf } from "../../src/verify/gate.ts";
import { recordFor, type VerificationRecord, withRecord } from "../../src/verify/record.ts";
import type { GateMachine } from "../../src/verify/report.ts";
import { apart } from "./boxes.ts";
import { type FakeAnswers, FakeDetector, MACHINE, pictureSet } from "./fakes.ts";

type Precision = "f32" | "fp16";

const GOOD: FakeAnswers = { boxes: { photo: apart(12) } };
const BLIND: FakeAnswers = { boxes: {} };

interface Shelf {
  /** What an engine finds; an error is what asking for it throws. */
  readonly engines: Partial<Record<Precision, FakeAnswers | TrtdError>>;
  readonly reference?: FakeAnswers | TrtdError;
  readonly openFails?: Partial<Record<Precision, TrtdError>>;
  readonly cannotRemember?: string;
}

/** Engines that remember what is found out about them, and a log of what was opened. */
class World {
  readonly records: Partial<Record<Precision, VerificationRecord[]>> = {};
  readonly opened: FakeDetector[] = [];
  readonly log: string[] = [];
  readonly remarks: string[] = [];

  constructor(readonly shelf: Shelf) {}

  run(parts: Partial<GateParts<FakeDetector>> = {}): Promise<GateOutcome<FakeDetector>> {
    return passGate<FakeDetector>({
      mode: "auto",
      precision: "fp16",
      machine: MACHINE,
      engine: (precision) => this.#engine(precision),
      reference: () => this.#reference(),
      pictures: pictureSet("photo"),
      onRemark: (text) => this.remarks.push(text),
      now: () => Date.UTC(2026, 10, 22),
      ...parts,
    });
  }

  /** Detectors that are still open. */
  get open(): FakeDetector[] {
    return this.opened.filter(({ closed }) => closed === 0);
  }

  #engine(precision: Precision): Promise<GateEngine<FakeDetector> | null> {
    const answers = this.shelf.engines[precision];
    this.log.push(`engine ${precision}`);
    if (answers instanceof TrtdError) return Promise.reject(answers);
    if (answers === undefined) return Promise.resolve(null);
    return Promise.resolve({
      precision,
      sha256: `sha of ${precision}`,
      path: `${precision}.engine`,
      verified: this.records[precision] ?? [],
      remember: (record) => {
        this.log.push(`remember ${precision} ${record.passed}`);
        if (this.shelf.cannotRemember === undefined) {
          this.records[precision] = withRecord(this.records[precision] ?? [], record);
        }
        return Promise.resolve(this.shelf.cannotRemember ?? null);
      },
      open: () => this.#open(`open ${precision}`, answers, this.shelf.openFails?.[precision]),
    });
  }

  #reference(): Promise<FakeDetector> {
    const { reference = GOOD } = this.shelf;
    if (reference instanceof TrtdError) return Promise.reject(reference);
    return this.#open("open reference", { name: "onnxruntime", ...reference });
  }

  #open(word: string, answers: FakeAnswers, error?: TrtdError): Promise<FakeDetector> {
    this.log.push(word);
    if (error !== undefined) return Promise.reject(error);
    const detector = new FakeDetector(answers);
    this.opened.push(detector);
    return Promise.resolve(detector);
  }
}

Deno.test("gate: an engine that agrees serves, and the next start does not compare it again", async () => {
  const world = new World({ engines: { fp16: GOOD } });
  const first = await world.run();
  assert.ok(first.kind === "serve" && first.how === "compared" && first.degraded === null);
  assert.deepEqual(world.log, ["engine fp16", "open fp16", "open reference", "remember fp16 true"]);
  assert.deepEqual(world.open, [first.detector], "the reference is closed, the engine is not");
  assert.match(
    world.remarks.join(),
    /^The fp16 engine agrees with ONNX Runtime: 12 of 12 boxes match \(100 %\) in 1 pictures/,
  );
  world.log.length = 0;
  const second = await world.run();
  assert.ok(second.kind === "serve" && second.how === "remembered" && second.record?.passed === true);
  assert.deepEqual(world.log, ["engine fp16", "open fp16"]);
});

Deno.test("gate: an fp16 engine that fails gives way to f32, and that is said", async () => {
  const world = new World({ engines: { fp16: BLIND, f32: GOOD } });
  const outcome = await world.run();
  assert.ok(outcome.kind === "serve");
  assert.equal(outcome.engine.precision, "f32");
  assert.equal(
    outcome.degraded,
    "The fp16 engine does not agree with ONNX Runtime: It finds nothing, the reference 12 boxes. The f32 engine serves",
  );
  assert.deepEqual(world.log, [
    ...["engine fp16", "open fp16", "open reference", "remember fp16 false"],
    ...["engine f32", "open f32", "remember f32 true"],
  ]);
  assert.deepEqual(world.open, [outcome.detector]);
});

Deno.test("gate: a failure that is remembered is not loaded again", async () => {
  const world = new World({ engines: { fp16: BLIND, f32: GOOD } });
  await world.run();
  world.log.length = 0;
  const outcome = await world.run();
  assert.ok(outcome.kind === "serve" && outcome.how === "remembered");
  assert.deepEqual(world.log, ["engine fp16", "engine f32", "open f32"]);
  assert.match(
    outcome.degraded ?? "",
    /^The fp16 engine was found on 2026-11-22T00:00:00\.000Z not to agree with ONNX Runtime: It finds nothing/,
  );
});

Deno.test("gate: when f32 fails as well, or cannot be had, ONNX Runtime answers and the reason names both", async () => {
  const cases: [Shelf["engines"], RegExp][] = [
    [
      { fp16: BLIND, f32: BLIND },
      /^The fp16 engine does not agree .*\. The f32 engine does not agree with ONNX Runtime: /,
    ],
    [
      { fp16: BLIND },
      /^The fp16 engine does not agree .*\. There is no f32 engine yet \(build-engine --precision f32\)$/,
    ],
    [
      { fp16: BLIND, f32: new TrtdError("BUILD_FAILED", "It was not built") },
      /^The fp16 engine does not agree .*\. An f32 engine cannot serve: It was not built$/,
    ],
  ];
  for (const [engines, degraded] of cases) {
    const world = new World({ engines });
    const outcome = await world.run();
    assert.equal(outcome.kind, "refused");
    assert.match(outcome.degraded ?? "", degraded);
    assert.deepEqual(world.open, []);
  }
});

Deno.test("gate: an f32 engine that fails is not served, and no other precision is tried", async () => {
  const world = new World({ engines: { f32: BLIND, fp16: GOOD } });
  const outcome = await world.run({ precision: "f32" });
  assert.equal(outcome.kind, "refused");
  assert.equal(
    outcome.degraded,
    "The f32 engine does not agree with ONNX Runtime: It finds nothing, the reference 12 boxes",
  );
  assert.ok(!world.log.includes("engine fp16"));
  assert.deepEqual(world.open, []);
});

Deno.test("gate: without an engine there is nothing to judge", async () => {
  const outcome = await new World({ engines: {} }).run();
  assert.deepEqual(outcome, { kind: "refused", degraded: "There is no fp16 engine", record: null });
});

Deno.test("gate: switched off it lets any engine serve, and says so", async () => {
  const world = new World({ engines: { fp16: BLIND } });
  const outcome = await world.run({ mode: "off" });
  assert.ok(outcome.kind === "serve" && outcome.how === "off");
  assert.deepEqual(world.log, ["engine fp16", "open fp16"]);
  assert.match(world.remarks.join(), /is not compared with ONNX Runtime/);
});

Deno.test("gate: where ONNX Runtime cannot run the model, the engine serves, and the reason is told", async () => {
  const error = new TrtdError("MODEL_LOAD_FAILED", "It knows no such operator");
  for (const reference of [error, { ...GOOD, fails: error }]) {
    const world = new World({ engines: { fp16: GOOD }, reference });
    const outcome = await world.run();
    assert.ok(outcome.kind === "serve" && outcome.how === "impossible" && outcome.record === null);
    assert.match(world.remarks.join(), /cannot be compared with ONNX Runtime: It knows no such operator$/);
    assert.ok(!world.log.some((line) => line.startsWith("remember")));
    assert.deepEqual(world.open, [outcome.detector]);
  }
});

Deno.test("gate: a fault of the GPU is thrown on wherever it comes from, and everything is closed", async () => {
  const fault = new TrtdError("GPU_FAULT", "Illegal address");
  const shelves: Shelf[] = [
    { engines: { fp16: { ...GOOD, fails: fault } } },
    { engines: { fp16: fault } },
    { engines: { fp16: GOOD }, openFails: { fp16: fault } },
    { engines: { fp16: BLIND, f32: { ...GOOD, fails: fault } } },
    { engines: { fp16: BLIND, f32: fault } },
    { engines: { fp16: BLIND, f32: GOOD }, openFails: { f32: fault } },
  ];
  for (const shelf of shelves) {
    const world = new World(shelf);
    await assert.rejects(world.run(), { code: "GPU_FAULT" });
    assert.deepEqual(world.open, []);
  }
});

Deno.test("gate: what goes wrong with the wanted engine is thrown on, with the f32 one in its stead it is said", async () => {
  const error = new TrtdError("OUT_OF_GPU_MEMORY", "There is too little memory");
  const world = new World({ engines: { fp16: GOOD }, openFails: { fp16: error } });
  await assert.rejects(world.run(), { code: "OUT_OF_GPU_MEMORY" });
  const other = new World({ engines: { fp16: BLIND, f32: GOOD }, openFails: { f32: error } });
  const outcome = await other.run();
  assert.match(outcome.degraded ?? "", /An f32 engine cannot serve: There is too little memory$/);
  assert.deepEqual(other.open, []);
});

Deno.test("gate: a result that cannot be kept is told, and the engine serves", async () => {
  const world = new World({ engines: { fp16: GOOD }, cannotRemember: "The folder cannot be written" });
  assert.equal((await world.run()).kind, "serve");
  assert.equal(world.remarks[0], "The result of the comparison is not remembered: The folder cannot be written");
});

Deno.test("gate: a result counts for the same engine, GPU, driver and TensorRT, and a passed one for the same pictures", async () => {
  const world = new World({ engines: { fp16: GOOD } });
  await world.run();
  const records = world.records.fp16!;
  const question = { sha256: "sha of fp16", machine: MACHINE, set: "test" };
  assert.notEqual(recordFor(records, question), null);
  assert.notEqual(recordFor(records, { ...question, set: null }), null);
  assert.equal(recordFor(records, { ...question, set: "other" }), null);
  assert.equal(recordFor(records, { ...question, sha256: "other" }), null);
  for (const field of ["gpu", "compute_capability", "driver", "tensorrt"] as const) {
    assert.equal(recordFor(records, { ...question, machine: { ...MACHINE, [field]: "other" } }), null, field);
  }
  const failed = records.map((one) => ({ ...one, passed: false }));
  assert.notEqual(recordFor(failed, { ...question, set: "other" }), null);
});

Deno.test("gate: results of several machines stand side by side, the newest of each", async () => {
  const world = new World({ engines: { fp16: GOOD } });
  const { record } = await world.run();
  assert.ok(record !== null);
  const on = (gpu: string, date = "then"): VerificationRecord => ({ ...record, date, machine: { ...MACHINE, gpu } });
  let records: VerificationRecord[] = [];
  for (let i = 0; i < 12; i++) records = withRecord(records, on(`GPU ${i}`));
  assert.deepEqual(
    records.map(({ machine }: { machine: GateMachine }) => machine.gpu),
    [11, 10, 9, 8, 7, 6, 5, 4].map((i) => `GPU ${i}`),
  );
  records = withRecord(records, on("GPU 6", "now"));
  assert.deepEqual([records.length, records[0]?.date, records[0]?.machine.gpu], [8, "now", "GPU 6"]);
  assert.deepEqual(withRecord(records, { ...record, engine_sha256: "rebuilt" }).length, 1);
});

Deno.test("gate: a result in one line", async () => {
  const { record } = await new World({ engines: { fp16: GOOD } }).run();
  assert.equal(summaryOf(record!), "12 of 12 boxes match (100 %) in 1 pictures, scores within 0, IoU at least 1");
});
