/**
 * Python packages of the exporters and the models that they made, kept outside the repository.
 *
 *     deno run -A test/exporters/environment.ts   makes what is missing and says where it is
 *
 * Both folders carry the digest of what they were made from, so that a second run finds them and a changed script does
 * not. `TRTD_TEST_EXPORTERS=1` asks for them (packages of 700 MB, 2.4 GB on disk); without it only what is there counts.
 */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { toolsFolder } from "../../scripts/build_shim.ts";

const HERE = import.meta.dirname!;
const SCRIPTS = join(HERE, "models");
const REQUIREMENTS = join(HERE, "requirements.txt");
/** Groups of models/make.py in the order of the tests. */
const GROUPS = ["torch", "graphs", "ultralytics", "tensorflow"] as const;
const INSTALL_MS = 900_000;
const MAKE_MS = 600_000;

/** One model as models/catalogue.py describes it. */
export interface Entry {
  readonly file: string;
  readonly exporter: string;
  readonly version: string;
  /** What was asked of the exporter, in words. */
  readonly options: string;
  /** Row of src/detect/heads that must be found; null when the model is no detector. */
  readonly head: string | null;
  /** Sizes for the model's free axes by their names. */
  readonly axes: Readonly<Record<string, number>>;
  /** How many pictures it takes at once; null is any number. */
  readonly batch: number | null;
  /** What cannot be done with it, by the name of a pass, and why. */
  readonly excused: Readonly<Record<string, string>>;
  readonly opset: number;
  readonly ir_version: number;
  readonly bytes: number;
  readonly nodes: number;
}

/** Where everything is. */
export interface ExporterModels {
  /** A Python with the packages of requirements.txt. */
  readonly python: string;
  readonly folder: string;
  readonly entries: readonly Entry[];
  /** What took how long, for people. */
  readonly made: readonly string[];
}

const wanted = (): boolean => Deno.env.get("TRTD_TEST_EXPORTERS") === "1";

/** The models, made when they are asked for; a text says why they are not here. @throws {Error} when making them failed */
export async function exporterModels(): Promise<ExporterModels | string> {
  if (!wanted()) return "set TRTD_TEST_EXPORTERS=1; it fetches exporters from PyPI (700 MB)";
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") return "the packages are for Linux on x86_64";
  const made: string[] = [];
  const packages = await cached("exporters-python", [REQUIREMENTS], made, async (parcel) => {
    await must("python3", ["-m", "venv", parcel], INSTALL_MS);
    const install = "-m pip install -q --no-deps --only-binary=:all: --no-compile --disable-pip-version-check -r";
    await must(join(parcel, "bin", "python"), [...install.split(" "), REQUIREMENTS], INSTALL_MS);
  });
  const python = join(packages, "bin", "python");
  const folder = await cached("exporters-models", [REQUIREMENTS, ...await scripts()], made, async (parcel) => {
    await must(python, [join(SCRIPTS, "make.py"), "--out", parcel], MAKE_MS);
  });
  const lists = GROUPS.map((group) => Deno.readTextFile(join(folder, `${group}.json`)));
  const entries = (await Promise.all(lists)).flatMap((text) => JSON.parse(text) as Entry[]);
  return { python, folder, entries, made };
}

async function scripts(): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(SCRIPTS)) if (name.endsWith(".py")) found.push(join(SCRIPTS, name));
  return found.sort();
}

/** A folder made by `make` from `sources`; its older versions go. */
async function cached(
  name: string,
  sources: readonly string[],
  made: string[],
  make: (parcel: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const source of sources) {
    const bytes = await Deno.readFile(source);
    hash.update(`${source.slice(HERE.length)}\0${bytes.length}\0`).update(bytes);
  }
  const root = toolsFolder();
  const folder = join(root, `${name}-${hash.digest("hex").slice(0, 12)}`);
  if (await Deno.stat(folder).then((facts) => facts.isDirectory, () => false)) return folder;
  if (Deno.env.get("TRTD_TEST_NO_DOWNLOAD") === "1") {
    throw new Error(`TRTD_TEST_NO_DOWNLOAD is set and "${folder}" was not made before`);
  }
  await Deno.mkdir(root, { recursive: true });
  const parcel = await Deno.makeTempDir({ dir: root, prefix: "exporters-new-" });
  const started = performance.now();
  try {
    await make(parcel);
    await Deno.rename(parcel, folder).catch((error) => {
      if (!(error instanceof Error && "code" in error && error.code === "ENOTEMPTY")) throw error;
    });
  } finally {
    await Deno.remove(parcel, { recursive: true }).catch(() => {});
  }
  made.push(`${name} took ${((performance.now() - started) / 1000).toFixed(0)} s`);
  for await (const entry of Deno.readDir(root)) {
    const path = join(root, entry.name);
    if (entry.name.startsWith(`${name}-`) && path !== folder) await Deno.remove(path, { recursive: true });
  }
  return folder;
}

async function must(command: string, args: readonly string[], timeoutMs: number): Promise<void> {
  const child = new Deno.Command(command, {
    args: [...args],
    env: { PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const { success, signal, stderr } = await child.output();
  clearTimeout(timer);
  if (success) return;
  const tail = new TextDecoder().decode(stderr).trim().split("\n").slice(-15).join("\n");
  throw new Error(`"${command} ${args.join(" ")}" failed${signal === null ? "" : ` (${signal})`}:\n${tail}`);
}

if (import.meta.main) {
  const models = await exporterModels();
  if (typeof models === "string") console.error(models);
  else console.error([...models.made, `${models.entries.length} models in ${models.folder}`].join("\n"));
}
