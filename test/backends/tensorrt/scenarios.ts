/**
 * What the backend does over the fake TensorRT and driver, one process a scenario: a fault of CUDA is for good.
 *
 *     TRTD_SHIM=... TRTD_FAKE_GPUS=... TRTD_TEST_SETS=... deno run -A scenarios.ts NAME
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { liveHandles } from "../../../ffi/handle.ts";
import type { Tensor } from "../../../src/backends/backend.ts";
import type { DetectionResult, DetectOptions } from "../../../src/detect/detection.ts";
import type { Detector } from "../../../src/detect/detector.ts";
import { TrtdError } from "../../../src/errors.ts";
import { loadSharp } from "../../../src/native/sharp.ts";
import { KernelStore } from "../../../src/tensorrt/load/kernel_cache.ts";
import { png } from "../../detect/png_writer.ts";
import { seededPicture, smoothPicture } from "../../detect/seeded_picture.ts";
import { fakeDetector, type FakeEngine, openFake, referenceDetector, setNamed, writeConstant } from "./fake_engine.ts";

const YOLO: FakeEngine = { input: [3, 64, 96], output: [6, 126] };

/** Rows of corners, score and class, in no order; some off the picture, some of no class. */
const LIST: FakeEngine = {
  input: [3, 64, 96],
  output: [40, 6],
  manifest: { head: "end_to_end", labels: ["class_0", "class_1", "class_2"] },
  constant: Float32Array.from({ length: 240 }, (_, i) => {
    const [row, column] = [Math.floor(i / 6), i % 6];
    if (column === 4) return (row * 7 % 40) / 40;
    return column === 5 ? row % 4 - 1 + (row === 9 ? 0.5 : 0) : (row * 5 + column * 17) % 120 - 10;
  }),
};
const SIZES = [[96, 64], [192, 128], [37, 211], [500, 20], [1, 1], [640, 480]] as const;
const OPTIONS: readonly DetectOptions[] = [
  {},
  { max: 3 },
  { score: 1, iou: 0.2 },
  { classes: ["class_1"], max: 40 },
  { iou: 1, max: 5000 },
];

const frameOf = (seed: number, width: number, height: number) => ({
  frame: seed % 2 === 0 ? seededPicture(seed, width, height) : smoothPicture(width, height),
});

const pngOf = (width: number, height: number) =>
  png({ width, height, colorType: 2, depth: 8, rows: seededPicture(1, width, height).data });

/** A JPEG with a comment for the fake nvJPEG: the colour that it is to find. */
async function jpegOf(width: number, height: number, comment: string): Promise<Uint8Array<ArrayBuffer>> {
  const sharp = await loadSharp();
  const raw = { width, height, channels: 3 as const };
  const file = await sharp(smoothPicture(width, height).data, { raw }).jpeg({ quality: 90 }).toBuffer();
  const text = new TextEncoder().encode(comment);
  return Uint8Array.from([0xff, 0xd8, 0xff, 0xfe, 0, text.length + 2, ...text, ...file.subarray(2)]);
}

/** What the fake nvJPEG makes of a colour. */
function paintedFrame(width: number, height: number, [red, green, blue]: readonly [number, number, number]) {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set([red + x, green + y, blue], 3 * (y * width + x));
  }
  return { data, width, height };
}

const fake = (script: string) => Deno.env.set("TRTD_FAKE", script);

/** Results without what differs from run to run. */
const plain = (answers: readonly (DetectionResult | TrtdError)[]) =>
  answers.map((one) => {
    if (one instanceof TrtdError) throw one;
    return { image: one.image, detections: one.detections };
  });

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    const answers = await work;
    if (!Array.isArray(answers)) return "fine";
    return answers.find((one) => one instanceof TrtdError)?.code ?? "fine";
  } catch (error) {
    return error instanceof TrtdError ? error.code : String(error);
  }
}

const one = (detector: Detector, seed = 2) => detector.detectBatch([frameOf(seed, 120, 90)]);

/** Counters of the fake driver. */
function counts() {
  const library = Deno.dlopen(setNamed("10.16").cuda, { fake_cuda_counts: { parameters: ["buffer"], result: "void" } });
  const out = new BigUint64Array(12);
  library.symbols.fake_cuda_counts(new Uint8Array(out.buffer));
  const [allocations, pinned, launches, graphLaunches, captures] = Array.from(out, Number);
  const [liveMemory, livePinned, liveStreams, liveEvents, liveGraphs] = Array.from(out, Number).slice(7);
  return {
    made: { allocations, pinned, captures },
    ran: { launches, graphLaunches },
    live: { liveMemory, livePinned, liveStreams, liveEvents, liveGraphs },
  };
}

/** Sum of what an answer holds, so that a test sees that something was compared. */
const boxesOf = (answers: readonly { detections: readonly unknown[] }[]) =>
  answers.reduce((sum, { detections }) => sum + detections.length, 0);

async function compared(engine: FakeEngine, options = {}): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-outputs-" });
  try {
    if (engine.constant !== undefined) await writeConstant(folder, engine);
    Deno.env.set("TRTD_FAKE_OUTPUTS", folder);
    return await comparedIn(engine, options);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function comparedIn(engine: FakeEngine, options = {}): Promise<number> {
  const [found, expected] = await Promise.all([fakeDetector(engine, options), referenceDetector(engine)]);
  let boxes = 0;
  for (const ask of OPTIONS) {
    const requests = SIZES.map(([width, height], i) => ({ ...frameOf(i, width, height), options: ask }));
    const [mine, theirs] = [plain(await found.detectBatch(requests)), plain(await expected.detectBatch(requests))];
    assert.deepEqual(mine, theirs);
    boxes += boxesOf(theirs);
  }
  await found.close();
  return boxes;
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  /** Heads, types and questions on the GPU's way. */
  async answers() {
    const boxes: Record<string, number> = {};
    for (const [name, engine] of Object.entries({ YOLO, LIST })) {
      for (const type of ["float32", "float16"] as const) {
        for (const agnostic of [false, true]) {
          const manifest = { ...engine.manifest, class_agnostic: agnostic };
          boxes[`${name} ${type} ${agnostic}`] = await compared({ ...engine, type, manifest });
        }
      }
    }
    return { boxes, handles: liveHandles() };
  },

  /** The kernels are refused: letterbox and suppression on the CPU, over tensors in and out. */
  async host() {
    fake("cuda-module=222");
    const detector = await fakeDetector(YOLO);
    const { degraded } = detector.info;
    const { lanes } = detector;
    await detector.close();
    return { degraded, lanes, boxes: await compared(YOLO) + await compared({ ...LIST, type: "float16" }) };
  },

  /** Fixed batches of three, dynamic ones of one to four, each in as many runs as it takes. */
  async batches() {
    const found: Record<string, unknown> = {};
    for (const batch of [3, [1, 4], [4, 4], [2, 5]] as const) {
      for (const script of ["", "cuda-module=222"]) {
        fake(script);
        const engine = { ...YOLO, batch };
        const [mine, theirs] = await Promise.all([fakeDetector(engine), referenceDetector(engine)]);
        for (let count = 1; count <= 9; count++) {
          const requests = Array.from({ length: count }, (_, i) => frameOf(i, 60 + 20 * i, 90));
          const expected = plain(await theirs.detectBatch(requests));
          assert.deepEqual(plain(await mine.detectBatch(requests)), expected);
          const several = await Promise.all([1, 2, 3, 4].map(() => mine.detectBatch(requests)));
          for (const answers of several) assert.deepEqual(plain(answers), expected);
        }
        found[`${batch} ${script}`] = [mine.batchMax, mine.lanes];
        await mine.close();
      }
    }
    return { found, handles: liveHandles() };
  },

  /** TensorRT-RTX: batches are filled up to a few sizes, for which kernels are compiled before the first request. */
  async filled() {
    fake("compile=40");
    const engine = { ...YOLO, batch: [1, 6] as const, set: "rtx-1.6" };
    const [mine, theirs] = await Promise.all([fakeDetector(engine), referenceDetector(engine)]);
    for (let count = 1; count <= 13; count++) {
      const requests = Array.from({ length: count }, (_, i) => frameOf(i, 60 + 20 * i, 90));
      assert.deepEqual(plain(await mine.detectBatch(requests)), plain(await theirs.detectBatch(requests)));
    }
    const { batchMax } = mine;
    await mine.close();
    return { batchMax, handles: liveHandles() };
  },

  /** After the first runs nothing is allocated or recorded any more. */
  async steady() {
    const detector = await fakeDetector(YOLO);
    for (let i = 0; i < 4; i++) await Promise.all([one(detector), one(detector)]);
    const before = counts();
    for (let i = 0; i < 50; i++) plain(await one(detector, i));
    const after = counts();
    await detector.close();
    assert.deepEqual(after.made, before.made);
    const graphs = after.ran.graphLaunches! - before.ran.graphLaunches!;
    return { graphs, kernels: after.ran.launches! - before.ran.launches!, live: counts().live, handles: liveHandles() };
  },

  /** A capture that is refused, and graphs that are not wanted. */
  async graphs() {
    const plainly = async (options = {}) => {
      const before = counts().ran.graphLaunches!;
      const boxes = await compared(YOLO, options);
      return { boxes, launches: counts().ran.graphLaunches! - before };
    };
    const off = await plainly({ cudaGraph: false });
    fake("cuda-capture=901");
    const refused = await plainly();
    fake("");
    return { off, refused, on: await plainly() };
  },

  /** Memory that is too little for all contexts, or for one. */
  async memory() {
    fake("cuda-alloc=2");
    const none = await codeOf(fakeDetector(YOLO));
    const lanes = new Set<number>();
    const codes = new Set<string>();
    for (let at = 1; at <= 60; at++) {
      fake("");
      fake(`cuda-oom=${at}`);
      try {
        const detector = await fakeDetector(YOLO, { contexts: 3 });
        lanes.add(detector.lanes);
        plain(await one(detector));
        await detector.close();
      } catch (error) {
        codes.add(error instanceof TrtdError ? error.code : String(error));
      }
    }
    fake("");
    const detector = await fakeDetector(YOLO);
    plain(await one(detector));
    fake("cuda-oom-over=100000");
    const [large] = await detector.detectBatch([frameOf(2, 1000, 1000)]);
    fake("");
    const after = await codeOf(detector.detectBatch([frameOf(2, 1000, 1000)]));
    await detector.close();
    const run = large instanceof TrtdError ? [large.code, large.message] : "fine";
    return { none, lanes: [...lanes].sort(), codes: [...codes], run, after, handles: liveHandles() };
  },

  /** TensorRT refuses a run, which is nobody's end. */
  async refused() {
    const detector = await fakeDetector(YOLO, { cudaGraph: false });
    fake("enqueue=refused");
    const [answer] = await one(detector);
    fake("");
    const after = await codeOf(one(detector));
    await detector.close();
    return { code: (answer as TrtdError).code, message: (answer as TrtdError).message, after };
  },

  /** A sticky error of CUDA, `TRTD_TEST_FAULT` says how it is met. */
  async fault() {
    const detector = await fakeDetector(YOLO);
    let told: string | null = null;
    void detector.fault.then(({ code }) => told = code);
    plain(await one(detector));
    fake(Deno.env.get("TRTD_TEST_FAULT")!);
    const both = await Promise.all([one(detector), one(detector)]);
    const [first, second] = both.map(([answer]) => answer as TrtdError);
    fake("");
    const begun = performance.now();
    const codes = [
      await codeOf(one(detector)),
      await codeOf(detector.outputs(pngOf(16, 16))),
      await codeOf(openFake(YOLO)),
    ];
    const ms = performance.now() - begun;
    await detector.close();
    return { first: first!.code, second: second!.code, message: first!.message, told, codes, ms };
  },

  /** What the engine is given must be its own tensors; what it is must be the model's. */
  async tensors() {
    const backend = await openFake({ ...YOLO, batch: [1, 4] });
    const image = (batch: number, length = batch * 3 * 64 * 96): Tensor => ({
      type: "float32",
      dims: [batch, 3, 64, 96],
      data: new Float32Array(length),
    });
    const said: string[] = [];
    const wrong: Record<string, Tensor>[] = [
      {},
      { images: image(1), other: image(1) },
      { images: { ...image(1), type: "float16", data: new Uint16Array(3 * 64 * 96) } },
      { images: image(5) },
      { images: image(1, 7) },
      { images: { ...image(1), dims: [3, 64, 96] } },
    ];
    for (const inputs of wrong) {
      said.push(await backend.run(inputs).then(() => "fine", (error) => `${error.code}: ${error.message}`));
    }
    const { output0 } = await backend.run({ images: image(2) });
    await backend.close();
    const closed = await codeOf(backend.run({ images: image(1) }));
    const strangers = await fakeDetector({ ...YOLO, outputName: "other" }).then(() => "fine", (error) => error.message);
    return { said, dims: output0!.dims, ones: output0!.data.every((value) => value === 1), closed, strangers };
  },

  /** Engines that TensorRT does not load. */
  async engines() {
    const found: Record<string, string> = {};
    for (const wish of ["load=capability", "load=silent", "load=gpu", "context=null"]) {
      fake(wish);
      found[wish] = await codeOf(openFake(YOLO));
    }
    fake("");
    found["after"] = await codeOf(openFake(YOLO).then((backend) => backend.close()));
    return { found, handles: liveHandles() };
  },

  /** JPEG files go to the GPU as they are; what it does not take is decoded on the CPU, in the same request. */
  async jpeg() {
    fake("nvjpeg-hardware=1");
    const engine = { ...YOLO, batch: [1, 4] } as const;
    const [mine, theirs] = await Promise.all([fakeDetector(engine), referenceDetector(engine)]);
    const good = await jpegOf(200, 120, "fake 10 20 30");
    const refused = await jpegOf(100, 80, "fake 1 2 3 bad");
    const damaged = good.slice(0, good.length - 40);
    const files = [good, refused, damaged, pngOf(50, 60), await jpegOf(64, 64, "fake 200 0 100")];
    const answers = await mine.detectBatch(files.map((bytes) => ({ bytes })));
    const expected = await theirs.detectBatch([
      { frame: paintedFrame(200, 120, [10, 20, 30]) },
      { bytes: refused },
      { bytes: damaged },
      { bytes: files[3]! },
      { frame: paintedFrame(64, 64, [200, 0, 100]) },
    ]);
    const told = answers.map((answer) => answer instanceof TrtdError ? answer.code : "fine");
    const equal = answers.map((answer, i) => {
      const other = expected[i]!;
      if (answer instanceof TrtdError || other instanceof TrtdError) return answer instanceof TrtdError;
      return JSON.stringify(plain([answer])) === JSON.stringify(plain([other]));
    });
    const decode = answers.map((answer) => answer instanceof TrtdError ? null : answer.timings_ms.decode);
    await mine.close();
    fake("");
    const without = await fakeDetector(engine, { gpuDecode: false });
    const onCpu = plain(await without.detectBatch([{ bytes: good }]));
    const sameAsCpu = JSON.stringify(onCpu) === JSON.stringify(plain(await theirs.detectBatch([{ bytes: good }])));
    await without.close();
    return { told, equal, decode, sameAsCpu, handles: liveHandles() };
  },

  /** TensorRT-RTX compiles kernels once; the second lane and the next start have them. */
  async kernels() {
    const folder = await Deno.makeTempDir({ prefix: "trtd-kernels-" });
    try {
      const path = join(folder, "kernels.cache");
      fake("compile=4000");
      const timed = async () => {
        const digest = await Deno.readTextFile(`${path}.sha256`).catch(() => null);
        const read = digest === null ? null : { path, sha256: digest.trim() };
        const begun = performance.now();
        const kernels = new KernelStore({ path, read, remarks: [] });
        const detector = await fakeDetector({ ...YOLO, set: "rtx-1.6" }, { kernels });
        const ms = performance.now() - begun;
        plain(await one(detector));
        await detector.close();
        return ms;
      };
      const [first, second] = [await timed(), await timed()];
      await Deno.writeTextFile(path, "somebody else's");
      const third = await timed();
      return { first, second, third, files: Array.from(Deno.readDirSync(folder), ({ name }) => name).sort() };
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

if (import.meta.main) console.log(JSON.stringify(await SCENARIOS[Deno.args[0]!]!()));
