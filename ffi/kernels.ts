/** trtd's own kernels on a device: letterbox, and decoding with suppression. */

import { call, callLong, outU64, outU64Long } from "./call.ts";
import type { Device, DeviceMemory, Stream } from "./cuda.ts";
import { ElementType, type Layout } from "./enums.ts";
import { Owned } from "./handle.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type ArrayView =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>;

const bytesOf = (view: ArrayView): Bytes => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** What a letterbox makes: `[frames, 3, height, width]`. */
export interface LetterboxSpec {
  /** Most frames of one run, 1..256. */
  readonly framesMax: number;
  /** Of the model's input, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly type: "float32" | "float16";
  readonly order: "rgb" | "bgr";
  /** Highest value of a pixel. */
  readonly range: 1 | 255;
}

/** A frame in device memory, packed RGB u8 `[height, width, 3]`, and its place in the input. */
export interface Frame {
  readonly memory: DeviceMemory;
  /** Bytes. @default 0 */
  readonly offset?: number;
  readonly width: number;
  readonly height: number;
  /** Where the scaled frame lies, in pixels of the input. */
  readonly placement: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
}

/** What detections are read from: the layout of a model's outputs. */
export interface DetectionsSpec {
  readonly layout: Layout;
  /** Number of classes; not read where rows name their class. */
  readonly classes: number;
  /** Of the model's input, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Element type of each tensor in the layout's order. */
  readonly types: readonly ElementType[];
  /** Second and third dimension of the tensor with the scores; 1 column where it has two dimensions. */
  readonly rows: number;
  readonly columns: number;
  /** Bits of {@link BoxFlag}. @default 0 */
  readonly boxFlags?: number;
  /** Class of `BOXES_SCORES` that is never a detection. @default -1, none */
  readonly background?: number;
  /** Cell sizes in pixels for `OBJECTNESS_GRID`, at most 4. */
  readonly strides?: readonly number[];
  /** Most pictures of one run, 1..32. */
  readonly imagesMax: number;
  /** Most boxes of one picture, 1..`candidatesMax`. */
  readonly boxesMax: number;
  /** Candidates that are looked at after sorting, 1..5000. @default 5000 */
  readonly candidatesMax?: number;
  /** Labels that a choice tells of. */
  readonly labels: number;
  /** Whether overlapping boxes are dropped. */
  readonly suppress: boolean;
}

/** What is asked of one picture. */
export interface Question {
  /** Lowest score. */
  readonly score: number;
  /** IoU from which a box is dropped. */
  readonly iou: number;
  readonly max: number;
  /** @default false */
  readonly classAgnostic?: boolean;
  /** 1 for each wanted label. @default all */
  readonly wanted?: Uint8Array | null;
  /** Where the picture lies in the input: boxes beside it do not count. All pictures of a run have one, or none. */
  readonly placement?: {
    readonly left: number;
    readonly top: number;
    readonly scaleX: number;
    readonly scaleY: number;
    readonly source: { readonly width: number; readonly height: number };
  } | null;
}

/** Boxes of one picture by falling score. */
export interface Boxes {
  /** Candidates at or over the lowest score. */
  readonly found: number;
  /** x1, y1, x2, y2 in pixels of the input, score: five of each box. */
  readonly numbers: Float32Array<ArrayBuffer>;
  readonly labels: Int32Array<ArrayBuffer>;
}

/** {@link LetterboxSpec} as `trtd_letterbox_spec`. */
export function letterboxRecord(spec: LetterboxSpec): Bytes {
  const type = spec.type === "float16" ? ElementType.FLOAT16 : ElementType.FLOAT32;
  const order = spec.order === "bgr" ? 1 : 0;
  return bytesOf(Int32Array.of(spec.framesMax, spec.width, spec.height, type, order, spec.range, 0, 0));
}

/** {@link DetectionsSpec} as `trtd_detect_spec`. */
export function detectionsRecord(spec: DetectionsSpec): Bytes {
  const { types, strides = [], boxFlags = 0, candidatesMax = 5000, background = -1 } = spec;
  const four = (list: readonly number[]) => [0, 1, 2, 3].map((i) => list[i] ?? 0);
  const numbers = [
    [spec.layout, spec.classes, spec.width, spec.height, ...four(types), spec.rows, spec.columns],
    [boxFlags, strides.length, ...four(strides)],
    [spec.imagesMax, spec.boxesMax, candidatesMax, spec.labels, spec.suppress ? 1 : 0, background, 0, 0],
  ].flat();
  return bytesOf(Int32Array.from(numbers));
}

/** Questions as `trtd_detections_set_images()` takes them. */
export interface QuestionArrays {
  readonly scores: Bytes;
  readonly ious: Bytes;
  readonly limits: Bytes;
  readonly placements: Bytes | null;
  readonly wanted: Bytes | null;
}

/**
 * @param labels that a choice tells of
 * @throws {RangeError} when some questions have a placement and others none
 */
export function questionArrays(questions: readonly Question[], labels: number): QuestionArrays {
  const placed = questions.flatMap(({ placement }) => placement === undefined || placement === null ? [] : [placement]);
  if (placed.length !== 0 && placed.length !== questions.length) {
    throw new RangeError("All pictures of a run have a placement, or none has");
  }
  const places = placed.flatMap(({ left, top, scaleX, scaleY, source }) => [
    left,
    top,
    scaleX,
    scaleY,
    source.width,
    source.height,
  ]);
  const limits = questions.flatMap(({ max, classAgnostic, wanted }) => [
    max,
    classAgnostic === true ? 1 : 0,
    wanted === undefined || wanted === null ? 0 : 1,
  ]);
  return {
    scores: bytesOf(Float32Array.from(questions, ({ score }) => score)),
    ious: bytesOf(Float32Array.from(questions, ({ iou }) => iou)),
    limits: bytesOf(Int32Array.from(limits)),
    placements: placed.length === 0 ? null : bytesOf(Float64Array.from(places)),
    wanted: wantedBits(questions, labels),
  };
}

function wantedBits(questions: readonly Question[], labels: number): Bytes | null {
  if (questions.every(({ wanted }) => wanted === undefined || wanted === null)) return null;
  const words = Math.ceil(labels / 32);
  const bits = new Uint32Array(words * questions.length);
  questions.forEach(({ wanted }, image) => {
    for (let label = 0; label < labels; label++) {
      if (wanted?.[label] === 1) bits[image * words + (label >> 5)]! |= 1 << (label & 31);
    }
  });
  return bytesOf(bits);
}

/** Memory that boxes are read into, of one picture after another. */
export class BoxReader {
  readonly #numbers: Float32Array<ArrayBuffer>;
  readonly #labels: Int32Array<ArrayBuffer>;
  readonly #counts = new Uint32Array(2);

  constructor(boxesMax: number) {
    this.#numbers = new Float32Array(5 * boxesMax);
    this.#labels = new Int32Array(boxesMax);
  }

  /** Boxes that `give` writes to the places. */
  read(give: (numbers: Bytes, labels: Bytes, capacity: number, counts: Bytes) => void): Boxes {
    give(bytesOf(this.#numbers), bytesOf(this.#labels), this.#labels.length, bytesOf(this.#counts));
    const count = this.#counts[0]!;
    return {
      found: this.#counts[1]!,
      numbers: this.#numbers.slice(0, 5 * count),
      labels: this.#labels.slice(0, count),
    };
  }
}

/** The kernels, compiled for a device. */
export class Kernels extends Owned {
  /**
   * Compile them; the driver keeps the result in its own cache.
   * @throws {ShimError} `UNSUPPORTED` when this driver cannot: use the CPU path; `CUDA_ERROR`
   */
  static async load(device: Device): Promise<Kernels> {
    return new Kernels(
      await outU64Long((out) =>
        callLong([out], (symbols, error) => symbols.trtd_kernels_load(device.handle, out, error))
      ),
    );
  }

  /** @throws {ShimError} `INVALID_ARGUMENT`, `OUT_OF_MEMORY` */
  createLetterbox(spec: LetterboxSpec): LetterboxKernel {
    const record = letterboxRecord(spec);
    return new LetterboxKernel(
      outU64((out) => call((symbols, error) => symbols.trtd_letterbox_create(this.handle, record, out, error))),
    );
  }

  /** @throws {ShimError} `INVALID_ARGUMENT`, `OUT_OF_MEMORY` */
  createDetections(spec: DetectionsSpec): DetectionsKernel {
    const record = detectionsRecord(spec);
    return new DetectionsKernel(
      outU64((out) => call((symbols, error) => symbols.trtd_detections_create(this.handle, record, out, error))),
      spec,
    );
  }
}

/** Puts frames into a model's input. Set what a run reads only after that run is over. */
export class LetterboxKernel extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  /** Frames of the next runs, of any sizes. @throws {ShimError} `INVALID_ARGUMENT` */
  setFrames(frames: readonly Frame[]): void {
    const records = new ArrayBuffer(48 * frames.length);
    frames.forEach(({ memory, offset, width, height, placement }, i) => {
      new BigUint64Array(records, 48 * i, 2).set([memory.handle, BigInt(offset ?? 0)]);
      const { left, top, width: scaledWidth, height: scaledHeight } = placement;
      new Int32Array(records, 48 * i + 16, 6).set([width, height, left, top, scaledWidth, scaledHeight]);
    });
    const bytes = new Uint8Array(records);
    call((symbols, error) => symbols.trtd_letterbox_set_frames(this.handle, bytes, frames.length, error));
  }

  /** Where the input begins. @throws {ShimError} `INVALID_ARGUMENT` */
  setTarget(memory: DeviceMemory, offset = 0): void {
    call((symbols, error) => symbols.trtd_letterbox_set_target(this.handle, memory.handle, BigInt(offset), error));
  }

  /** @throws {ShimError} `INVALID_ARGUMENT`, `CUDA_ERROR` */
  enqueue(stream: Stream): void {
    call((symbols, error) => symbols.trtd_letterbox_enqueue(this.handle, stream.handle, error));
  }
}

/** Reads boxes from a model's outputs. Set what a run reads only after that run is over. */
export class DetectionsKernel extends Owned {
  readonly #labels: number;
  readonly #boxes: BoxReader;

  constructor(handle: bigint, spec: DetectionsSpec) {
    super(handle);
    this.#labels = spec.labels;
    this.#boxes = new BoxReader(spec.boxesMax);
  }

  /** Where tensor `index` begins. @throws {ShimError} `INVALID_ARGUMENT` */
  setTensor(index: number, memory: DeviceMemory, offset = 0): void {
    call((symbols, error) =>
      symbols.trtd_detections_set_tensor(this.handle, index, memory.handle, BigInt(offset), error)
    );
  }

  /** What is asked of each picture of the next runs. @throws {ShimError} `INVALID_ARGUMENT` */
  setQuestions(questions: readonly Question[]): void {
    const { scores, ious, limits, placements, wanted } = questionArrays(questions, this.#labels);
    call((symbols, error) =>
      symbols.trtd_detections_set_images(
        this.handle,
        questions.length,
        scores,
        ious,
        limits,
        placements,
        wanted,
        error,
      )
    );
  }

  /** @throws {ShimError} `INVALID_ARGUMENT`, `CUDA_ERROR` */
  enqueue(stream: Stream): void {
    call((symbols, error) => symbols.trtd_detections_enqueue(this.handle, stream.handle, error));
  }

  /** Boxes of picture `image`, once the stream is through the run. @throws {ShimError} `INVALID_ARGUMENT` */
  read(image: number): Boxes {
    return this.#boxes.read((...places) =>
      call((symbols, error) => symbols.trtd_detections_read(this.handle, image, ...places, error))
    );
  }
}
