import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import type { Hit } from "../../src/cache/store.ts";
import type { Terminal } from "../../src/cli/command.ts";
import { runCli } from "../../src/cli/run.ts";
import { type VerifyAnswer, verifyCommandOf, type VerifyParts } from "../../src/cli/verify/verify.ts";
import { TrtdError } from "../../src/errors.ts";
import type { Detection, DetectOptions } from "../../src/detect/detection.ts";
import { verificationsOf } from "../../src/verify/record.ts";
import type { GateDetector } from "../../src/verify/sides.ts";
import { fakeBuild, KEY, type SetUp, setUp } from "../cache/set_up.ts";
import { png } from "../detect/png_writer.ts";
import { apart } from "../verify/boxes.ts";
import { FakeDetector, MACHINE } from "../verify/fakes.ts";

/** Finds the same in every picture; how often it was asked decides what. */
class SameEverywhere extends FakeDetector {
  constructor(name: "onnxruntime" | "tensorrt", readonly boxesAt: (call: number) => readonly Detection[]) {
    super({ boxes: {}, name });
  }

  override detect(_: Uint8Array, { score = 0.25 }: DetectOptions = {}) {
    const detections = this.boxesAt(this.asked++).filter((one) => one.score >= score);
    return Promise.resolve({ detections });
  }
}

interface Verified {
  readonly status: number;
  readonly out: string[];
  readonly err: string[];
  /** The engine's detectors and those of the reference. */
  readonly opened: FakeDetector[];
}

interface Findings {
  readonly engine: (call: number) => readonly Detection[];
  readonly reference?: (call: number) => readonly Detection[];
  readonly fails?: Partial<Record<"subject" | "open" | "reference", TrtdError>>;
}

async function run(
  box: SetUp,
  args: readonly string[],
  { engine, reference, fails = {} }: Findings,
): Promise<Verified> {
  const [out, err, opened]: [string[], string[], FakeDetector[]] = [[], [], []];
  const terminal: Terminal = {
    cwd: box.folder,
    interactive: false,
    resolve: (path) => resolve(box.folder, path),
    print: (text) => void out.push(text),
    note: (text) => void err.push(text),
  };
  const open = (detector: FakeDetector, error?: TrtdError): Promise<GateDetector> => {
    if (error !== undefined) return Promise.reject(error);
    opened.push(detector);
    return Promise.resolve(detector);
  };
  const parts: VerifyParts = {
    async subject() {
      if (fails.subject !== undefined) throw fails.subject;
      const cache = box.open();
      const hit = await engineIn(box);
      return {
        hit,
        cache,
        precision: "fp16",
        machine: MACHINE,
        open: () => open(new SameEverywhere("tensorrt", engine), fails.open),
      };
    },
    reference: () => open(new SameEverywhere("onnxruntime", reference ?? (() => apart(12))), fails.reference),
  };
  const before = Deno.env.get("TRTD_CACHE_DIR");
  const status = await runCli(["verify", ...args, "--cache-dir", box.userCacheDir], {
    verify: () => Promise.resolve(verifyCommandOf(parts)),
  }, terminal);
  if (before === undefined) Deno.env.delete("TRTD_CACHE_DIR");
  else Deno.env.set("TRTD_CACHE_DIR", before);
  return { status, out, err, opened };
}

async function engineIn(box: SetUp): Promise<Hit> {
  return await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
}

const good = () => apart(12);
const blind = () => [];

Deno.test("trtd verify: an engine that agrees is told with what was compared, and the result is remembered", async () => {
  await using box = await setUp();
  const { status, out, err, opened } = await run(box, [], { engine: good });
  assert.deepEqual([status, err], [0, []]);
  const hit = await engineIn(box);
  assert.equal(
    out.join("\n").replace(/engine \d+ ms, reference \d+ ms, in all \d+ ms/, "TIMES"),
    [
      hit.path,
      '  "codes", fp16, TensorRT 10.13.2.6 on NVIDIA Fake 4090 (8.9), driver 580.95.05',
      "  Agrees with onnxruntime cpu",
      "  96 of 96 boxes match (100 %) in 8 pictures, scores within 0, IoU at least 1",
      "  Limits: boxes of score 0.25 and up, IoU 0.9, scores within 0.05, 97 % of them",
      "  8 pictures; TIMES",
    ].join("\n"),
  );
  const [record] = verificationsOf(hit.entry.facts);
  assert.deepEqual([record?.passed, record?.pictures, record?.machine], [
    true,
    { set: "bundled-1", count: 8, skipped: [] },
    MACHINE,
  ]);
  assert.ok(opened.every(({ closed }) => closed === 1));
});

Deno.test("trtd verify: an engine that finds nothing ends with status 4, a remedy, and a remembered failure", async () => {
  await using box = await setUp();
  const { status, out, err } = await run(box, ["codes", "--json"], { engine: blind });
  assert.equal(status, 4);
  const answer: VerifyAnswer = JSON.parse(out.join("\n"));
  assert.deepEqual([answer.passed, answer.runs, answer.failed, answer.not_remembered], [false, 1, 1, null]);
  assert.equal(answer.report.failures.length, 20);
  assert.equal(answer.report.failures_in_all, 96);
  assert.match(
    err[0] ?? "",
    /^trtd: PARITY_FAILED: The fp16 engine of "codes" does not agree with ONNX Runtime: It finds nothing, the reference 96 boxes$/,
  );
  assert.match(err[1] ?? "", /^ +remedy: .*--precision f32/);
  const records = verificationsOf((await engineIn(box)).entry.facts);
  assert.deepEqual(records.map(({ passed }) => passed), [false]);
  const again = await run(box, [], { engine: good });
  assert.equal(again.status, 0);
  assert.deepEqual(verificationsOf((await engineIn(box)).entry.facts).map(({ passed }) => passed), [true]);
});

Deno.test("trtd verify --repeat: one comparison that fails fails the engine", async () => {
  await using box = await setUp();
  // The second of three rounds over eight pictures finds nothing.
  const engine = (call: number) => call >= 8 && call < 16 ? [] : apart(12);
  const { status, out, err } = await run(box, ["--repeat", "3"], { engine });
  assert.equal(status, 4);
  assert.match(
    out.join("\n"),
    /Does NOT agree with onnxruntime cpu, \d of 3 comparisons passed; of the worst:\n +It finds nothing/,
  );
  assert.match(err[0] ?? "", /in \d of 3 comparisons: /);
  const few = out[0]!.split("\n").filter((line) => line.includes("the engine has nothing there"));
  assert.equal(few.length, 10);
  assert.match(out[0]!, /\n +and 86 more$/);
});

Deno.test("trtd verify --pictures: the user's pictures are compared, and those that cannot be decoded are named", async () => {
  await using box = await setUp();
  const folder = join(box.folder, "mine");
  await Deno.mkdir(folder);
  const rows = new Uint8Array(24).fill(9);
  await Deno.writeFile(join(folder, "a.png"), png({ width: 4, height: 2, colorType: 2, depth: 8, rows }));
  await Deno.writeTextFile(join(folder, "b.jpg"), "no picture");
  const { status, out } = await run(box, ["--pictures", "mine"], { engine: good });
  assert.equal(status, 0, out.join());
  assert.match(out[0]!, /12 of 12 boxes match \(100 %\) in 1 pictures/);
  assert.match(out[0]!, /left out, because it cannot be decoded: "b\.jpg"/);
  const empty = await run(box, ["--pictures", "none"], { engine: good });
  assert.equal(empty.status, 1);
  assert.match(empty.err[0] ?? "", /^trtd: FILE_NOT_FOUND: ".*none" does not exist$/);
});

Deno.test("trtd verify: what cannot be opened is an error with its own cause, and nothing stays open", async () => {
  const cases: [Findings["fails"] & object, number, RegExp][] = [
    [
      { subject: new TrtdError("GPU_UNAVAILABLE", "There is no NVIDIA GPU here") },
      3,
      /^trtd: GPU_UNAVAILABLE: There is no/,
    ],
    [{ open: new TrtdError("ENGINE_CORRUPT", "It is cut short") }, 1, /^trtd: ENGINE_CORRUPT: It is cut short/],
    [{ reference: new TrtdError("MODEL_LOAD_FAILED", "It knows no such operator") }, 1, /^trtd: MODEL_LOAD_FAILED: /],
  ];
  for (const [fails, exit, text] of cases) {
    await using box = await setUp();
    const { status, err, out, opened } = await run(box, [], { engine: good, fails });
    assert.equal(status, exit);
    assert.match(err[0] ?? "", text);
    assert.deepEqual(out, []);
    assert.ok(opened.every(({ closed }) => closed === 1));
  }
});

Deno.test("trtd verify: a reference that fails on the way is told as ONNX Runtime's failure", async () => {
  await using box = await setUp();
  const reference = () => {
    throw new TrtdError("INFERENCE_FAILED", "A shape does not fit");
  };
  const { status, err } = await run(box, [], { engine: good, reference });
  assert.equal(status, 5);
  assert.match(err[0] ?? "", /^trtd: INFERENCE_FAILED: ONNX Runtime cannot be compared with: A shape does not fit$/);
});

Deno.test("trtd verify: numbers of repetitions and models that make no sense are refused first", async () => {
  await using box = await setUp();
  for (const args of [["--repeat", "0"], ["--repeat", "two"], ["no-such-model"]]) {
    const { status, opened } = await run(box, args, { engine: good });
    assert.notEqual(status, 0);
    assert.deepEqual(opened, []);
  }
});
