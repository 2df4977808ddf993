/** Builder, network, config, optimization profile. */

import { Blob } from "./blob.ts";
import { call, callLong, cText, outI32, outRecord, outU64, outU64Long } from "./call.ts";
import { type Flag, Mode, type Option, type Pool, Selector } from "./enums.ts";
import { Owned } from "./handle.ts";
import { encodeDims, type RecordOf } from "./records.ts";

/** `trtd_builder_info`; -1 where the family cannot tell. */
export type BuilderFacts = RecordOf<"trtd_builder_info">;
/** `trtd_network_info`. */
export type NetworkFacts = RecordOf<"trtd_network_info">;
/** `trtd_tensor_info`. */
export type TensorFacts = RecordOf<"trtd_tensor_info">;
/** `trtd_parser_error`. */
export type ParserComplaint = RecordOf<"trtd_parser_error">;

/** Makes plans. */
export class Builder extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  facts(): BuilderFacts {
    return outRecord(
      "trtd_builder_info",
      (out) => call((symbols, error) => symbols.trtd_builder_facts(this.handle, out, error)),
    );
  }

  /** Threads that a build may use, 1 or more. */
  setThreads(threads: number): void {
    call((symbols, error) => symbols.trtd_builder_set_threads(this.handle, threads, error));
  }

  /** @param options.stronglyTyped take precisions from the model; always so on 11.x and TensorRT-RTX */
  createNetwork(options: { stronglyTyped?: boolean } = {}): Network {
    const strong = options.stronglyTyped === true ? 1 : 0;
    return new Network(
      outU64((out) => call((symbols, error) => symbols.trtd_network_create(this.handle, strong, out, error))),
    );
  }

  /** A fresh config: TF32 on, nothing else. */
  createConfig(): BuilderConfig {
    return new BuilderConfig(
      outU64((out) => call((symbols, error) => symbols.trtd_config_create(this.handle, out, error))),
    );
  }

  /** An empty optimization profile. */
  createProfile(): Profile {
    return new Profile(
      outU64((out) => call((symbols, error) => symbols.trtd_profile_create(this.handle, out, error))),
    );
  }

  /** Builds a plan; seconds to hours. @throws {ShimError} `BUILD_FAILED`, `CANCELLED` */
  async build(network: Network, config: BuilderConfig): Promise<Blob> {
    return new Blob(
      await outU64Long((out) =>
        callLong(
          [out],
          (symbols, error) => symbols.trtd_builder_build(this.handle, network.handle, config.handle, out, error),
        )
      ),
    );
  }
}

/** A network, filled from an ONNX file. */
export class Network extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  /**
   * Fills the network, once.
   * @param modelPath where external data is looked for
   * @throws {ShimError} `PARSE_FAILED`; {@link Network.complaints} has all that the parser said
   */
  async parse(onnx: Uint8Array<ArrayBuffer>, modelPath?: string): Promise<void> {
    const path = modelPath === undefined ? null : cText(modelPath);
    const buffers = path === null ? [onnx] : [onnx, path];
    await callLong(
      buffers,
      (symbols, error) => symbols.trtd_network_parse(this.handle, onnx, BigInt(onnx.byteLength), path, error),
    );
  }

  facts(): NetworkFacts {
    return outRecord(
      "trtd_network_info",
      (out) => call((symbols, error) => symbols.trtd_network_facts(this.handle, out, error)),
    );
  }

  /** All that the parser said of the last {@link Network.parse}. */
  complaints(): ParserComplaint[] {
    return Array.from(
      { length: this.facts().errors },
      (_, index) =>
        outRecord(
          "trtd_parser_error",
          (out) => call((symbols, error) => symbols.trtd_network_error(this.handle, index, out, error)),
        ),
    );
  }

  inputs(): TensorFacts[] {
    return this.#tensors(Mode.INPUT, this.facts().inputs);
  }

  outputs(): TensorFacts[] {
    return this.#tensors(Mode.OUTPUT, this.facts().outputs);
  }

  #tensors(mode: Mode, count: number): TensorFacts[] {
    return Array.from(
      { length: count },
      (_, index) =>
        outRecord(
          "trtd_tensor_info",
          (out) => call((symbols, error) => symbols.trtd_network_tensor(this.handle, mode, index, out, error)),
        ),
    );
  }
}

/** Shapes of an input at the three corners of a profile. */
export interface ProfileShapes {
  min: readonly number[];
  opt: readonly number[];
  max: readonly number[];
}

/** An optimization profile. */
export class Profile extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  /** @throws {ShimError} `INVALID_ARGUMENT`, `REFUSED` */
  setShapes(input: string, shapes: ProfileShapes): void {
    const name = cText(input);
    const corners = [[Selector.MIN, shapes.min], [Selector.OPT, shapes.opt], [Selector.MAX, shapes.max]] as const;
    for (const [selector, shape] of corners) {
      const dims = encodeDims(shape);
      call((symbols, error) => symbols.trtd_profile_set_shape(this.handle, name, selector, dims, error));
    }
  }
}

/** Settings of a build. */
export class BuilderConfig extends Owned {
  constructor(handle: bigint) {
    super(handle);
  }

  /** @throws {ShimError} `UNSUPPORTED` where this TensorRT has no such flag */
  setFlag(flag: Flag, on = true): void {
    call((symbols, error) => symbols.trtd_config_set_flag(this.handle, flag, on ? 1 : 0, error));
  }

  getFlag(flag: Flag): boolean {
    return outI32((out) => call((symbols, error) => symbols.trtd_config_get_flag(this.handle, flag, out, error))) === 1;
  }

  /** Limit of a memory pool in bytes. */
  setPool(pool: Pool, bytes: number): void {
    call((symbols, error) => symbols.trtd_config_set_pool(this.handle, pool, BigInt(bytes), error));
  }

  getPool(pool: Pool): number {
    return Number(
      outU64((out) => call((symbols, error) => symbols.trtd_config_get_pool(this.handle, pool, out, error))),
    );
  }

  /** @throws {ShimError} `UNSUPPORTED`, `INVALID_ARGUMENT`, `REFUSED` */
  setOption(option: Option, value: number): void {
    call((symbols, error) => symbols.trtd_config_set_option(this.handle, option, BigInt(value), error));
  }

  getOption(option: Option): number {
    const value = outU64((out) =>
      call((symbols, error) => symbols.trtd_config_get_option(this.handle, option, out, error))
    );
    return Number(BigInt.asIntN(64, value));
  }

  /** Compute capabilities to build for, such as 86; TensorRT-RTX only. @throws {ShimError} `UNSUPPORTED`, `REFUSED` */
  setTargets(targets: readonly number[]): void {
    const list = new Uint8Array(Int32Array.from(targets).buffer);
    call((symbols, error) => symbols.trtd_config_set_targets(this.handle, list, targets.length, error));
  }

  /** @returns the number of the profile */
  addProfile(profile: Profile): number {
    return outI32((out) =>
      call((symbols, error) => symbols.trtd_config_add_profile(this.handle, profile.handle, out, error))
    );
  }

  /** Uses the timing cache in `bytes`, an empty one without. */
  async loadTimingCache(
    bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0),
    options: { ignoreMismatch?: boolean } = {},
  ): Promise<void> {
    const ignore = options.ignoreMismatch === true ? 1 : 0;
    const cache = bytes.byteLength === 0 ? null : bytes;
    await callLong(
      [bytes],
      (symbols, error) =>
        symbols.trtd_config_load_timing_cache(this.handle, cache, BigInt(bytes.byteLength), ignore, error),
    );
  }

  /** The timing cache after a build. @throws {ShimError} `UNSUPPORTED` when there is none */
  saveTimingCache(): Blob {
    return new Blob(
      outU64((out) => call((symbols, error) => symbols.trtd_config_save_timing_cache(this.handle, out, error))),
    );
  }

  /** Sends progress to the ring and makes builds cancellable. @throws {ShimError} `UNSUPPORTED` below 9.3 */
  watchProgress(on = true): void {
    call((symbols, error) => symbols.trtd_config_watch_progress(this.handle, on ? 1 : 0, error));
  }

  /** Ends a running build at its next step. @throws {ShimError} `UNSUPPORTED` unless progress is watched */
  cancel(): void {
    call((symbols, error) => symbols.trtd_config_cancel(this.handle, error));
  }
}
