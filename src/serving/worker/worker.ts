/** The worker's side: holds a model, answers the serving manager over one channel, ends when that closes. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import type { GpuSource } from "../../native/gpu/gpu_sample.ts";
import {
  messageFromError,
  type PictureMessage,
  type ReplyMessage,
  requestFrom,
  type RequestMessage,
} from "../channel/messages.ts";
import { type ByteSink, type ByteSource, FrameReader, FrameWriter } from "../channel/frames.ts";
import { SYSTEM_CLOCK } from "../clock.ts";
import { type Borrowed, RingReader } from "../ring/ring_reader.ts";
import { logAnswered, logFailed } from "../telemetry/picture_log.ts";
import { Batcher } from "./batcher.ts";
import { batchOf, type DetectorPicture, type OpenDetector, type ServedDetector } from "./served_detector.ts";
import { packedFrame } from "./packed_frame.ts";

const log = getLogger(["trtd", "serving"]);

/** A dead process gives up its channel some milliseconds before its children. */
const ORPHAN_CHECKS = 100;
const ORPHAN_CHECK_MS = 10;

type LoadMessage = Extract<RequestMessage, { type: "load" }>;
type DetectMessage = Extract<RequestMessage, { type: "detect" }>;

/**
 * Serve one manager until its channel closes, or until the device is lost (the process must end then).
 * @param gpus what heartbeats tell about GPUs. @default nothing
 * @throws {TrtdError} `INTERNAL` when the manager breaks the protocol, `GPU_FAULT`
 */
export async function serveChannel(
  channel: ByteSource & ByteSink,
  open: OpenDetector,
  gpus?: GpuSource,
): Promise<void> {
  const worker = new Worker(channel, open, gpus);
  try {
    await worker.serve();
  } finally {
    await worker.close();
  }
}

class Worker {
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #open: OpenDetector;
  readonly #rings = new RingReader();
  readonly #parent = Deno.ppid;
  #ringPaths: readonly string[] = [];
  #model = "";
  readonly #lost = Promise.withResolvers<never>();
  readonly #gpus: GpuSource | undefined;
  #detector: ServedDetector | undefined;
  #batcher: Batcher | undefined;

  constructor(channel: ByteSource & ByteSink, open: OpenDetector, gpus?: GpuSource) {
    this.#gpus = gpus;
    this.#reader = new FrameReader(channel);
    this.#writer = new FrameWriter(channel);
    this.#open = open;
    this.#lost.promise.catch(() => {});
  }

  async serve(): Promise<void> {
    await Promise.race([this.#listen(), this.#lost.promise]);
  }

  async #listen(): Promise<void> {
    for (;;) {
      const frame = await this.#reader.next();
      if (frame === null) return this.#removeRings();
      const message = checkedRequest(frame.header);
      if (message.type === "load") await this.#load(message);
      else if (message.type === "detect") void this.#answer(message);
      else if (message.type === "ping") {
        const gpus = this.#gpus?.latest() ?? [];
        await this.#reply({ type: "pong", id: message.id, rss: Deno.memoryUsage().rss, gpus });
      } else return;
    }
  }

  async close(): Promise<void> {
    this.#rings.close();
    await this.#detector?.close().catch(() => {});
  }

  async #load({ model, settings, rings }: LoadMessage): Promise<void> {
    this.#ringPaths = rings;
    this.#model = model.name;
    try {
      this.#attach(rings);
      const detector = this.#detector = await this.#open(model as Model, settings);
      const limits = {
        batch: batchOf(detector, settings.batch_max),
        lanes: detector.lanes ?? 1,
        delayMs: settings.batch_delay_ms ?? 0,
      };
      this.#batcher = new Batcher(detector, limits, SYSTEM_CLOCK);
      detector.fault?.then((error) => this.#lost.reject(error));
      const { labels, info } = detector;
      await this.#reply({
        type: "loaded",
        model: { name: model.name, labels: [...labels], backend: info, batch: limits.batch, lanes: limits.lanes },
      });
    } catch (thrown) {
      await this.#reply({ type: "failed", error: messageFromError(trtdErrorFrom(thrown)) });
    }
  }

  /** The first ring is the worker's own; a local producer may have deleted one of the others, which is its own loss. */
  #attach([own, ...others]: readonly string[]): void {
    if (own !== undefined) this.#rings.attach(own);
    for (const path of others) {
      try {
        this.#rings.attach(path);
      } catch (error) {
        log.warning("The ring {path} of local producers cannot be opened: {error}", { path, error });
      }
    }
  }

  async #answer({ id, picture, options, annotate, deadline, request_id }: DetectMessage): Promise<void> {
    let borrowed: Borrowed | undefined;
    let asked: DetectorPicture | undefined;
    try {
      if (this.#batcher === undefined) throw new TrtdError("MODEL_NOT_READY", "The model is not loaded");
      const { result, batch } = await this.#batcher.detect({
        deadlineMs: SYSTEM_CLOCK.now() + deadline - Date.now(),
        request: () => {
          borrowed = this.#rings.read(picture.ring, picture);
          asked = detectorPicture(picture, borrowed.bytes);
          return { ...asked, options };
        },
      });
      const annotated = annotate ? await this.#detector!.annotate(asked!, result) : undefined;
      await this.#reply({ type: "answer", id, batch, result }, annotated);
      logAnswered(request_id, result, batch);
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      logFailed(request_id, this.#model, error);
      await this.#reply({ type: "error", id, error: messageFromError(error) });
      if (error.code === "GPU_FAULT") this.#lost.reject(error);
    } finally {
      borrowed?.release();
    }
  }

  /** The manager did not say goodbye: if it is dead, what it owned is removed by who survives it. */
  async #removeRings(): Promise<void> {
    for (let i = 0; i < ORPHAN_CHECKS && Deno.ppid === this.#parent; i++) {
      await new Promise((resolve) => setTimeout(resolve, ORPHAN_CHECK_MS));
    }
    if (Deno.ppid === this.#parent) return;
    for (const path of this.#ringPaths) await Deno.remove(path).catch(() => {});
  }

  #reply(message: ReplyMessage, payload?: Uint8Array): Promise<void> {
    return this.#writer.write(message, payload).catch((error) => log.debug("The manager is gone: {error}", { error }));
  }
}

function detectorPicture(picture: PictureMessage, bytes: Uint8Array<ArrayBuffer>): DetectorPicture {
  return picture.kind === "file" ? { bytes } : { frame: packedFrame(bytes, picture) };
}

function checkedRequest(header: unknown): RequestMessage {
  try {
    return requestFrom(header);
  } catch (error) {
    throw new TrtdError("INTERNAL", `The manager sent a message that is not known: ${(error as Error).message}`);
  }
}
