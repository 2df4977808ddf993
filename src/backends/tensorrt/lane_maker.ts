/** Execution contexts with what runs them, as many as the GPU has room for. */
import { getLogger } from "@logtape/logtape";
import type { ExecutionContext } from "../../../ffi/runtime.ts";
import { rtxContext } from "./contexts.ts";
import { isOutOfMemory } from "./gpu_failure.ts";
import { drainNativeLog } from "./native_log.ts";
import type { LoadedEngine, TensorRtOptions } from "./open_tensorrt.ts";

const log = getLogger(["trtd", "tensorrt"]);

/** Runs that may be under way at once, unless somebody says. */
export const CONTEXTS = 2;

export interface LaneParts {
  /** Frees what was made. */
  readonly stack: DisposableStack;
  /** Turns errors of libtrtd into failures. */
  readonly failure: (thrown: unknown) => Error;
}

export class LaneMaker {
  readonly #loaded: LoadedEngine;
  readonly #options: TensorRtOptions;
  readonly #parts: LaneParts;
  #firstTaken = false;
  /** Kernels of the first context, for the others. */
  #compiled: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  constructor(loaded: LoadedEngine, options: TensorRtOptions, parts: LaneParts) {
    this.#loaded = loaded;
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * One worker for each context that was asked for; where memory is too little for all, those that fit, at least one.
   * @param make the worker of a context, which has run once
   * @param wanted contexts; by default those of the options
   * @throws {TrtdError} the failure of the first, or one that is not about memory
   */
  async make<T extends Disposable>(
    make: (context: ExecutionContext) => Promise<T>,
    wanted = this.#options.contexts ?? CONTEXTS,
  ): Promise<T[]> {
    const workers: T[] = [];
    while (workers.length < wanted) {
      try {
        workers.push(await this.#one(make));
      } catch (error) {
        const failure = this.#parts.failure(error);
        if (workers.length === 0 || !isOutOfMemory(failure)) throw failure;
        log.warning("The GPU has memory for {lanes} of {wanted} execution contexts", { lanes: workers.length, wanted });
        break;
      }
    }
    drainNativeLog();
    return workers;
  }

  async #one<T extends Disposable>(make: (context: ExecutionContext) => Promise<T>): Promise<T> {
    using stack = new DisposableStack();
    const isFirst = !this.#firstTaken;
    this.#firstTaken = true;
    const context = isFirst ? this.#loaded.context : stack.use(await this.#nextContext());
    const worker = stack.use(await make(context));
    this.#parts.stack.use(stack.move());
    if (isFirst) await this.#keepKernels(context);
    return worker;
  }

  async #nextContext(): Promise<ExecutionContext> {
    const { engine, rtx } = this.#loaded;
    return await (rtx ? rtxContext(engine, this.#compiled) : engine.createContext());
  }

  /** What was compiled for the first context serves the others, and the next start. */
  async #keepKernels(context: ExecutionContext): Promise<void> {
    if (!this.#loaded.rtx) return;
    try {
      using blob = context.saveRuntimeCache();
      this.#compiled = blob.read();
      await this.#options.kernels?.keep(this.#compiled);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warning("Compiled kernels are not kept: {reason}", { reason });
    }
  }
}
