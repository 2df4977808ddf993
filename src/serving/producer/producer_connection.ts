/** One local producer: it owns slots of a ring, lends them with a picture in them, and gets detections. */
import type { DetectOptions } from "../../detect/detection.ts";
import { TrtdError, trtdErrorFrom } from "../../errors.ts";
import type { ServedPicture } from "../detection_worker.ts";
import type { ServingRequest } from "../manager/job.ts";
import type { ServingManager } from "../manager/manager.ts";
import type { Ring } from "../ring/ring.ts";
import { checkedPicture, type SlotPlace } from "./producer_picture.ts";
import { type DetectLine, detectSchema, errorFields, helloSchema, PROTOCOL } from "./producer_messages.ts";

/** Slots begin at pages, so that a producer may map one alone; pages are 64 KiB on some aarch64 kernels. */
const PAGE_BYTES = 4096;
/** Requests in a row that could never be answered, after which a producer is not believed any more. */
const FAULTS_MAX = 100;
/** What a request id may consist of (src/http/request/request_id.ts). */
const PLAIN_ID = /^[A-Za-z0-9._-]{1,55}$/;

export type ProducerService = Pick<ServingManager, "admit" | "detect" | "models">;

/** Settings that hold for pictures of producers as for those of HTTP, by the same words. */
export interface ProducerSettings {
  readonly max_pixels: number;
  readonly score?: number | undefined;
  readonly iou?: number | undefined;
  readonly max?: number | undefined;
  readonly classes?: readonly string[] | undefined;
}

export interface ProducerOptions {
  readonly service: ProducerService;
  readonly settings: ProducerSettings;
  /** Names of the served models; the first is the default. */
  readonly models: readonly string[];
  /** Most slots of a producer: no more of its pictures are under way at once. */
  readonly slotsMax: number;
  /** The ring that is this producer's from its hello to its end. @throws {TrtdError} `PRODUCERS_FULL` */
  takeRing(): Ring;
  /** Send one message; they arrive in order. */
  send(message: unknown): void;
  /** Told every error that answers a request. */
  readonly onError?: ((error: TrtdError) => void) | undefined;
}

export class ProducerConnection {
  readonly #options: ProducerOptions;
  /** Slots that the producer does not own now. */
  readonly #lent = new Set<number>();
  readonly #gone = new AbortController();
  readonly #idle = Promise.withResolvers<void>();
  #ring: Ring | null = null;
  #slotBytes = 0;
  #slots = 0;
  #due = 0;
  #faults = 0;
  #closed = false;
  #draining = false;

  constructor(options: ProducerOptions) {
    this.#options = options;
  }

  /** Whether it has said hello. */
  get greeted(): boolean {
    return this.#ring !== null;
  }

  /** Whether answers are due. */
  get busy(): boolean {
    return this.#due > 0;
  }

  /** Bytes of the slots that it has lent. */
  get lentBytes(): number {
    return this.#lent.size * this.#slotBytes;
  }

  /** Take one line. @throws {TrtdError} what ends the connection: `REQUEST_INVALID`, `PRODUCERS_FULL`, `SHARED_MEMORY_UNAVAILABLE` */
  take(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      throw new TrtdError("REQUEST_INVALID", "A line is not JSON");
    }
    if (this.#ring === null) return this.#greet(message);
    const parsed = detectSchema.safeParse(message);
    if (!parsed.success) throw new TrtdError("REQUEST_INVALID", problemOf(parsed.error));
    this.#detect(parsed.data, this.#ring);
  }

  /** No more requests; those that it has are answered. */
  drain(): void {
    this.#draining = true;
  }

  /** The producer has gone. Resolves when nobody reads its slots any more. Calling it twice is harmless. */
  close(): Promise<void> {
    this.#closed = true;
    this.#gone.abort();
    if (this.#lent.size === 0) this.#idle.resolve();
    return this.#idle.promise;
  }

  #greet(message: unknown): void {
    const parsed = helloSchema.safeParse(message);
    if (!parsed.success) {
      throw new TrtdError("REQUEST_INVALID", `The first line must say hello: ${problemOf(parsed.error)}`);
    }
    const { models, slotsMax, send, takeRing } = this.#options;
    const slotBytes = Math.ceil(parsed.data.slot_bytes / PAGE_BYTES) * PAGE_BYTES;
    const ring = takeRing();
    this.#ring = ring;
    const slots = Math.min(slotsMax, Math.floor(ring.bytes / slotBytes));
    if (slots < 1) {
      throw new TrtdError(
        "SHARED_MEMORY_UNAVAILABLE",
        `A slot of ${slotBytes} bytes does not fit into the producer's ring of ${ring.bytes}`,
        { remedy: "Raise the setting producer_ring_mb" },
      );
    }
    this.#slotBytes = slotBytes;
    this.#slots = slots;
    const { path, bytes } = ring;
    send({ type: "ring", protocol: PROTOCOL, path, bytes, slot_bytes: slotBytes, slots, models });
  }

  #detect(line: DetectLine, ring: Ring): void {
    let request: ServingRequest;
    try {
      request = this.#request(line, ring);
    } catch (thrown) {
      return this.#refuse(line, trtdErrorFrom(thrown));
    }
    this.#faults = 0;
    void this.#answer(line, request);
  }

  async #answer({ id, slot }: DetectLine, request: ServingRequest): Promise<void> {
    const { service, send } = this.#options;
    let answered = false;
    const onReleased = () => {
      if (!this.#lent.delete(slot)) return;
      if (answered) send({ type: "free", slot });
      if (this.#closed && this.#lent.size === 0) this.#idle.resolve();
    };
    this.#lent.add(slot);
    this.#due++;
    let message: Record<string, unknown>;
    try {
      const { result, queueMs } = await service.detect({ ...request, onReleased });
      const timings_ms = { queue: Math.round(1000 * queueMs) / 1000, ...result.timings_ms };
      message = { type: "result", ...result, timings_ms };
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      if (error.code !== "CLIENT_CLOSED") this.#options.onError?.(error);
      message = errorFields(error);
    }
    // A worker that has answered has read the picture; the manager says so right after.
    await Promise.resolve();
    answered = true;
    this.#due--;
    send({ ...message, id, slot, free: this.#isFree(slot) });
  }

  /** Answer a request that goes no further. @throws {TrtdError} `REQUEST_INVALID` after too many of them */
  #refuse({ id, slot }: DetectLine, error: TrtdError): void {
    this.#options.onError?.(error);
    this.#options.send({ ...errorFields(error), id, slot, free: this.#isFree(slot) });
    if (error.code !== "PARAMETER_INVALID") return;
    if (++this.#faults >= FAULTS_MAX) {
      throw new TrtdError("REQUEST_INVALID", `${FAULTS_MAX} requests in a row could not be answered at all`);
    }
  }

  #isFree(slot: number): boolean {
    return slot < this.#slots && !this.#lent.has(slot);
  }

  /** @throws {TrtdError} what can be told before a worker has the picture */
  #request(line: DetectLine, ring: Ring): ServingRequest {
    const { service, models, settings } = this.#options;
    const { id, slot, model = models[0]!, timeout_ms: timeoutMs } = line;
    const arrivedMs = performance.now();
    if (this.#draining) throw new TrtdError("SHUTTING_DOWN", "The server is stopping");
    if (slot >= this.#slots) {
      throw new TrtdError("PARAMETER_INVALID", `There are ${this.#slots} slots, and "slot" is ${slot}`, SEE_RING);
    }
    if (this.#lent.has(slot)) {
      throw new TrtdError("PARAMETER_INVALID", `The slot ${slot} is not the producer's now`, SEE_RING);
    }
    if (!models.includes(model)) {
      throw new TrtdError("MODEL_NOT_FOUND", `The model "${model.slice(0, 80)}" is not served here`, {
        remedy: 'The line of type "ring" lists the models that are served; start the server with --model to add one',
      });
    }
    const options = this.#wishes(line, model);
    service.admit(model);
    const place: SlotPlace = { ring, offset: slot * this.#slotBytes, slotBytes: this.#slotBytes };
    const picture: ServedPicture = checkedPicture(line, place, settings.max_pixels);
    return {
      model,
      picture,
      options,
      annotate: false,
      arrivedMs,
      signal: this.#gone.signal,
      requestId: `producer-${PLAIN_ID.test(String(id)) ? id : crypto.randomUUID()}`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
  }

  /** A request's wishes over the server's settings. @throws {TrtdError} `PARAMETER_INVALID` for a label that is none */
  #wishes(line: DetectLine, model: string): DetectOptions {
    const { settings, service } = this.#options;
    const score = line.score ?? settings.score;
    const iou = line.iou ?? settings.iou;
    const max = line.max ?? settings.max;
    const classes = line.classes ?? settings.classes;
    const labels = service.models.find(({ name }) => name === model)?.labels;
    const unknown = labels && line.classes?.find((label) => !labels.includes(label));
    if (unknown !== undefined) {
      throw new TrtdError("PARAMETER_INVALID", `"classes" names "${unknown.slice(0, 80)}", which is not a label`, {
        remedy: `GET /v1/models/${model} lists the labels`,
      });
    }
    return {
      ...(score === undefined ? {} : { score }),
      ...(iou === undefined ? {} : { iou }),
      ...(max === undefined ? {} : { max }),
      ...(classes === undefined ? {} : { classes }),
    };
  }
}

const SEE_RING = { remedy: "See docs/ring.md for who owns a slot when" };

const problemOf = (error: { readonly issues: readonly { path: PropertyKey[]; message: string }[] }): string =>
  error.issues.map(({ path, message }) => `${path.length === 0 ? "the line" : `"${path.join(".")}"`}: ${message}`)
    .join("; ").slice(0, 500);
