/** A TensorRT library with its parser and plugins. */

import { Builder } from "./builder.ts";
import { call, callLong, cText, outI32, outRecord, outText, outU64Long } from "./call.ts";
import type { Device } from "./cuda.ts";
import { CreateFlag, OpenFlag, Part } from "./enums.ts";
import { Owned } from "./handle.ts";
import type { RecordOf } from "./records.ts";
import { Runtime } from "./runtime.ts";

/** `trtd_library_info`. */
export type LibraryFacts = RecordOf<"trtd_library_info">;

/** Options of builders and runtimes. */
export interface CreateOptions {
  /** Where to run; without one the library picks, and TensorRT-RTX needs none. */
  device?: Device;
  /** Do not ask the CUDA driver first. @default false */
  unchecked?: boolean;
}

/** libnvinfer, libnvinfer_lean, libnvinfer_dispatch or libtensorrt_rtx. It stays loaded after `close()`. */
export class TensorRtLibrary extends Owned {
  private constructor(handle: bigint) {
    super(handle);
  }

  /**
   * Opens a core library by path or name.
   * @param options.force take the nearest row of the slot table for a version that is newer than it
   * @throws {ShimError} `LIBRARY_NOT_LOADED`, `SYMBOL_MISSING`, `VERSION_UNKNOWN`
   */
  static async open(path: string, options: { force?: boolean } = {}): Promise<TensorRtLibrary> {
    const name = cText(path);
    const flags = options.force === true ? OpenFlag.FORCE : 0;
    const handle = await outU64Long((out) =>
      callLong([name, out], (symbols, error) => symbols.trtd_library_open(name, flags, out, error))
    );
    return new TensorRtLibrary(handle);
  }

  /** @throws {ShimError} `LIBRARY_MISMATCH` and those of {@link TensorRtLibrary.open} */
  async openParser(path: string): Promise<void> {
    const name = cText(path);
    await callLong([name], (symbols, error) => symbols.trtd_library_open_parser(this.handle, name, error));
  }

  /** Opens the plugin library and registers its plugins. @throws {ShimError} `UNSUPPORTED` for TensorRT-RTX */
  async openPlugins(path: string): Promise<void> {
    const name = cText(path);
    await callLong([name], (symbols, error) => symbols.trtd_library_open_plugins(this.handle, name, error));
  }

  facts(): LibraryFacts {
    return outRecord(
      "trtd_library_info",
      (out) => call((symbols, error) => symbols.trtd_library_facts(this.handle, out, error)),
    );
  }

  /** Real path of a part, null when it is not open. */
  path(part: Part = Part.CORE): string | null {
    const path = outText((symbols, text, capacity, length, error) =>
      symbols.trtd_library_path(this.handle, part, text, capacity, length, error)
    );
    return path === "" ? null : path;
  }

  /** Whether a plugin is registered. From 10.x on the library logs an error when it is not. */
  hasPlugin(name: string, version = "1", space = ""): boolean {
    const texts = [cText(name), cText(version), cText(space)] as const;
    const present = outI32((out) =>
      call((symbols, error) => symbols.trtd_library_has_plugin(this.handle, ...texts, out, error))
    );
    return present === 1;
  }

  /**
   * Asks getters with known answers. A library that does not fit can crash: run it in a child process.
   * @returns the number of checks that passed
   * @throws {ShimError} `ABI_MISMATCH`
   */
  async selfCheck(options: { unchecked?: boolean } = {}): Promise<number> {
    const checks = new Int32Array(1);
    const out = new Uint8Array(checks.buffer);
    const flags = options.unchecked === true ? CreateFlag.UNCHECKED : 0;
    await callLong([out], (symbols, error) => symbols.trtd_library_self_check(this.handle, flags, out, error));
    return checks[0]!;
  }

  /** @throws {ShimError} `UNSUPPORTED` without a builder, `NO_DRIVER`, `CUDA_ERROR`, `NULL_RESULT` */
  async createBuilder(options: CreateOptions = {}): Promise<Builder> {
    const { device, flags } = createArguments(options);
    return new Builder(
      await outU64Long((out) =>
        callLong([out], (symbols, error) => symbols.trtd_builder_create(this.handle, device, flags, out, error))
      ),
    );
  }

  /** @throws {ShimError} `NO_DRIVER`, `CUDA_ERROR`, `NULL_RESULT` */
  async createRuntime(options: CreateOptions = {}): Promise<Runtime> {
    const { device, flags } = createArguments(options);
    return new Runtime(
      await outU64Long((out) =>
        callLong([out], (symbols, error) => symbols.trtd_runtime_create(this.handle, device, flags, out, error))
      ),
    );
  }
}

function createArguments(options: CreateOptions): { device: bigint; flags: number } {
  return { device: options.device?.handle ?? 0n, flags: options.unchecked === true ? CreateFlag.UNCHECKED : 0 };
}
