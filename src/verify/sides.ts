/** The engine and the reference, asked the same about the same pictures. */
import type { BackendInfo, Tensor } from "../backends/backend.ts";
import type { Detection, DetectionResult, DetectOptions } from "../detect/detection.ts";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { OutputPair } from "./outputs.ts";
import type { BoxPair } from "./parity.ts";
import type { PictureSet } from "./pictures.ts";

/** What the gate asks of a detector. */
export interface GateDetector {
  readonly info: BackendInfo;
  detect(bytes: Uint8Array, options?: DetectOptions): Promise<Pick<DetectionResult, "detections">>;
  /** Most pictures of one run. @default 1 */
  readonly batchMax?: number;
  /** Without it an engine of a larger batch is compared one picture at a time. */
  detectBatch?(
    requests: readonly { readonly bytes: Uint8Array; readonly options: DetectOptions }[],
  ): Promise<readonly (Pick<DetectionResult, "detections"> | TrtdError)[]>;
  /** The model's outputs for one picture in the order of its head; without it raw outputs cannot be compared. */
  outputs?(bytes: Uint8Array): Promise<readonly Tensor[]>;
  close(): Promise<void>;
}

/** ONNX Runtime failed, so that there is nothing to compare with. */
export class ReferenceFailure extends Error {
  override readonly name = "ReferenceFailure";
  declare readonly cause: TrtdError;

  constructor(cause: TrtdError) {
    super(cause.message, { cause });
  }
}

/** Answers of the reference, each made once: an f32 engine that is compared after an fp16 one costs no new run. */
export class ReferenceAnswers {
  /** Names of pictures that could not be decoded. */
  readonly skipped: string[] = [];
  /** Milliseconds that answers took. */
  ms = 0;
  readonly #known = new Map<string, Promise<unknown>>();
  #unreadable: TrtdError | null = null;

  constructor(readonly detector: GateDetector, readonly set: PictureSet) {}

  /**
   * The pictures that can be decoded, loaded one after the other.
   * @throws {TrtdError} of the last picture when there is none
   */
  async *pictures(): AsyncGenerator<{ readonly name: string; readonly bytes: Uint8Array }> {
    let count = 0;
    for (const { name, load } of await this.set.list()) {
      if (this.skipped.includes(name)) continue;
      try {
        yield { name, bytes: await load() };
        count++;
      } catch (error) {
        if (!(error instanceof TrtdError)) throw error;
        this.skipped.push(name);
        this.#unreadable = error;
      }
    }
    if (count === 0 && this.#unreadable !== null) throw this.#unreadable;
  }

  /** @throws {ReferenceFailure} */
  boxes(name: string, bytes: Uint8Array, options: DetectOptions): Promise<readonly Detection[]> {
    const ask = async () => (await this.detector.detect(bytes, options)).detections;
    return this.#once(JSON.stringify([name, options]), ask);
  }

  /** @throws {ReferenceFailure} */
  outputs(name: string, bytes: Uint8Array): Promise<readonly Tensor[] | null> {
    return this.#once(JSON.stringify([name]), () => copiedOutputs(this.detector, bytes));
  }

  async #once<T>(question: string, ask: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const answer = this.#known.get(question) as Promise<T> | undefined ??
      ask().catch((error) => Promise.reject(new ReferenceFailure(trtdErrorFrom(error))));
    this.#known.set(question, answer);
    try {
      return await answer;
    } finally {
      this.ms += performance.now() - started;
    }
  }
}

async function copiedOutputs(detector: GateDetector, bytes: Uint8Array): Promise<readonly Tensor[] | null> {
  const outputs = await detector.outputs?.(bytes) ?? null;
  return outputs?.map((one) => ({ ...one, data: one.data.slice() })) ?? null;
}

/** Most pictures that are held at once. */
const BATCH_MAX = 4;

/** Both sides, asked the same. */
export class Sides {
  /** Milliseconds of the engine. */
  ms = 0;
  /** Pictures of the last question. */
  pictures = 0;

  constructor(readonly engine: GateDetector, readonly reference: ReferenceAnswers) {}

  /** The reference sees one picture at a time, the engine as many as it takes in one run. */
  async pairs(options: DetectOptions): Promise<BoxPair[]> {
    const pairs: BoxPair[] = [];
    let batch: { readonly name: string; readonly bytes: Uint8Array; readonly reference: readonly Detection[] }[] = [];
    const flush = async () => {
      const found = await this.#timed(() => this.#detect(batch.map(({ bytes }) => bytes), options));
      pairs.push(...batch.map(({ name, reference }, at) => ({ picture: name, found: found[at]!, reference })));
      batch = [];
    };
    const most = this.engine.detectBatch === undefined ? 1 : Math.min(BATCH_MAX, this.engine.batchMax ?? 1);
    for await (const { name, bytes } of this.reference.pictures()) {
      batch.push({ name, bytes, reference: await this.reference.boxes(name, bytes, options) });
      if (batch.length >= most) await flush();
    }
    if (batch.length > 0) await flush();
    this.pictures = pairs.length;
    return pairs;
  }

  async #detect(pictures: readonly Uint8Array[], options: DetectOptions): Promise<(readonly Detection[])[]> {
    if (pictures.length === 1) return [(await this.engine.detect(pictures[0]!, options)).detections];
    const answers = await this.engine.detectBatch!(pictures.map((bytes) => ({ bytes, options })));
    return answers.map((answer) => {
      if (answer instanceof TrtdError) throw answer;
      return answer.detections;
    });
  }

  /** Null where a side cannot tell its outputs. */
  async outputs(): Promise<OutputPair[] | null> {
    const pairs: OutputPair[] = [];
    for await (const { name, bytes } of this.reference.pictures()) {
      const reference = await this.reference.outputs(name, bytes);
      const found = reference === null ? null : await this.#timed(() => copiedOutputs(this.engine, bytes));
      if (reference === null || found === null) return null;
      pairs.push({ picture: name, found, reference });
    }
    return pairs;
  }

  async #timed<T>(ask: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await ask();
    } finally {
      this.ms += performance.now() - started;
    }
  }
}
