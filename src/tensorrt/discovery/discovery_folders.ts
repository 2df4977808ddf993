/** Where TensorRT is looked for, in order. */
import { basename, delimiter, dirname, join } from "node:path";
import type { Architecture } from "./discovery_elf.ts";
import { readLoaderCache } from "./discovery_ld_cache.ts";
import { isTensorRtFile } from "./discovery_names.ts";

/** `named` by the setting `tensorrt`, the `loader`'s own path, `usual` folders, `python` packages. */
export type Origin = "named" | "loader" | "usual" | "python";

export interface SearchPlace {
  readonly origin: Origin;
  /** What leads there, such as `LD_LIBRARY_PATH`. */
  readonly via: string;
  readonly folder: string;
}

/** What of a machine decides; tests bring their own. */
export interface SearchSystem {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly architecture: Architecture;
  /** The loader's cache. */
  readonly loaderCache: string;
  /** Folders of {@link USUAL_FOLDERS}; `*` stands for any name within a folder. */
  readonly usualFolders: readonly string[];
  /** Debian's list of installed packages. */
  readonly packageStatus: string;
}

/** Source: packages of Debian, Ubuntu and JetPack, NVIDIA's archives unpacked as its installation guide says. */
const USUAL_FOLDERS: Readonly<Record<Architecture, readonly string[]>> = {
  x86_64: ["/usr/lib/x86_64-linux-gnu", "/usr/lib64"],
  aarch64: [
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib64",
  ],
};
const USUAL_ANYWHERE = [
  "/usr/lib",
  "/usr/local/lib",
  "/usr/local/TensorRT*/lib",
  "/usr/local/tensorrt*/lib",
  "/opt/TensorRT*/lib",
  "/opt/tensorrt*/lib",
] as const;

/** This machine. */
export function thisSearchSystem(): SearchSystem {
  const environment = Deno.env.toObject();
  const architecture = Deno.build.arch;
  const home = environment["HOME"];
  return {
    environment,
    architecture,
    loaderCache: "/etc/ld.so.cache",
    usualFolders: [
      ...USUAL_FOLDERS[architecture],
      ...USUAL_ANYWHERE,
      ...(home === undefined ? [] : [`${home}/TensorRT*/lib`]),
    ],
    packageStatus: "/var/lib/dpkg/status",
  };
}

/**
 * Folders that exist and may hold TensorRT, best first; a folder may come up more than once.
 * @param named what the setting `tensorrt` says, absolute: a folder of libraries, one with `lib` in it, or a library
 */
export function searchPlaces(named: string | undefined, system: SearchSystem): SearchPlace[] {
  return [
    ...(named === undefined ? [] : namedFolders(named).map(place("named", "--tensorrt"))),
    ...pathEntries(system, "LD_LIBRARY_PATH").map(place("loader", "LD_LIBRARY_PATH")),
    ...loaderCacheFolders(system.loaderCache).map(place("loader", "ld.so.cache")),
    ...system.usualFolders.flatMap(foldersLike).map(place("usual", "usual folder")),
    ...pythonFolders(system).flatMap(({ via, folder }) =>
      PYTHON_PACKAGES.flatMap((name) => foldersLike(join(folder, name))).map(place("python", via))
    ),
  ];
}

const place = (origin: Origin, via: string) => (folder: string): SearchPlace => ({ origin, via, folder });

function namedFolders(named: string): string[] {
  if (isFile(named)) return [dirname(named)];
  return [named, ...["lib", "lib64", "targets/*/lib"].flatMap((name) => foldersLike(join(named, name)))];
}

/** An empty entry of LD_LIBRARY_PATH is the working folder for the loader; trtd takes absolute ones only. */
function pathEntries({ environment }: SearchSystem, variable: string): string[] {
  const entries = (environment[variable] ?? "").split(delimiter).filter((entry) => entry.startsWith("/"));
  return entries.filter(isFolder);
}

function loaderCacheFolders(path: string): string[] {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch {
    return [];
  }
  const entries = readLoaderCache(bytes).filter(({ name }) => isTensorRtFile(name));
  return [...new Set(entries.map(({ path }) => dirname(path)))];
}

/** `site-packages/NAME` of the wheels; the library wheels of older releases use `tensorrt_libs` too. */
const PYTHON_PACKAGES = ["tensorrt_libs", "tensorrt_rtx_libs", "tensorrt_lean_libs", "tensorrt_dispatch_libs"] as const;

/** Folders of installed packages of the Pythons in sight, found without starting one. */
export function pythonFolders(system: SearchSystem): { via: string; folder: string }[] {
  const { environment } = system;
  const prefixes: [via: string, prefix: string][] = [];
  for (const variable of ["VIRTUAL_ENV", "CONDA_PREFIX"]) {
    const prefix = environment[variable];
    if (prefix?.startsWith("/")) prefixes.push([variable, prefix]);
  }
  const user = environment["PYTHONUSERBASE"] ?? (environment["HOME"] && join(environment["HOME"], ".local"));
  for (const program of pathEntries(system, "PATH").map((folder) => join(folder, "python3")).filter(isFile)) {
    prefixes.push(...prefixesOf(program).map((prefix): [string, string] => ["python3 on PATH", prefix]));
    break;
  }
  if (user?.startsWith("/")) prefixes.push(["user site", user]);
  const listed = pathEntries(system, "PYTHONPATH").map((folder) => ({ via: "PYTHONPATH", folder }));
  const found = prefixes.flatMap(([via, prefix]) =>
    [
      "lib/python3.*/site-packages",
      "lib64/python3.*/site-packages",
      "local/lib/python3.*/dist-packages",
      "lib/python3*/dist-packages",
    ]
      .flatMap((pattern) => foldersLike(join(prefix, pattern)))
      .map((folder) => ({ via, folder }))
  );
  const seen = new Set<string>();
  return [...listed, ...found].filter(({ folder }) => !seen.has(folder) && seen.add(folder));
}

/** `PREFIX/bin/python3`, also behind links; pyenv's shim is a script, whose Pythons lie beside it. */
function prefixesOf(program: string): string[] {
  const folder = dirname(program);
  if (basename(folder) === "shims") return foldersLike(join(dirname(folder), "versions", "*"));
  const prefixes = [dirname(folder)];
  try {
    prefixes.push(dirname(dirname(Deno.realPathSync(program))));
  } catch {
    return prefixes;
  }
  return [...new Set(prefixes)];
}

/** Existing folders of a path in which `*` stands for any part of one name, in the order of their names. */
export function foldersLike(pattern: string): string[] {
  let folders = ["/"];
  for (const part of pattern.split("/").filter((part) => part !== "")) {
    folders = part.includes("*")
      ? folders.flatMap((folder) =>
        namesIn(folder).filter((name) => likeName(part, name)).map((name) => join(folder, name))
      )
      : folders.map((folder) => join(folder, part));
  }
  return folders.filter(isFolder);
}

function likeName(pattern: string, name: string): boolean {
  const [head = "", tail = ""] = pattern.split("*", 2);
  return name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail);
}

/** Names in a folder, sorted; none where it cannot be read. */
export function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
  } catch {
    return [];
  }
}

const isFolder = (path: string) => kindOf(path) === "folder";
const isFile = (path: string) => kindOf(path) === "file";

function kindOf(path: string): "file" | "folder" | null {
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    return isFile ? "file" : isDirectory ? "folder" : null;
  } catch {
    return null;
  }
}
