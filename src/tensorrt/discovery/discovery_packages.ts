/** What package managers know of a library: its exact version and the CUDA that it was built for. */
import { basename, dirname } from "node:path";
import { namesIn } from "./discovery_folders.ts";
import type { CoreRow } from "./discovery_names.ts";
import { type Version, versionFromText } from "../versions.ts";

export interface PackageFacts {
  readonly version: Version;
  /** Such as `13` or `12.5`, null when the package does not say. */
  readonly cuda: string | null;
  /** Name of the package. */
  readonly package: string;
}

const DIST_INFO = /^(tensorrt(?:_rtx|_lean|_dispatch)?)(?:_cu(\d+))?(?:_libs)?-(\d[\d.]*)\.dist-info$/;

/** The wheel that brought `folder`, such as `site-packages/tensorrt_rtx_libs`. */
export function wheelFacts(folder: string, major: number | null): PackageFacts | null {
  const stem = /^(tensorrt(?:_rtx|_lean|_dispatch)?)_libs$/.exec(basename(folder))?.[1];
  if (stem === undefined) return null;
  for (const name of namesIn(dirname(folder))) {
    const match = DIST_INFO.exec(name);
    const version = match === null ? null : versionFromText(match[3]!);
    if (match === null || version === null || match[1] !== stem) continue;
    if (major !== null && version.major !== major) continue;
    return { version, cuda: match[2] ?? null, package: name.slice(0, -".dist-info".length) };
  }
  return null;
}

/**
 * The Debian package that brought the library, from the text of dpkg's status file; its version ends with
 * `+cuda12.5`.
 */
export function debianFacts(status: string, row: CoreRow, major: number | null): PackageFacts | null {
  const name = `${row.stem.replaceAll("_", "-")}${major ?? ""}`;
  const start = status.indexOf(`Package: ${name}\n`);
  if (start < 0 || (start > 0 && status[start - 1] !== "\n")) return null;
  const end = status.indexOf("\n\n", start);
  const text = /^Version: (\S+)$/m.exec(status.slice(start, end < 0 ? undefined : end))?.[1];
  const version = text === undefined ? null : versionFromText(text);
  if (version === null) return null;
  return { version, cuda: /\+cuda(\d+(?:\.\d+)?)/.exec(text!)?.[1] ?? null, package: `${name} ${text}` };
}
