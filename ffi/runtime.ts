/** Runtime, engine, execution context. */

import { Blob } from "./blob.ts";
import type { TensorFacts } from "./builder.ts";
import { call, callLong, cText, outRecord, outText, outU64, outU64Long } from "./call.ts";
import type { DeviceMemory, Stream } from "./cuda.ts";
import { ContextFlag, RuntimeOption, Selector } from "./enums.ts";
import { Owned } from "./handle.ts";
import { allocate, decode, type Dims, encodeDims, type RecordOf } from "./records.ts";

/** `trtd_engine_info`. */
export type EngineFacts = RecordOf<"trtd_engine_info">;

/** Loads plans. */
export class Runtime extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  get maxThreads(): number {
    return this.#get(RuntimeOption.MAX_THREADS);
  }

  /** @throws {ShimError} `INVALID_ARGUMENT`, `REFUSED` */
  setMaxThreads(threads: number): void {
    this.#set(RuntimeOption.MAX_THREADS, threads);
  }

  get hostCodeAllowed(): boolean {
    return this.#get(RuntimeOption.HOST_CODE_ALLOWED) === 1;
  }

  /** Lets version-compatible plans run the code that they carry; for trusted plans only. */
  setHostCodeAllowed(allowed: boolean): void {
    this.#set(RuntimeOption.HOST_CODE_ALLOWED, allowed ? 1 : 0);
  }

  /** @throws {ShimError} `PLAN_REFUSED` */
  async load(plan: Uint8Array<ArrayBuffer>): Promise<Engine> {
    return new Engine(
      await outU64Long((out) =>
        callLong(
          [plan, out],
          (symbols, error) => symbols.trtd_engine_load(this.handle, plan, BigInt(plan.byteLength), out, error),
        )
      ),
    );
  }

  #get(option: RuntimeOption): number {
    return Number(
      outU64((out) => call((symbols, error) => symbols.trtd_runtime_get_option(this.handle, option, out, error))),
    );
  }

  #set(option: RuntimeOption, value: number): void {
    call((symbols, error) => symbols.trtd_runtime_set_option(this.handle, option, BigInt(value), error));
  }
}

/** A deserialized plan. */
export class Engine extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  facts(): EngineFacts {
    return outRecord(
      "trtd_engine_info",
      (out) => call((symbols, error) => symbols.trtd_engine_facts(this.handle, out, error)),
    );
  }

  /** Inputs and outputs in the order of the engine. */
  tensors(): TensorFacts[] {
    return Array.from(
      { length: this.facts().tensors },
      (_, index) =>
        outRecord(
          "trtd_tensor_info",
          (out) => call((symbols, error) => symbols.trtd_engine_tensor(this.handle, index, out, error)),
        ),
    );
  }

  /** Shape of an input at a corner of profile `profile`. */
  profileShape(input: string, profile: number, selector: Selector): Dims {
    const name = cText(input);
    return dimsFrom((out) =>
      call((symbols, error) => symbols.trtd_engine_profile_shape(this.handle, name, profile, selector, out, error))
    );
  }

  /** What the engine inspector tells of all layers. */
  describe(format: "lines" | "json" = "json"): string {
    return outText((symbols, text, capacity, length, error) =>
      symbols.trtd_engine_describe(this.handle, format === "json" ? 1 : 0, text, capacity, length, error)
    );
  }

  /**
   * An execution context.
   * @param options.runtimeCache TensorRT-RTX: keep compiled kernels, beginning with these (empty for none)
   * @param options.cudaGraph TensorRT-RTX: capture the whole graph
   * @param options.specialize TensorRT-RTX: compile the kernels of a new dynamic shape before its first run and not in
   * the background, for a pipeline or runner that captures a graph behind it
   */
  async createContext(
    options: { runtimeCache?: Uint8Array<ArrayBuffer>; cudaGraph?: boolean; specialize?: boolean } = {},
  ): Promise<ExecutionContext> {
    const cache = options.runtimeCache;
    const flags = (cache === undefined ? 0 : ContextFlag.RUNTIME_CACHE) |
      (options.cudaGraph === true ? ContextFlag.CUDA_GRAPH : 0) |
      (options.specialize === true ? ContextFlag.SPECIALIZE : 0);
    const bytes = cache === undefined || cache.byteLength === 0 ? null : cache;
    return new ExecutionContext(
      await outU64Long((out) =>
        callLong(
          bytes === null ? [out] : [bytes, out],
          (symbols, error) =>
            symbols.trtd_context_create(this.handle, flags, bytes, BigInt(bytes?.byteLength ?? 0), out, error),
        )
      ),
    );
  }
}

/** Runs an engine. */
export class ExecutionContext extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  /** The compiled kernels. @throws {ShimError} `UNSUPPORTED` when made without a runtime cache */
  saveRuntimeCache(): Blob {
    return new Blob(
      outU64((out) => call((symbols, error) => symbols.trtd_context_save_cache(this.handle, out, error))),
    );
  }

  /** @throws {ShimError} `EXECUTION_FAILED` outside the profile */
  setShape(input: string, shape: readonly number[]): void {
    const [name, dims] = [cText(input), encodeDims(shape)];
    call((symbols, error) => symbols.trtd_context_set_shape(this.handle, name, dims, error));
  }

  /** Shape of a tensor under the current input shapes. */
  shape(tensor: string): Dims {
    const name = cText(tensor);
    return dimsFrom((out) => call((symbols, error) => symbols.trtd_context_shape(this.handle, name, out, error)));
  }

  /** Upper bound of an output's size in bytes. */
  outputBytes(output: string): number {
    const name = cText(output);
    return Number(
      outU64((out) => call((symbols, error) => symbols.trtd_context_output_bytes(this.handle, name, out, error))),
    );
  }

  /** Where a tensor lives. */
  setAddress(tensor: string, memory: DeviceMemory, offset = 0): void {
    const name = cText(tensor);
    call((symbols, error) => symbols.trtd_context_set_address(this.handle, name, memory.handle, BigInt(offset), error));
  }

  /** Switches to optimization profile `index`. @throws {ShimError} `EXECUTION_FAILED` */
  setProfile(index: number, stream: Stream): void {
    call((symbols, error) => symbols.trtd_context_set_profile(this.handle, index, stream.handle, error));
  }

  /** Inputs whose shape is still missing. */
  missingShapes(): string[] {
    const lines = outText((symbols, text, capacity, length, error) =>
      symbols.trtd_context_missing_shapes(this.handle, text, capacity, length, error)
    );
    return lines === "" ? [] : lines.split("\n");
  }

  /** Puts one run into the stream. @throws {ShimError} `EXECUTION_FAILED` */
  enqueue(stream: Stream): void {
    call((symbols, error) => symbols.trtd_context_enqueue(this.handle, stream.handle, error));
  }
}

function dimsFrom(run: (out: Uint8Array<ArrayBuffer>) => void): Dims {
  const out = allocate("trtd_dims");
  run(out);
  const { count, size } = decode("trtd_dims", out);
  return count < 0 ? null : size.slice(0, count);
}
