/**
 * Another program that does the same work, kept running so that rounds take turns. It speaks lines of JSON: it begins with
 * `{"ready": true, ...}`, answers `{"op": "boxes"}` with `{"boxes": [{"class_id", "score", "box": {"x1", ...}}]}` and
 * `{"op": "round", "window_ms"}` with `{"jpeg_ms": [milliseconds of each picture]}`, and ends at the end of its input.
 * `{"error": "..."}` is a failure. scripts/bench/gpu_baseline.py is one.
 */
import { TrtdError } from "../../errors.ts";
import type { FoundBox } from "./subject.ts";

export interface Rival extends AsyncDisposable {
  /** What it says of itself, without `ready`. */
  readonly about: Readonly<Record<string, unknown>>;
  /** @throws {TrtdError} `INTERNAL` */
  boxes(): Promise<readonly FoundBox[]>;
  /** Milliseconds from a JPEG file in memory to boxes, of each picture of a window. @throws {TrtdError} `INTERNAL` */
  round(windowMs: number): Promise<readonly number[]>;
}

export interface RivalOptions {
  /** Longest time until it is ready. @default 180000 */
  readonly readyMs?: number;
  /** Longest time of an answer beyond its window. @default 60000 */
  readonly answerMs?: number;
}

type Answer = Readonly<Record<string, unknown>>;

/** @param command program and arguments. @throws {TrtdError} `FILE_NOT_FOUND`; `INTERNAL` with what it said when it does not become ready */
export async function startRival(command: readonly string[], options: RivalOptions = {}): Promise<Rival> {
  const { readyMs = 180_000, answerMs = 60_000 } = options;
  const [path = "", ...args] = command;
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(path, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  } catch (error) {
    throw new TrtdError("FILE_NOT_FOUND", `Cannot start "${path}": ${(error as Error).message}`, { cause: error });
  }
  const process = new RivalProcess(child, path);
  try {
    const { ready: _, ...about } = await process.answer(readyMs);
    return {
      about,
      boxes: async () => boxesFrom(await process.ask({ op: "boxes" }, answerMs), path),
      round: async (windowMs) =>
        timesFrom(await process.ask({ op: "round", window_ms: windowMs }, answerMs + windowMs), path),
      [Symbol.asyncDispose]: () => process.end(),
    };
  } catch (error) {
    await process.end(0);
    throw error;
  }
}

class RivalProcess {
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  #said = "";
  #text = "";

  constructor(child: Deno.ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    this.#input = child.stdin.getWriter();
    this.#lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#reading = this.#listen();
  }

  async ask(request: Answer, limitMs: number): Promise<Answer> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`)).catch(() => {});
    return await this.answer(limitMs);
  }

  /** The next line. */
  async answer(limitMs: number): Promise<Answer> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), limitMs));
    const line = await Promise.race([this.#line(), late]).finally(() => clearTimeout(timer));
    if (line === null) throw this.#failure(`did not answer in ${limitMs / 1000} s`);
    let answer: Answer;
    try {
      answer = JSON.parse(line);
    } catch {
      throw this.#failure(`said ${JSON.stringify(line.slice(0, 200))} in place of a line of JSON`);
    }
    if (answer["error"] !== undefined) throw this.#failure(`failed: ${answer["error"]}`);
    return answer;
  }

  /** @param graceMs time to end by itself */
  async end(graceMs = 5000): Promise<void> {
    await this.#input.close().catch(() => {});
    const timer = setTimeout(() => this.#kill(), graceMs);
    await this.#child.status;
    clearTimeout(timer);
    await this.#lines.cancel().catch(() => {});
    await this.#reading;
  }

  #kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It ended a moment ago.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const at = this.#text.indexOf("\n");
      if (at >= 0) {
        const line = this.#text.slice(0, at);
        this.#text = this.#text.slice(at + 1);
        return line;
      }
      const { value, done } = await this.#lines.read();
      if (done) {
        await this.#reading;
        throw this.#failure("ended");
      }
      this.#text += value;
    }
  }

  async #listen(): Promise<void> {
    for await (const part of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#said = (this.#said + part).slice(-2000);
    }
  }

  #failure(what: string): TrtdError {
    const said = this.#said.trim();
    return new TrtdError("INTERNAL", `"${this.#name}" ${what}${said === "" ? "" : `: ${said}`}`);
  }
}

function boxesFrom({ boxes }: Answer, name: string): readonly FoundBox[] {
  if (!Array.isArray(boxes)) throw new TrtdError("INTERNAL", `"${name}" answered without "boxes"`);
  return boxes as readonly FoundBox[];
}

function timesFrom({ jpeg_ms: times }: Answer, name: string): readonly number[] {
  if (Array.isArray(times) && times.length > 0 && times.every((ms) => Number.isFinite(ms))) return times;
  throw new TrtdError("INTERNAL", `"${name}" answered without "jpeg_ms"`);
}
