/** Finding and opening libtrtd. */

import { join } from "node:path";
import { ABI_VERSION, type Symbols, symbols } from "./symbols.ts";

/** The library cannot be used; the message names every path that was tried. */
export class ShimLoadError extends Error {
  override readonly name = "ShimLoadError";
}

/** The loaded library. */
export interface Shim {
  readonly path: string;
  readonly symbols: Symbols;
}

let loaded: Shim | undefined;

/** Paths where libtrtd is looked for, best first: what `TRTD_SHIM` names, else where `scripts/build_shim.ts` puts it. */
export function shimPaths(named: string | undefined): string[] {
  if (named !== undefined && named !== "") return [named];
  return [join(import.meta.dirname!, "..", "cpp", "build", "libtrtd.so")];
}

/** A variable, when it may be read without asking. */
function environment(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

function open(path: string): Shim {
  const { trtd_abi_version } = symbols;
  const greeter = Deno.dlopen(path, { trtd_abi_version });
  const found = greeter.symbols.trtd_abi_version();
  greeter.close();
  if (found !== ABI_VERSION) {
    throw new Error(`it speaks ABI version ${found}, this program ${ABI_VERSION}; build it again`);
  }
  return { path, symbols: Deno.dlopen(path, symbols).symbols };
}

/**
 * The library, opened once for the process. It needs `--allow-ffi` for its path only.
 * @param path where it is, instead of {@link shimPaths}; counts only for the first call
 * @throws {ShimLoadError}
 */
export function loadShim(path?: string): Shim {
  if (loaded !== undefined) return loaded;
  const failures: string[] = [];
  for (const candidate of shimPaths(path ?? environment("TRTD_SHIM"))) {
    try {
      return loaded = open(candidate);
    } catch (error) {
      failures.push(`"${candidate}": ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new ShimLoadError(`The native library of trtd cannot be used: ${failures.join("; ")}`);
}
