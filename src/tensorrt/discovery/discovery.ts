/** Finding the TensorRT libraries of a machine by their files; nothing is loaded. */
import { basename, dirname, join } from "node:path";
import { ELF_HEAD_BYTES, elfProblem, type FileProblem } from "./discovery_elf.ts";
import { namesIn, type Origin, searchPlaces, type SearchSystem, thisSearchSystem } from "./discovery_folders.ts";
import { coreFromName, type CoreName, type LibraryKind } from "./discovery_names.ts";
import { debianFacts, type PackageFacts, wheelFacts } from "./discovery_packages.ts";
import { type Product, type Version, versionText } from "../versions.ts";

/** A core library with what lies beside it. */
export interface FoundTensorRt {
  /** Path to open it by. */
  readonly path: string;
  readonly real_path: string;
  readonly product: Product;
  readonly kind: LibraryKind;
  /** Number behind `.so.` in its name. */
  readonly major: number | null;
  /** As its file name or package says, null when neither does; the library itself knows better. */
  readonly version_by_name: string | null;
  /** CUDA that it was built for, as its package says. */
  readonly cuda: string | null;
  /** Package that brought it. */
  readonly package: string | null;
  readonly parser: string | null;
  readonly plugins: string | null;
  readonly origin: Origin;
  /** What led to it, such as `LD_LIBRARY_PATH`. */
  readonly via: string;
  /** Further ways that lead to the same file. */
  readonly also_via: readonly string[];
  /** Why the loader would refuse it. */
  readonly problem: FileProblem | null;
}

/** A folder that was looked into. */
export interface SearchedFolder {
  readonly origin: Origin;
  readonly via: string;
  readonly folder: string;
  /** Core libraries there, those seen before included. */
  readonly found: number;
}

export interface Discovery {
  readonly searched: readonly SearchedFolder[];
  /** In the order in which they were found. */
  readonly libraries: readonly FoundTensorRt[];
}

interface Entry {
  readonly path: string;
  readonly realPath: string | null;
  readonly name: CoreName;
}

/**
 * All TensorRT libraries in sight, each file once: of several names for a file the one with the major number is kept.
 * It never throws: what is broken is told in `problem`.
 * @param named what the setting `tensorrt` says, absolute
 */
export function discoverTensorRt(named?: string, system: SearchSystem = thisSearchSystem()): Discovery {
  const searched: SearchedFolder[] = [];
  const libraries = new Map<string, FoundTensorRt>();
  let packageStatus: string | undefined;
  const only = named === undefined || !isLibraryFile(named) ? null : realPathOf(named);
  for (const { origin, via, folder } of searchPlaces(named, system)) {
    const names = namesIn(folder);
    const entries = coresIn(folder, names).filter(({ realPath }) =>
      origin !== "named" || only === null || realPath === only
    );
    if (!searched.some((one) => one.folder === folder)) searched.push({ origin, via, folder, found: entries.length });
    for (const entry of entries) {
      const key = entry.realPath ?? entry.path;
      const known = libraries.get(key);
      if (known !== undefined) {
        if (known.via !== via && !known.also_via.includes(via)) {
          libraries.set(key, { ...known, also_via: [...known.also_via, via] });
        }
        continue;
      }
      packageStatus ??= key.startsWith("/usr/lib/") ? textOf(system.packageStatus) : undefined;
      const facts = wheelFacts(folder, entry.name.major) ??
        (packageStatus === undefined || !key.startsWith("/usr/lib/")
          ? null
          : debianFacts(packageStatus, entry.name.row, entry.name.major));
      libraries.set(key, libraryFrom(entry, folder, names, facts, origin, via, system));
    }
  }
  return { searched, libraries: [...libraries.values()] };
}

/** Core libraries of one folder, one entry for each file. */
function coresIn(folder: string, names: readonly string[]): Entry[] {
  const byFile = new Map<string, Entry>();
  for (const name of names) {
    const core = coreFromName(name);
    if (core === null) continue;
    const path = join(folder, name);
    const realPath = realPathOf(path);
    const key = realPath ?? path;
    const before = byFile.get(key);
    if (before === undefined || rank(core) > rank(before.name)) byFile.set(key, { path, realPath, name: core });
  }
  return [...byFile.values()];
}

/** `libnvinfer.so.10` is the name that other libraries ask for. */
const rank = ({ major, version }: CoreName): number => major === null ? 0 : version === null ? 2 : 1;

function libraryFrom(
  { path, realPath, name }: Entry,
  folder: string,
  names: readonly string[],
  facts: PackageFacts | null,
  origin: Origin,
  via: string,
  system: SearchSystem,
): FoundTensorRt {
  const inFile = realPath === null ? null : coreFromName(basename(realPath));
  const major = name.major ?? inFile?.major ?? null;
  const version: Version | null = facts?.version ?? inFile?.version ?? name.version;
  const beside = (stem: string | null) => stem === null ? null : partBeside(stem, major, folder, names, realPath);
  return {
    path,
    real_path: realPath ?? path,
    product: name.row.product,
    kind: name.row.kind,
    major,
    version_by_name: version === null ? null : versionText(version),
    cuda: facts?.cuda ?? null,
    package: facts?.package ?? null,
    parser: beside(name.row.parser),
    plugins: beside(name.row.plugins),
    origin,
    via,
    also_via: [],
    problem: realPath === null
      ? {
        kind: "link-broken",
        detail: `"${path}" is a link to a file that is not there`,
        remedy: "Install this TensorRT again, or remove the link",
      }
      : fileProblem(path, system),
  };
}

/** The parser or plugin library in the core's folder, as found or behind its links, of the same major. */
function partBeside(
  stem: string,
  major: number | null,
  folder: string,
  names: readonly string[],
  realPath: string | null,
): string | null {
  const wanted = [...(major === null ? [] : [`${stem}.so.${major}`]), `${stem}.so`];
  const versioned = new RegExp(`^${stem}\\.so\\.${major ?? "\\d+"}(\\.\\d+)*$`);
  const pick = (there: readonly string[]) =>
    wanted.find((name) => there.includes(name)) ?? there.find((name) => versioned.test(name));
  const here = pick(names);
  if (here !== undefined) return join(folder, here);
  const realFolder = realPath === null ? folder : dirname(realPath);
  const behind = realFolder === folder ? undefined : pick(namesIn(realFolder));
  return behind === undefined ? null : join(realFolder, behind);
}

/** Why the loader would refuse the file at `path`, null when nothing is seen. */
export function fileProblem(path: string, { architecture }: Pick<SearchSystem, "architecture">): FileProblem | null {
  try {
    using file = Deno.openSync(path);
    const { size, isFile } = file.statSync();
    if (!isFile) {
      return { kind: "not-a-library", detail: `"${path}" is not a regular file`, remedy: "Remove it" };
    }
    const head = new Uint8Array(ELF_HEAD_BYTES);
    let length = 0;
    while (length < head.length) {
      const read = file.readSync(head.subarray(length));
      if (read === null) break;
      length += read;
    }
    return elfProblem(path, head.subarray(0, length), size, architecture);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      kind: "unreadable",
      detail: `"${path}" cannot be read: ${why}`,
      remedy: "Let the user that runs trtd read it",
    };
  }
}

/** The setting may name one library of a folder that holds several. */
function isLibraryFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function realPathOf(path: string): string | null {
  try {
    return Deno.realPathSync(path);
  } catch {
    return null;
  }
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
