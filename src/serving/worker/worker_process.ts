/** The manager's side of one worker: a child process of this program behind a Unix socket and a ring. */
import { getLogger } from "@logtape/logtape";
import { TrtdError } from "../../errors.ts";
import { killGroup } from "../../kill_group.ts";
import type { Model } from "../../models/model.ts";
import type { GpuSample } from "../../native/gpu/gpu_sample.ts";
import { type ChannelFolder, makeChannelFolder } from "../channel/channel_folder.ts";
import { FrameReader, FrameWriter } from "../channel/frames.ts";
import {
  errorFromMessage,
  type PictureMessage,
  replyFrom,
  type ReplyMessage,
  type RequestMessage,
  type WorkerSettings,
} from "../channel/messages.ts";
import {
  type DetectionWorker,
  type LoadedModel,
  pictureBytes,
  type ServedPicture,
  type WorkerAnswer,
  type WorkerEnd,
  type WorkerRequest,
} from "../detection_worker.ts";
import { endCause, type KillReason } from "../policy/blame.ts";
import type { Region, Ring } from "../ring/ring.ts";
import type { RingPool } from "../ring/ring_pool.ts";
import { thisProgram, workerCommand } from "./worker_command.ts";

const log = getLogger(["trtd", "serving"]);

/** A socket that the child has not found by then is not going to be found. */
const CONNECT_TIMEOUT_MS = 30_000;
/**
 * glibc's allocator in a worker, mallopt(3), where the environment does not say otherwise.
 *
 * - Two arenas: by default its threads (forty in Deno 2.9.6) take eight for each core, and pictures of different sizes leave
 *   holes in all of them. A worker's memory was 340 to 480 MB instead of 145 to 265 (docs/serving.md, "A long run").
 * - A picture's buffers come out of them, up to the largest size that glibc allows, and what is free at their ends stays:
 *   else each picture of 720p asks the kernel for 300 pages again, which takes 0.7 ms on a virtual machine; for 60 MB more.
 */
const MALLOC = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: String(32 * 2 ** 20),
  MALLOC_TRIM_THRESHOLD_: String(64 * 2 ** 20),
};

export interface WorkerProcessOptions {
  readonly model: Model;
  readonly settings: WorkerSettings;
  /** Shared memory that pictures travel in: one ring is the worker's as long as it lives. */
  readonly rings: RingPool;
  /** More rings that pictures may lie in. @default none */
  readonly foreignRings?: readonly Ring[];
  /** More arguments for `trtd worker`, such as `--log-level`. @default none */
  readonly args?: readonly string[];
  /** Longest time that {@link WorkerProcess.close} waits before it kills. @default 2000 */
  readonly closeTimeoutMs?: number;
}

interface Pending {
  /** What is free when the answer is there; null for slots of others. */
  readonly region: Region | null;
  resolve(answer: WorkerAnswer): void;
  reject(error: unknown): void;
}

/**
 * One child process. It leads its own process group, so that Ctrl-C reaches the manager alone, and ends by itself when
 * the channel closes. Its ring goes back when its status is known: no slot that it may still read is used again before.
 */
export class WorkerProcess implements DetectionWorker {
  readonly ready: Promise<LoadedModel>;
  readonly ended: Promise<WorkerEnd>;
  readonly pid: number;
  rssBytes: number | null = null;
  gpus: readonly GpuSample[] = [];
  readonly #options: WorkerProcessOptions;
  readonly #ring: Ring;
  readonly #child: Deno.ChildProcess;
  readonly #folder: ChannelFolder;
  readonly #listener: Deno.UnixListener;
  readonly #pending = new Map<number, Pending>();
  readonly #pings = new Map<number, PromiseWithResolvers<void>>();
  readonly #loaded = Promise.withResolvers<LoadedModel>();
  #channel: Deno.UnixConn | undefined;
  #writer: FrameWriter | undefined;
  #answers = false;
  #nextId = 1;
  #killedFor: KillReason | null = null;
  #gone: TrtdError | undefined;

  /** Start the child; `ready` tells how that went. @throws {TrtdError} `SHARED_MEMORY_UNAVAILABLE` */
  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.#ring = options.rings.take();
    try {
      this.#folder = makeChannelFolder();
      this.#listener = Deno.listen({ transport: "unix", path: this.#folder.socket });
      const { path, args } = workerCommand(thisProgram(), [this.#folder.socket, ...(options.args ?? [])]);
      const env = Object.fromEntries(Object.entries(MALLOC).filter(([name]) => !Deno.env.has(name)));
      this.#child = new Deno.Command(path, {
        args,
        env,
        stdin: "null",
        stdout: "null",
        stderr: "inherit",
        detached: true,
      }).spawn();
    } catch (error) {
      options.rings.give(this.#ring);
      throw error;
    }
    this.pid = this.#child.pid;
    this.#loaded.promise.catch(() => {});
    this.ended = this.#child.status.then((status) => this.#whenEnded(status));
    this.ready = this.#start();
    this.ready.catch(() => {});
  }

  fits(picture: ServedPicture): boolean {
    return "ring" in picture.place || this.#ring.empty || this.#ring.fits(pictureBytes(picture));
  }

  detect({ picture, options, annotate, deadline, requestId }: WorkerRequest): Promise<WorkerAnswer> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    if (!this.#answers) return Promise.reject(new TrtdError("MODEL_NOT_READY", "The worker is starting"));
    let region: Region | null = null;
    if ("bytes" in picture.place) {
      region = this.#ring.put(picture.place.bytes);
      if (region === null) return Promise.reject(this.#tooLarge(picture.place.bytes.length));
    }
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
    this.#pending.set(id, { region, resolve, reject });
    this.#send({
      type: "detect",
      id,
      ...(requestId === undefined ? {} : { request_id: requestId }),
      picture: this.#message(picture, region),
      options,
      annotate,
      deadline,
    });
    return promise;
  }

  ping(): Promise<void> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    const id = this.#nextId++;
    const pong = Promise.withResolvers<void>();
    this.#pings.set(id, pong);
    this.#send({ type: "ping", id });
    return pong.promise;
  }

  kill(reason: KillReason): void {
    this.#killedFor ??= reason;
    if (this.#gone === undefined || this.#channel !== undefined) killGroup(this.pid);
  }

  async close(): Promise<void> {
    this.#killedFor ??= "replaced";
    this.#fail(new TrtdError("SHUTTING_DOWN", "The worker was told to end"));
    const timer = setTimeout(() => killGroup(this.pid), this.#options.closeTimeoutMs ?? 2000);
    const told = this.#writer?.write({ type: "close" }).catch(() => {});
    await Promise.race([told, this.ended]);
    this.#closeChannel();
    await this.ended;
    clearTimeout(timer);
  }

  async #start(): Promise<LoadedModel> {
    const timer = setTimeout(() => this.kill("start_timeout"), CONNECT_TIMEOUT_MS);
    try {
      const accepted = this.#listener.accept();
      accepted.catch(() => {});
      const channel = await Promise.race([accepted, this.ended.then(() => undefined)]);
      if (channel === undefined) throw this.#gone;
      this.#channel = channel;
    } finally {
      clearTimeout(timer);
      closeQuietly(this.#listener);
      this.#folder.remove();
    }
    this.#writer = new FrameWriter(this.#channel);
    void this.#read(new FrameReader(this.#channel));
    const { model, settings, foreignRings = [] } = this.#options;
    const rings = [this.#ring, ...foreignRings].map(({ path }) => path);
    this.#send({ type: "load", model, settings, rings });
    const loaded = await this.#loaded.promise;
    this.#answers = true;
    return loaded;
  }

  async #read(reader: FrameReader): Promise<void> {
    let broken = false;
    try {
      for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
        this.#take(replyFrom(frame.header), frame.payload);
      }
    } catch (error) {
      broken = !(error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BadResource);
      if (broken && this.#gone === undefined) {
        log.error("Worker {pid} broke the protocol: {error}", { pid: this.pid, error });
      }
    }
    if (this.#gone !== undefined) return;
    // A dying process closes its channel first: its status tells the cause, unless it goes on living.
    const timer = setTimeout(() => this.kill("protocol"), broken ? 0 : 1000);
    await this.ended;
    clearTimeout(timer);
  }

  #take(reply: ReplyMessage, payload: Uint8Array<ArrayBuffer>): void {
    if (reply.type === "loaded") return this.#loaded.resolve(reply.model);
    if (reply.type === "failed") return this.#loaded.reject(errorFromMessage(reply.error));
    if (reply.type === "pong") {
      this.rssBytes = reply.rss;
      this.gpus = reply.gpus;
      this.#pings.get(reply.id)?.resolve();
      this.#pings.delete(reply.id);
      return;
    }
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return;
    this.#pending.delete(reply.id);
    if (pending.region !== null) this.#ring.give(pending.region);
    if (reply.type === "error") return pending.reject(errorFromMessage(reply.error));
    const annotated = payload.length === 0 ? null : payload;
    pending.resolve({ result: reply.result, annotated, batch: reply.batch });
  }

  #message(picture: ServedPicture, own: Region | null): PictureMessage {
    const { place } = picture;
    const { offset, length } = "ring" in place ? place.region : own!;
    const ring = "ring" in place ? place.ring.path : this.#ring.path;
    if (picture.kind === "file") return { kind: "file", ring, offset, length };
    const { width, height, stride } = picture;
    return { kind: "rgb", ring, offset, length, width, height, stride };
  }

  #send(message: RequestMessage): void {
    this.#writer?.write(message).catch(() => {});
  }

  #tooLarge(bytes: number): TrtdError {
    return new TrtdError("BODY_TOO_LARGE", `The picture has ${bytes} bytes and the ring ${this.#ring.bytes}`, {
      remedy: "Send a smaller picture, or raise the setting ring_mb",
    });
  }

  #whenEnded({ signal, code }: Deno.CommandStatus): WorkerEnd {
    const how = signal === null ? `exit status ${code}` : signal;
    this.#fail(new TrtdError("WORKER_DIED", `The worker process ended with ${how}`));
    closeQuietly(this.#listener);
    this.#closeChannel();
    this.#folder.remove();
    this.#options.rings.give(this.#ring);
    return { cause: endCause(signal, this.#killedFor), how };
  }

  #fail(error: TrtdError): void {
    this.#gone ??= error;
    this.#loaded.reject(this.#gone);
    for (const pending of this.#pending.values()) pending.reject(this.#gone);
    this.#pending.clear();
    for (const pong of this.#pings.values()) {
      pong.promise.catch(() => {});
      pong.reject(this.#gone);
    }
    this.#pings.clear();
  }

  #closeChannel(): void {
    closeQuietly(this.#listener);
    if (this.#channel !== undefined) closeQuietly(this.#channel);
    this.#channel = undefined;
  }
}

function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
