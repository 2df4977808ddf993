/** The native libraries inside a compiled file: what `scripts/compile.ts` writes and `unpack.ts` reads. */

/** Packages whose native libraries are bundled. */
export type NativePackage = "sharp" | "onnxruntime-node";

/** Who needs a bundled library: a package, or trtd itself for TensorRT. */
export type LibraryOwner = NativePackage | "libtrtd";

/** Folder of the bundle, beside `src` in the compiled file. */
export const BUNDLE_FOLDER = "native";

/** One shared library. */
export interface BundledLibrary {
  readonly owner: LibraryOwner;
  /**
   * Its path below the unpacked folder. Of a package it is the path below a `node_modules` folder: an add-on finds its
   * siblings through the relative paths (RPATH) that its package was built with.
   */
  readonly path: string;
  /** Size in bytes, unpacked. */
  readonly size: number;
  /** SHA-256 of the unpacked bytes, lower-case hex. */
  readonly sha256: string;
  /** Name of the zstd-compressed file in the bundle folder. */
  readonly blob: string;
  /** For a Node add-on: the file that `require` is asked for, relative to the root of the compiled file. */
  readonly addon: string | null;
}

/** `index.json` of the bundle folder. */
export interface BundleIndex {
  /** SHA-256 over all libraries, lower-case hex: names the unpacked folder, so that versions never mix. */
  readonly digest: string;
  readonly libraries: readonly BundledLibrary[];
}

/**
 * Modification time in whole seconds that marks a library as completely unpacked. Any later write changes it, so a
 * damaged copy is noticed without hashing it at every start. Even, for file systems that keep two-second times.
 */
export function unpackedStamp(library: BundledLibrary): number {
  return parseInt(library.sha256.slice(0, 7), 16) * 2;
}
