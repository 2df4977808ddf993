import { outText } from "./call.ts";

/** Facts of the build of libtrtd that is loaded. */
export interface ShimFacts {
  readonly abi: number;
  /** Such as `gcc 12.2.0`. */
  readonly compiler: string;
  readonly architecture: "x86_64" | "aarch64";
  /** Rows of the slot table; versions are major * 10000 + minor * 100 + patch. */
  readonly families: readonly { readonly name: string; readonly oldest: number; readonly newest: number }[];
}

/** @throws {ShimLoadError} when libtrtd cannot be used */
export function describeShim(): ShimFacts {
  return JSON.parse(
    outText((symbols, text, capacity, length, error) => symbols.trtd_describe(text, capacity, length, error)),
  );
}
