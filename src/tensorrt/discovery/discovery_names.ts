/** What the files of TensorRT are called on Linux. */
import { type Product, type Version, versionFromText } from "../versions.ts";

/** `full` builds and runs plans, `lean` runs version-compatible ones, `dispatch` those that carry a lean runtime. */
export type LibraryKind = "full" | "lean" | "dispatch";

export interface CoreRow {
  readonly stem: string;
  readonly product: Product;
  readonly kind: LibraryKind;
  /** ONNX parser and plugin library that belong to it, null where there is none. */
  readonly parser: string | null;
  readonly plugins: string | null;
}

/** Core libraries. Source: wheels, Debian packages and archives of TensorRT 8.5 to 11.4 and TensorRT-RTX 1.3 to 1.7. */
export const CORES: readonly CoreRow[] = [
  {
    stem: "libnvinfer",
    product: "tensorrt",
    kind: "full",
    parser: "libnvonnxparser",
    plugins: "libnvinfer_plugin",
  },
  { stem: "libnvinfer_lean", product: "tensorrt", kind: "lean", parser: null, plugins: null },
  { stem: "libnvinfer_dispatch", product: "tensorrt", kind: "dispatch", parser: null, plugins: null },
  {
    stem: "libtensorrt_rtx",
    product: "tensorrt-rtx",
    kind: "full",
    parser: "libtensorrt_onnxparser_rtx",
    plugins: null,
  },
];

export interface CoreName {
  readonly row: CoreRow;
  /** Number behind `.so.`, null for a bare `.so`. */
  readonly major: number | null;
  /** Version in the name when it has at least major and minor. */
  readonly version: Version | null;
}

const NAME = /^(lib\w+)\.so(?:\.(\d+(?:\.\d+)*))?$/;

/** What a file name such as `libnvinfer_lean.so.10.16.1` says, null for any other file. */
export function coreFromName(name: string): CoreName | null {
  const match = NAME.exec(name);
  const row = match === null ? undefined : CORES.find(({ stem }) => stem === match[1]);
  if (row === undefined) return null;
  const number = match![2] ?? null;
  return {
    row,
    major: number === null ? null : Number(number.split(".")[0]),
    version: number?.includes(".") ? versionFromText(number) : null,
  };
}

/** Whether the file is a core, parser or plugin library. */
export function isTensorRtFile(name: string): boolean {
  const stem = NAME.exec(name)?.[1];
  return CORES.some((row) => stem !== undefined && [row.stem, row.parser, row.plugins].includes(stem));
}
