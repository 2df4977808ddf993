/** The manager's side of one worker: a child process of this program behind a Unix socket. */
import { getLogger } from "@logtape/logtape";
import { TrtdError } from "../errors.ts";
import type { Model } from "../models/model.ts";
import { type ChannelFolder, makeChannelFolder } from "./channel_folder.ts";
import type { DetectionWorker, LoadedModel, WorkerAnswer, WorkerRequest } from "./detection_worker.ts";
import { FrameReader, FrameWriter } from "./frames.ts";
import { errorFromMessage, type ReplyMessage, replySchema, type WorkerSettings } from "./messages.ts";
import { warmUpPicture } from "./warm_up_picture.ts";
import { thisProgram, workerCommand } from "./worker_command.ts";

const log = getLogger(["trtd", "serving"]);

export interface WorkerProcessOptions {
  readonly models: readonly Model[];
  readonly settings: WorkerSettings;
  /** More arguments for `trtd worker`, such as `--log-level`. @default none */
  readonly args?: readonly string[];
  /** Longest time from the start of the process until it has connected. @default 30000 */
  readonly connectTimeoutMs?: number;
  /** Longest time that {@link WorkerProcess.close} waits before it kills. @default 2000 */
  readonly closeTimeoutMs?: number;
}

interface Pending {
  resolve(answer: WorkerAnswer): void;
  reject(error: unknown): void;
}

/**
 * One child process. It leads its own process group, so that Ctrl-C reaches the manager alone, and ends by itself when
 * the channel closes.
 */
export class WorkerProcess implements DetectionWorker {
  readonly ready: Promise<readonly LoadedModel[]>;
  readonly ended: Promise<string>;
  readonly pid: number;
  readonly #options: WorkerProcessOptions;
  readonly #child: Deno.ChildProcess;
  readonly #folder: ChannelFolder;
  readonly #listener: Deno.UnixListener;
  readonly #pending = new Map<number, Pending>();
  readonly #loaded = Promise.withResolvers<readonly LoadedModel[]>();
  #channel: Deno.UnixConn | undefined;
  #writer: FrameWriter | undefined;
  #nextId = 1;
  #gone: TrtdError | undefined;

  /** Start the child; `ready` tells how that went. */
  constructor(options: WorkerProcessOptions) {
    this.#options = options;
    this.#folder = makeChannelFolder();
    this.#listener = Deno.listen({ transport: "unix", path: this.#folder.socket });
    const { path, args } = workerCommand(thisProgram(), [this.#folder.socket, ...(options.args ?? [])]);
    this.#child = new Deno.Command(path, { args, stdin: "null", stdout: "null", stderr: "inherit", detached: true })
      .spawn();
    this.pid = this.#child.pid;
    this.#loaded.promise.catch(() => {});
    this.ended = this.#child.status.then((status) => this.#whenEnded(status));
    this.ready = this.#start();
    this.ready.catch(() => {});
  }

  detect(request: WorkerRequest): Promise<WorkerAnswer> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    if (this.#writer === undefined) return Promise.reject(new TrtdError("MODEL_NOT_READY", "The worker is starting"));
    const id = this.#nextId++;
    const { bytes, ...rest } = request;
    const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
    this.#pending.set(id, { resolve, reject });
    this.#writer.write({ type: "detect", id, ...rest }, bytes).catch(() => {});
    return promise;
  }

  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async close(): Promise<void> {
    this.#fail(new TrtdError("SHUTTING_DOWN", "The worker was told to end"));
    this.#closeChannel();
    const timer = setTimeout(() => this.kill(), this.#options.closeTimeoutMs ?? 2000);
    await this.ended;
    clearTimeout(timer);
  }

  async #start(): Promise<readonly LoadedModel[]> {
    const timer = setTimeout(() => this.kill(), this.#options.connectTimeoutMs ?? 30_000);
    try {
      const accepted = this.#listener.accept();
      accepted.catch(() => {});
      const channel = await Promise.race([accepted, this.ended.then(() => undefined)]);
      if (channel === undefined) throw this.#gone;
      this.#channel = channel;
    } finally {
      clearTimeout(timer);
      this.#closeListener();
      this.#folder.remove();
    }
    const writer = new FrameWriter(this.#channel);
    void this.#read(new FrameReader(this.#channel));
    await writer.write({ type: "load", models: this.#options.models, settings: this.#options.settings }).catch(
      () => {},
    );
    const models = await this.#loaded.promise;
    this.#writer = writer;
    const bytes = warmUpPicture();
    for (const { name } of models) {
      await this.detect({ model: name, bytes, options: {}, annotate: false, deadline: Number.MAX_SAFE_INTEGER });
    }
    return models;
  }

  async #read(reader: FrameReader): Promise<void> {
    try {
      for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
        this.#take(replySchema.parse(frame.header), frame.payload);
      }
    } catch (error) {
      if (this.#gone === undefined) log.error("Worker {pid} broke the protocol: {error}", { pid: this.pid, error });
    }
    if (this.#gone === undefined) this.kill();
  }

  #take(reply: ReplyMessage, payload: Uint8Array<ArrayBuffer>): void {
    if (reply.type === "loaded") return this.#loaded.resolve(reply.models);
    if (reply.type === "failed") return this.#loaded.reject(errorFromMessage(reply.error));
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.type === "error") pending?.reject(errorFromMessage(reply.error));
    else pending?.resolve({ result: reply.result, annotated: payload.length === 0 ? null : payload });
  }

  #whenEnded(status: Deno.CommandStatus): string {
    const how = status.signal === null ? `exit status ${status.code}` : status.signal;
    this.#fail(new TrtdError("WORKER_DIED", `The worker process ended with ${how}`));
    this.#closeListener();
    this.#closeChannel();
    this.#folder.remove();
    return how;
  }

  #fail(error: TrtdError): void {
    this.#gone ??= error;
    this.#loaded.reject(this.#gone);
    for (const pending of this.#pending.values()) pending.reject(this.#gone);
    this.#pending.clear();
  }

  #closeListener(): void {
    closeQuietly(this.#listener);
  }

  #closeChannel(): void {
    this.#closeListener();
    if (this.#channel !== undefined) closeQuietly(this.#channel);
  }
}

function closeQuietly(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
