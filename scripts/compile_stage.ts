/** The folder from which the executable is compiled: sources, bundled models and the packages that `src` uses. */
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { DOCS_FILES } from "../src/http/routes/docs_routes.ts";

/** The default model with its photos. */
const MODEL = join("models", "codes");

/** Packages of which single files are served, by name; of others all that is needed to run them is kept. */
const SERVED_FILES: Readonly<Record<string, readonly string[]>> = {
  // Its tests are files of 100,000 numbers, which "deno compile" reads as code until its stack overflows
  "bintrees": ["package.json", "LICENSE", "index.js", "lib/bintree.js", "lib/rbtree.js", "lib/treebase.js"],
  "swagger-ui-dist": ["package.json", "LICENSE", "NOTICE", "absolute-path.js", ...Object.keys(DOCS_FILES)],
};

/** What a running package does not need: declarations, source maps, sources of add-ons. */
const NEEDLESS_EXTENSIONS = [".ts", ".mts", ".cts", ".map", ".h", ".cc", ".cpp", ".gyp"];

/** Copies to `stage` what goes into the executable, with packages as this machine has them. */
export async function fillStage(root: string, stage: string): Promise<void> {
  for (const file of ["deno.json", "deno.lock", "LICENSE"]) {
    if (await exists(join(root, file))) await Deno.copyFile(join(root, file), join(stage, file));
  }
  for (const folder of ["src", "ffi"]) {
    if (await exists(join(root, folder))) await copyTree(join(root, folder), join(stage, folder), () => true);
  }
  for (const needed of [join(MODEL, "manifest.json"), join(MODEL, "photos")]) {
    if (!await exists(join(root, needed))) {
      throw new Error(`"${join(root, needed)}" is missing: there is no model to bundle`);
    }
  }
  await copyTree(join(root, MODEL), join(stage, MODEL), () => true);
  const packages = await packagesOf(root);
  await keepImports(join(stage, "deno.json"), packages.map((found) => found.name));
  for (const found of packages) {
    const folder = join("node_modules", ".deno", found.folder);
    await copyTree(join(root, folder), join(stage, folder), isNeeded);
  }
}

/** Whether a file of a package is needed at run time; `path` has a `node_modules` folder in it. */
export function isNeeded(path: string): boolean {
  const [, name, file] = /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(path) ?? [];
  const served = name === undefined ? undefined : SERVED_FILES[name];
  return served === undefined ? !NEEDLESS_EXTENSIONS.includes(extname(path)) : served.includes(file!);
}

/** The stage's configuration names only packages that `src` uses, so that Deno installs no others. */
async function keepImports(path: string, names: readonly string[]): Promise<void> {
  const config = JSON.parse(await Deno.readTextFile(path));
  const imports = Object.entries<string>(config.imports).filter(([, specifier]) =>
    names.some((name) => specifier.startsWith(`npm:${name}@`))
  );
  const kept = { ...config, imports: Object.fromEntries(imports), tasks: {}, exclude: [] };
  await Deno.writeTextFile(path, JSON.stringify(kept, null, 2));
}

interface InstalledPackage {
  readonly name: string;
  /** Its folder below `node_modules/.deno`. */
  readonly folder: string;
}

interface ModuleGraph {
  readonly modules: readonly { readonly specifier: string }[];
  readonly npmPackages: Readonly<
    Record<string, { readonly name: string; readonly version: string; readonly dependencies: readonly string[] }>
  >;
}

/** The installed packages that `src/main.ts` reaches, through other packages too. */
async function packagesOf(root: string): Promise<InstalledPackage[]> {
  const graph = await moduleGraph(root);
  const open = Object.keys(graph.npmPackages).filter((id) =>
    graph.modules.some(({ specifier }) => specifier.startsWith("npm:") && matches(specifier, id))
  );
  const installed = await Array.fromAsync(Deno.readDir(join(root, "node_modules", ".deno")), ({ name }) => name);
  const seen = new Set<string>();
  const found = new Map<string, InstalledPackage>();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = graph.npmPackages[id];
    if (node === undefined || seen.has(id)) continue;
    seen.add(id);
    // Deno writes "/" as "+", and "_1" after a second copy for other peer dependencies
    const folder = `${node.name.replace("/", "+")}@${node.version}`;
    const copies = installed.filter((name) => name === folder || name.replace(/_\d+$/, "") === folder);
    if (copies.length === 0) continue;
    for (const copy of copies) found.set(copy, { name: node.name, folder: copy });
    open.push(...node.dependencies);
  }
  return [...found.values()];
}

/** Whether `npm:/name@1.2.3/sub` is the package `name@1.2.3_peer@4`. */
function matches(specifier: string, id: string): boolean {
  const wanted = /^npm:\/?((?:@[^/]+\/)?[^/]+)/.exec(specifier)?.[1];
  return wanted !== undefined && (id === wanted || id.startsWith(`${wanted}_`));
}

async function moduleGraph(root: string): Promise<ModuleGraph> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", join(root, "src", "main.ts")],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const graph = JSON.parse(new TextDecoder().decode(stdout));
  for (const module of graph.modules) {
    if (module.error !== undefined) throw new Error(`${fileURLToPath(module.specifier)}: ${module.error}`);
  }
  return graph;
}

/** Copies files that `keep` accepts and all links, as links. */
export async function copyTree(from: string, to: string, keep: (path: string) => boolean): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isSymlink) await Deno.symlink(await Deno.readLink(source), target);
    else if (entry.isDirectory) await copyTree(source, target, keep);
    else if (keep(source)) await Deno.copyFile(source, target);
  }
}

/** All files below `folder`, links not followed. */
export async function* filesBelow(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* filesBelow(path);
    else if (entry.isFile) yield path;
  }
}

export async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
