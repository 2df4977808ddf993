/** The Python process that judges rewritten models, see check/check.py. */

import { join } from "node:path";

/** One rewritten model. */
export interface Question {
  /** Paths of the exporter's model and of what the passes made of it. */
  readonly original: string;
  readonly result: string;
  readonly batches: readonly number[];
  /** Sizes for free axes by their names. */
  readonly axes: Readonly<Record<string, number>>;
  readonly compare: "identical" | "half";
  /** Compare rows in any order: places behind TopK change with the last digit. */
  readonly rows: boolean;
  /** The original takes one picture: it is run on each one by itself. */
  readonly one_by_one: boolean;
  readonly expect: Expectations;
}

/** What the rewritten graph must be like besides its outputs. */
export interface Expectations {
  /** No INT64 constant is beyond INT32. */
  readonly within_int32?: boolean;
  /** No Shape node is left in the main graph. */
  readonly no_shape?: boolean;
  /** Nothing is left that no output depends on. */
  readonly no_dead?: boolean;
  /** Whether EfficientNMS_TRT is there. */
  readonly nms?: boolean;
  /** EfficientNMS_TRT and the graph's outputs are as before. */
  readonly same_nms?: boolean;
  /** Convolutions compute in f16, and no value is cast twice to the same type. */
  readonly half?: boolean;
  /** Batch of inputs and outputs as declared; null is dynamic. */
  readonly batch?: number | null;
}

export interface Verdict {
  readonly problems: readonly string[];
  readonly measured: {
    readonly worst?: number;
    readonly rows_found?: number;
    readonly nodes?: number;
  };
}

const ANSWER_MS = 60_000;

/** One process for all questions of a run; they are answered in order. */
export class Checker implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #errors: Promise<string>;
  #pending = "";

  constructor(python: string) {
    this.#child = new Deno.Command(python, {
      args: [join(import.meta.dirname!, "check", "check.py")],
      env: { PYTHONDONTWRITEBYTECODE: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** @throws {Error} when the process died or did not answer within a minute */
  async ask(question: Question): Promise<Verdict> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), ANSWER_MS);
    try {
      await this.#writer.write(new TextEncoder().encode(JSON.stringify(question) + "\n"));
      while (!this.#pending.includes("\n")) {
        const { value, done } = await this.#lines.read();
        if (done) throw new Error(`The checker died at "${question.result}": ${(await this.#errors).slice(-2000)}`);
        this.#pending += value;
      }
    } finally {
      clearTimeout(timer);
    }
    const end = this.#pending.indexOf("\n");
    const line = this.#pending.slice(0, end);
    this.#pending = this.#pending.slice(end + 1);
    return JSON.parse(line) as Verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    await this.#lines.cancel().catch(() => {});
    await this.#errors;
    await this.#child.status;
  }
}
