/** How `trtd serve` is started: from the source or from a compiled file; everything else is the same. */
import { thisProgram } from "../../src/serving/worker/worker_command.ts";
import { isAlive } from "../http/serve_process.ts";

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Soft and hard limit of open descriptors. */
  readonly openFiles?: number;
}

/** Starts trtd with the given arguments, both outputs piped; the process id is trtd's own. */
export type Program = (args: readonly string[], options: SpawnOptions) => Deno.ChildProcess;

/** `deno run` of this repository. */
export const fromSource: Program = (args, { env = {}, openFiles }) => {
  const { execPath, mainUrl } = thisProgram();
  const words = [execPath, "run", "--quiet", "--no-prompt", "--allow-all", mainUrl, ...args];
  const limited = openFiles === undefined ? words : ["sh", "-c", `ulimit -n ${openFiles} && exec "$@"`, "sh", ...words];
  return new Deno.Command(limited[0]!, {
    args: limited.slice(1),
    env: { ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
};

export interface StartOptions extends SpawnOptions {
  readonly flags?: readonly string[];
  /** Whether somebody reads what it prints after its first line. @default true */
  readonly isRead?: boolean;
}

/** How long it may take until a server answers on a busy machine. */
const READY_MS = 60_000;

/** A running server. */
export class ChaosServer implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly enforcesTimeouts: boolean;
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>[];
  #errors: () => string;

  private constructor(
    child: Deno.ChildProcess,
    said: { host: string; port: number; enforces_timeouts: boolean },
    reading: Promise<void>[],
    errors: () => string,
  ) {
    this.#child = child;
    this.host = said.host;
    this.port = said.port;
    this.enforcesTimeouts = said.enforces_timeouts;
    this.#reading = reading;
    this.#errors = errors;
  }

  /** Start it and wait for its first line. */
  static async start(program: Program, { flags = [], isRead = true, ...options }: StartOptions): Promise<ChaosServer> {
    const child = program(["serve", "--json", "--port", "0", "--log-level", "warning", ...flags], options);
    let errors = "";
    const reading: Promise<void>[] = [];
    const readErrors = () =>
      child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
        new WritableStream({ write: (text) => void (errors = (errors + text).slice(-100_000)) }),
      );
    if (isRead) reading.push(readErrors());
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n")) {
      const { value, done } = await lines.read();
      if (done) throw new Error(`serve ended with ${(await child.status).code}: ${errors}`);
      text += value;
    }
    const rest = async () => {
      while (!(await lines.read()).done);
    };
    if (isRead) reading.push(rest());
    else {
      reading.push(child.status.then(async () => {
        await lines.cancel();
        await child.stderr.cancel();
      }));
    }
    return new ChaosServer(child, JSON.parse(text), reading, () => errors);
  }

  get pid(): number {
    return this.#child.pid;
  }

  get status(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** What it said on standard error, the last of it. */
  get errors(): string {
    return this.#errors();
  }

  url(path: string): string {
    return `http://${this.host}:${this.port}${path}`;
  }

  /** Status and body of a GET. */
  async get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const response = await fetch(this.url(path), { signal: AbortSignal.timeout(10_000) });
    return { status: response.status, body: await response.json() };
  }

  /** Poll `/health/ready` until it is 200. @returns milliseconds that took */
  async ready(timeoutMs = READY_MS): Promise<number> {
    return await this.until("ready", async () => (await this.get("/health/ready")).status === 200, timeoutMs);
  }

  /** Wait for something. @returns milliseconds that took @throws {Error} after `timeoutMs` */
  async until(what: string, holds: () => boolean | Promise<boolean>, timeoutMs = READY_MS): Promise<number> {
    const began = performance.now();
    while (!await holds()) {
      if (performance.now() - began > timeoutMs) {
        throw new Error(`Not ${what} after ${Math.round(timeoutMs)} ms: ${this.errors}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return performance.now() - began;
  }

  /** Process ids of its workers. */
  get workers(): number[] {
    return childrenOf(this.pid);
  }

  /** The one worker, once it is there. */
  async worker(): Promise<number> {
    await this.until("with a worker", () => this.workers.length > 0);
    return this.workers[0]!;
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** End it with SIGTERM. @returns its exit status */
  async stop(): Promise<number> {
    this.kill("SIGTERM");
    return (await this.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const workers = isAlive(this.pid) ? this.workers : [];
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    for (const pid of workers) killQuietly(pid);
    await this.status;
    await Promise.all(this.#reading);
  }
}

/** Child processes of a process that is there, zombies left out. */
export function childrenOf(pid: number): number[] {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
    return text.split(" ").filter(Boolean).map(Number).filter(isAlive);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Resident memory of a process, kB (proc(5)). */
export function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]);
}

/** A signal to a process that may be gone. @param signal @default SIGKILL */
export function killQuietly(pid: number, signal: Deno.Signal = "SIGKILL"): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof TypeError)) throw error;
  }
}

/** Names below /dev/shm, the temporary folder and /tmp that belong to the process. */
export function tracesOf(pid: number, temporary = Deno.env.get("TMPDIR") ?? "/tmp"): string[] {
  const mine = new RegExp(`^trtd-[a-z]+-${pid}\\.`);
  return [...new Set(["/dev/shm", temporary, "/tmp"])].flatMap((folder) =>
    [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => mine.test(name))
      .map((name) => `${folder}/${name}`)
  );
}
