/** A detector on the fakes, for the scenarios of the pipeline. */

import { join } from "node:path";
import { Device, type DeviceMemory, openCuda } from "../../ffi/cuda.ts";
import { BoxFlag, ElementType, Layout } from "../../ffi/enums.ts";
import { JpegDecoder } from "../../ffi/jpeg.ts";
import { type Boxes, type DetectionsSpec, Kernels, type LetterboxSpec, type Question } from "../../ffi/kernels.ts";
import { TensorRtLibrary } from "../../ffi/library.ts";
import { type HostFrame, Pipeline, type PipelineSpec } from "../../ffi/pipeline.ts";
import type { Engine, ExecutionContext } from "../../ffi/runtime.ts";
import { placementOf } from "../../src/detect/letterbox/letterbox.ts";
import { baselineJpeg, segment } from "../detect/jpeg_writer.ts";
import type { FakeSet } from "./children.ts";

/** Of the model's input, in pixels. */
export const WIDTH = 48, HEIGHT = 32;
const CLASSES = 5, ANCHORS = 40;

const COUNTS = {
  fake_cuda_counts: { parameters: ["buffer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** What the fake driver counted; `live...` are there now. */
export interface Counts {
  readonly allocations: number;
  readonly pinnedAllocations: number;
  readonly launches: number;
  readonly graphLaunches: number;
  readonly captures: number;
  readonly queries: number;
  readonly sleeps: number;
  readonly liveMemory: number;
  readonly livePinned: number;
  readonly liveStreams: number;
  readonly liveEvents: number;
  readonly liveGraphs: number;
}

const COUNTED: readonly (keyof Counts)[] = [
  "allocations",
  "pinnedAllocations",
  "launches",
  "graphLaunches",
  "captures",
  "queries",
  "sleeps",
  "liveMemory",
  "livePinned",
  "liveStreams",
  "liveEvents",
  "liveGraphs",
];

/** Reads the counts of a fake driver. */
export function countsOf(driver: string): () => Counts {
  const { symbols } = Deno.dlopen(driver, COUNTS);
  return () => {
    const numbers = new BigUint64Array(COUNTED.length);
    symbols.fake_cuda_counts(new Uint8Array(numbers.buffer));
    return Object.fromEntries(COUNTED.map((name, i) => [name, Number(numbers[i])])) as unknown as Counts;
  };
}

/** What the model of a rig is like. */
export interface RigOptions {
  readonly set: FakeSet;
  /** The driver, instead of the set's. */
  readonly cuda?: string;
  /** Largest batch; `fixed` makes it the only one. @default 4 */
  readonly batch?: number;
  readonly fixed?: boolean;
  /** Smallest batch of the profile. @default 1 */
  readonly least?: number;
  readonly half?: boolean;
  /** Element type of a size input. @default none */
  readonly sizes?: "int32" | "int64" | null;
  /**
   * Outputs "boxes" and "scores" as offsets from anchors that the engine does not have, the same for all pictures or not.
   * The outputs are those of {@link writeBoxes}. @default one output of YOLOv8's kind
   */
  readonly anchors?: "shared" | "own";
}

/** Boxes and scores that the fake reads from files: `TRTD_FAKE_OUTPUTS` is to name the folder. */
export async function writeBoxes(folder: string): Promise<void> {
  const random = randomFrom(11);
  const values = {
    boxes: Float32Array.from({ length: 4 * ANCHORS }, () => random(9) - 4),
    scores: Float32Array.from({ length: CLASSES * ANCHORS }, () => random(100) < 90 ? 0.01 : random(1000) / 1000),
  };
  for (const [name, { buffer }] of Object.entries(values)) {
    await Deno.writeFile(join(folder, `${name}.bin`), new Uint8Array(buffer));
  }
}

/** Corners in the model's input, for each of `pictures`. */
function someAnchors(pictures: number): Float32Array {
  const random = randomFrom(12);
  const corners = Array.from({ length: pictures * ANCHORS }, () => {
    const [x, y] = [random(WIDTH - 10), random(HEIGHT - 10)];
    return [x, y, x + 2 + random(10), y + 2 + random(10)];
  });
  return Float32Array.from(corners.flat());
}

/** xorshift32: numbers from 0 to `limit` - 1. */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed * 2654435761 | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** A dark picture with a red, a green and a blue rectangle, some of them left out. */
export function randomFrame(seed: number, sideMax = 90): HostFrame {
  const random = randomFrom(seed);
  const width = 8 + random(sideMax - 8), height = 8 + random(sideMax - 8);
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < data.length; i++) data[i] = random(120);
  for (let plane = 0; plane < 3; plane++) {
    const [x1, y1] = [random(width), random(height)];
    const [x2, y2] = [x1 + 4 + random(width), y1 + 4 + random(height)];
    if (random(4) === 0) continue;
    for (let y = y1; y < Math.min(y2, height); y++) {
      for (let x = x1; x < Math.min(x2, width); x++) data[3 * (y * width + x) + plane] = 250;
    }
  }
  return { kind: "rgb", data, width, height, placement: placed(width, height) };
}

const placed = (width: number, height: number) =>
  placementOf({ width, height }, { width: WIDTH, height: HEIGHT }, "center");

/** A JPEG file that the fake nvJPEG takes for `comment`. */
export function jpegFrame(comment: string): HostFrame {
  const [width, height] = [16, 8];
  const plane = new Float32Array(width * height).fill(128);
  const segments = [segment(0xfe, new TextEncoder().encode(`fake ${comment}`))];
  const data = baselineJpeg({ width, height, components: [{ plane, h: 1, v: 1 }], segments });
  return { kind: "jpeg", data, width, height, placement: placed(width, height) };
}

/** What is asked of a frame, by its seed. */
export function randomQuestion(seed: number, frame: HostFrame): Question {
  const random = randomFrom(seed + 77);
  return {
    score: [0.05, 0.55, 0.65, 0.95][random(4)]!,
    iou: [0.2, 0.7][random(2)]!,
    max: 1 + random(20),
    classAgnostic: random(2) === 0,
    wanted: random(3) === 0 ? Uint8Array.from({ length: CLASSES }, () => random(2)) : null,
    placement: placed(frame.width, frame.height),
  };
}

const outputsOf = ({ anchors }: RigOptions) =>
  anchors === undefined
    ? [{ name: "output0", dims: [4 + CLASSES, ANCHORS] }]
    : [{ name: "boxes", dims: [ANCHORS, 4] }, { name: "scores", dims: [ANCHORS, CLASSES] }];

/** An engine of the fake `head=yolov8` with kernels on the first device. */
export class Rig implements Disposable {
  readonly letterbox: LetterboxSpec;
  readonly detections: DetectionsSpec;
  /** Those that the engine does not have. */
  readonly anchors: Float32Array | null;
  readonly counts: () => Counts;
  readonly #outputs: readonly { readonly name: string; readonly dims: readonly number[] }[];
  readonly #bytes: number;
  #owned: Disposable[] = [];

  private constructor(
    readonly options: Required<Pick<RigOptions, "batch" | "fixed" | "half">> & RigOptions,
    readonly device: Device,
    readonly kernels: Kernels,
    readonly engine: Engine,
  ) {
    const { batch, half } = options;
    const type = half ? ElementType.FLOAT16 : ElementType.FLOAT32;
    this.#bytes = half ? 2 : 4;
    this.counts = countsOf(options.cuda ?? options.set.cuda);
    this.letterbox = {
      framesMax: batch,
      width: WIDTH,
      height: HEIGHT,
      type: half ? "float16" : "float32",
      order: "rgb",
      range: 1,
    };
    const { anchors } = options;
    this.anchors = anchors === undefined ? null : someAnchors(anchors === "own" ? batch : 1);
    this.#outputs = outputsOf(options);
    this.detections = {
      layout: Layout.CHANNELS_FIRST,
      classes: CLASSES,
      width: WIDTH,
      height: HEIGHT,
      types: [type],
      rows: 4 + CLASSES,
      columns: ANCHORS,
      imagesMax: batch,
      boxesMax: 20,
      candidatesMax: 30,
      labels: CLASSES,
      suppress: true,
      ...anchors === undefined ? {} : {
        layout: Layout.BOXES_SCORES,
        types: [type, type, ElementType.FLOAT32],
        rows: ANCHORS,
        columns: CLASSES,
        boxFlags: BoxFlag.ANCHORS | (anchors === "own" ? BoxFlag.OWN_ANCHORS : 0),
      },
    };
  }

  static async open(given: RigOptions): Promise<Rig> {
    const options = { batch: 4, fixed: false, half: false, ...given };
    const { set, batch, fixed, half, sizes = null, least = 1 } = options;
    await openCuda(options.cuda ?? set.cuda);
    using library = await TensorRtLibrary.open(set.core);
    await library.openParser(set.parser);
    const device = await Device.open(0);
    using builder = await library.createBuilder({ device });
    using network = builder.createNetwork();
    const [n, type] = [fixed ? batch : -1, half ? 1 : 0];
    const second = sizes === null ? "" : `input sizes ${sizes === "int64" ? 8 : 3} ${n}x2\n`;
    const lines = `input images ${type} ${n}x3x${HEIGHT}x${WIDTH}\n${second}` +
      outputsOf(options).map(({ name, dims }) => `output ${name} ${type} ${[n, ...dims].join("x")}\n`).join("") +
      `output extra 0 ${n}x3\nlayers 3\n`;
    await network.parse(new TextEncoder().encode(`model\n${lines}`));
    using config = builder.createConfig();
    using profile = builder.createProfile();
    if (!fixed) {
      const corners = (shape: (n: number) => number[]) => ({ min: shape(least), opt: shape(least), max: shape(batch) });
      profile.setShapes("images", corners((count) => [count, 3, HEIGHT, WIDTH]));
      if (sizes !== null) profile.setShapes("sizes", corners((count) => [count, 2]));
      config.addProfile(profile);
    }
    using plan = await builder.build(network, config);
    using runtime = await library.createRuntime({ device });
    return new Rig(options, device, await Kernels.load(device), await runtime.load(plan.read()));
  }

  [Symbol.dispose](): void {
    for (const owned of [...this.#owned.reverse(), this.engine, this.kernels, this.device]) owned[Symbol.dispose]();
    this.#owned = [];
  }

  /** Ends `owned` with the rig. */
  keep<T extends Disposable>(owned: T): T {
    this.#owned.push(owned);
    return owned;
  }

  async spec(changes: Partial<PipelineSpec> = {}): Promise<PipelineSpec> {
    return {
      context: this.keep(await this.engine.createContext()),
      kernels: this.kernels,
      input: "images",
      outputs: this.#outputs.map(({ name }) => name),
      anchors: this.anchors,
      sizeInput: this.options.sizes === undefined || this.options.sizes === null ? null : "sizes",
      letterbox: this.letterbox,
      detections: this.detections,
      jpeg: null,
      cudaGraph: true,
      ...changes,
    };
  }

  async pipeline(changes: Partial<PipelineSpec> = {}): Promise<Pipeline> {
    return this.keep(await Pipeline.create(await this.spec(changes)));
  }

  async jpeg(path: string): Promise<JpegDecoder> {
    const decoder = await JpegDecoder.open(this.device, { path });
    return this.keep(decoder as JpegDecoder);
  }

  /** The same work, one step after the other over calls of their own. */
  async reference(): Promise<(frames: readonly HostFrame[], questions: readonly Question[]) => Promise<Boxes[]>> {
    const { batch, fixed, sizes = null, least = 1 } = this.options;
    const context: ExecutionContext = this.keep(await this.engine.createContext());
    const letterbox = this.keep(this.kernels.createLetterbox(this.letterbox));
    const detections = this.keep(this.kernels.createDetections(this.detections));
    const stream = this.keep(this.device.createStream());
    const memory = (bytes: number): DeviceMemory => this.keep(this.device.allocate(bytes));
    const input = memory(batch * 3 * HEIGHT * WIDTH * this.#bytes);
    letterbox.setTarget(input);
    context.setAddress("images", input);
    this.#outputs.forEach(({ name, dims }, i) => {
      const output = memory(dims.reduce((product, axis) => product * axis, batch * this.#bytes));
      detections.setTensor(i, output);
      context.setAddress(name, output);
    });
    if (this.anchors !== null) {
      const place = memory(this.anchors.byteLength);
      place.write(new Uint8Array(this.anchors.buffer as ArrayBuffer));
      detections.setTensor(2, place);
    }
    context.setAddress("extra", memory(batch * 12));
    if (sizes !== null) {
      const values = Array.from({ length: batch }, () => [WIDTH, HEIGHT]).flat();
      const bytes = sizes === "int64" ? BigInt64Array.from(values, BigInt).buffer : Int32Array.from(values).buffer;
      const place = memory(bytes.byteLength);
      place.write(new Uint8Array(bytes));
      context.setAddress("sizes", place);
    }
    return async (frames, questions) => {
      const count = Math.max(frames.length, least);
      if (!fixed) {
        context.setShape("images", [count, 3, HEIGHT, WIDTH]);
        if (sizes !== null) context.setShape("sizes", [count, 2]);
      }
      const places = frames.map(({ data }) => {
        const place = this.device.allocate(data.byteLength);
        place.write(data);
        return place;
      });
      letterbox.setFrames(frames.map((frame, i) => ({ ...frame, memory: places[i]! })));
      detections.setQuestions(questions);
      letterbox.enqueue(stream);
      context.enqueue(stream);
      detections.enqueue(stream);
      await stream.synchronize();
      places.forEach((place) => place.close());
      return frames.map((_, i) => detections.read(i));
    };
  }
}
