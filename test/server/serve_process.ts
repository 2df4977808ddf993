/** A running `trtd serve`: started, waited for, looked into and ended in one way, whatever program it is. */
import { PATIENCE_MS, until } from "../until.ts";
import { childrenOf, isAlive, killQuietly, tracesOf } from "./process.ts";
import { fromSource, type Program, type SpawnOptions } from "./program.ts";

export interface ServeOptions extends SpawnOptions {
  /** @default {@link fromSource} */
  readonly program?: Program;
  /** Whether somebody reads what it prints after its first line. @default true */
  readonly isRead?: boolean;
}

/** A slow machine is no overload: requests are refused for their expected wait where a test wants that. */
const FLAGS = ["serve", "--json", "--port", "0", "--log-level", "warning", "--queue-wait-ms", "3600000"];

/** What it says in its first line. */
interface FirstLine {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly models: readonly string[];
  readonly enforces_timeouts: boolean;
}

/** Last characters of standard error that are kept. */
const KEPT = 2_000_000;

/** The process ended before it listened. */
export class ServeFailed extends Error {
  constructor(readonly status: number, readonly stderr: string) {
    super(`trtd serve ended with ${status}: ${stderr}`);
  }
}

export class ServeProcess implements AsyncDisposable {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly models: readonly string[];
  readonly enforcesTimeouts: boolean;
  readonly #child: Deno.ChildProcess;
  readonly #output: Output;

  private constructor(child: Deno.ChildProcess, output: Output, said: FirstLine) {
    this.#child = child;
    this.#output = output;
    this.url = said.url;
    this.host = said.host;
    this.port = said.port;
    this.models = said.models;
    this.enforcesTimeouts = said.enforces_timeouts;
  }

  /**
   * Start it on a free port and wait for its first line.
   * @param flags after {@link FLAGS}: the later of two counts
   * @throws {ServeFailed} when it ends before
   */
  static async start(flags: readonly string[], options: ServeOptions = {}): Promise<ServeProcess> {
    const { program = fromSource, isRead = true, ...others } = options;
    const child = program([...FLAGS, ...flags], others);
    const output = new Output(child, isRead);
    const timer = setTimeout(() => end(child), PATIENCE_MS);
    try {
      const line = await output.firstLine;
      if (line === null) {
        const { code } = await child.status;
        await output.ended;
        throw new ServeFailed(code, output.errors);
      }
      return new ServeProcess(child, output, JSON.parse(line));
    } catch (error) {
      end(child);
      await child.status;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** How it ended, once it has. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** What it has said on standard error so far; what it says of an event may come after the event: {@link says}. */
  get stderr(): string {
    return this.#output.errors;
  }

  /** All that it said on standard error, once it has ended. */
  async allStderr(): Promise<string> {
    await this.status;
    await this.#output.ended;
    return this.stderr;
  }

  /** Wait until standard error has such text. @throws {Error} when it does not come */
  async says(pattern: RegExp): Promise<void> {
    await this.until(`told ${pattern}`, () => pattern.test(this.stderr));
  }

  /** Wait for something. @returns milliseconds that took @throws {Error} with what it said, after `timeoutMs` */
  until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = PATIENCE_MS): Promise<number> {
    return until(what, holds, { timeoutMs, tells: () => this.stderr });
  }

  /** Status and body of a GET. */
  async get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return { status: response.status, body: await response.json() };
  }

  /** Poll `/health/ready` until it is 200. @returns milliseconds that took */
  async ready(): Promise<number> {
    return await this.until("ready", async () => (await this.get("/health/ready")).status === 200);
  }

  /** Process ids of its workers. */
  get workers(): number[] {
    return childrenOf(this.pid);
  }

  /** The one worker, once it is there. @param other than this one */
  async worker(other?: number): Promise<number> {
    await this.until("with a worker", () => this.workers.some((pid) => pid !== other));
    return this.workers.find((pid) => pid !== other) ?? await this.worker(other);
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** End it with SIGTERM. @returns its exit status, 137 when it did not end in time */
  async stop(): Promise<number> {
    const timer = setTimeout(() => end(this.#child), PATIENCE_MS);
    end(this.#child, "SIGTERM");
    const { code } = await this.status;
    clearTimeout(timer);
    return code;
  }

  /** End it at once with all that it started; nothing of it stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    const workers = this.workers;
    end(this.#child);
    for (const pid of workers) killQuietly(pid);
    await this.status;
    await this.#output.ended;
    await until("rid of its workers", () => !workers.some(isAlive));
    for (const path of tracesOf(this.pid)) await Deno.remove(path, { recursive: true }).catch(() => {});
  }
}

/** Both outputs of the process: the first line of one, all of the other. */
class Output {
  errors = "";
  /** Null when there is none. */
  readonly firstLine: Promise<string | null>;
  /** Nothing more will come. */
  readonly ended: Promise<unknown>;

  constructor(child: Deno.ChildProcess, isRead: boolean) {
    const first = Promise.withResolvers<string | null>();
    this.firstLine = first.promise;
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const reading = (async () => {
      let text = "";
      for (let piece = await lines.read(); !piece.done; piece = await lines.read()) {
        if (!text.includes("\n")) text += piece.value;
        if (text.includes("\n")) first.resolve(text.slice(0, text.indexOf("\n")));
        if (!isRead && text.includes("\n")) return;
      }
      first.resolve(null);
    })();
    this.ended = isRead ? Promise.all([reading, this.#readErrors(child)]) : child.status.then(async () => {
      await lines.cancel();
      await child.stderr.cancel();
    });
  }

  async #readErrors(child: Deno.ChildProcess): Promise<void> {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      this.errors = (this.errors + text).slice(-KEPT);
    }
  }
}

/** A signal to a child that may have ended. @param signal @default SIGKILL */
function end(child: Deno.ChildProcess, signal: Deno.Signal = "SIGKILL"): void {
  try {
    child.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
  }
}
