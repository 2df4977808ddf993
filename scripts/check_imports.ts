/**
 * The import rule of the house, checked on the module graph:
 * rooms import downwards only, rooms of one floor never in a circle, `ffi` nothing of `src`,
 * what answers HTTP reaches no native code, and pure modules touch no clock, file or `Deno`.
 *
 *     deno run -A scripts/check_imports.ts
 */
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = resolve(import.meta.dirname!, "..");

/** Rooms by floor; a file directly in src/ is a room of its own name. */
const FLOORS: readonly (readonly string[])[] = [
  [
    "errors.ts",
    "kill_group.ts",
    "log.ts",
    "nearest.ts",
    "secrets.ts",
    "self_command.ts",
    "standard_error.ts",
    "version.ts",
  ],
  ["config", "onnx", "native"],
  ["models", "backends", "detect", "tensorrt", "cache", "verify"],
  ["serving", "doctor"],
  ["http", "bench"],
  ["cli"],
  ["main.ts"],
];

/** Modules without clock, file or `Deno`: given the same arguments they answer the same. */
const PURE = [
  /^src\/onnx\//,
  /^src\/(errors|nearest|secrets|self_command)\.ts$/,
  /^src\/config\/(?!(load|upstream|capped_file|user_folder)\.ts)/,
  /^src\/detect\/(detection|nms|letterbox\/|heads\/|picture\/(device_jpeg|image_header|image_bytes|foreign_types))/,
  /^src\/tensorrt\/(versions\.ts|support\/|failures\/|engine_file\/|plan\/)/,
  /^src\/tensorrt\/discovery\/discovery_(choice|elf|ld_cache|names)\.ts$/,
  /^src\/tensorrt\/probe\/probe_(findings|messages)\.ts$/,
  /^src\/tensorrt\/build\/(log_header|build_failure|child\/(child_end|progress_tree|messages))\.ts$/,
  /^src\/tensorrt\/load\/load_(failure|messages)\.ts$/,
  /^src\/tensorrt\/request\/machine_facts\.ts$/,
  /^src\/backends\/tensorrt\/(detections_spec|sticky_codes|gpu_failure)\.ts$/,
  /^src\/doctor\/(?!(system|build_logs)\.ts)/,
  /^src\/verify\/(?!(pictures|sides|verify|gate)\.ts)/,
  /^src\/cache\/(key|place|entry|recovery|guard)\.ts$/,
  /^src\/serving\/policy\//,
  /^src\/serving\/ring\/slot_map\.ts$/,
];
const IMPURE =
  /\bDeno\.|\bperformance\.|\bDate\.now|\bnew Date\b|\bMath\.random|\bsetTimeout\b|\bfetch\(|["']node:(?:fs|os|process|child_process|net)/;

/** What answers HTTP must survive native crashes, so it loads nothing native. */
const WITHOUT_NATIVE = ["src/cli/serve/serve.ts"];
const NATIVE = /^(src\/native\/|ffi\/|npm:.*(sharp|onnxruntime))/;

/** Loaded only when the setting `in_process` asks for a server that ends with its model. */
const IN_PROCESS = "src/cli/children/open_served.ts";

/** Who may call libtrtd: only processes that may die. */
const SHIM_USERS = /^(ffi\/|src\/tensorrt\/(probe|build|load)\/|src\/backends\/tensorrt\/)/;

interface Edge {
  readonly from: string;
  readonly to: string;
}

const files = await sourceFiles();
const edges = await importEdges(files);
const problems = [
  ...edges.flatMap(upward),
  ...circles(edges),
  ...(await Promise.all(files.map(impurity))).flat(),
  ...WITHOUT_NATIVE.filter((file) => files.includes(file)).flatMap((file) => pathToNative(file, edges)),
];
for (const problem of problems) console.error(problem);
console.log(`${files.length} files, ${edges.length} imports, ${problems.length} against the rule`);
if (problems.length > 0) Deno.exit(1);

async function sourceFiles(): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string) => {
    for await (const entry of Deno.readDir(resolve(ROOT, folder))) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory) await visit(path);
      else if (entry.name.endsWith(".ts")) found.push(path);
    }
  };
  for (const folder of ["src", "ffi"]) {
    if (await Deno.stat(resolve(ROOT, folder)).then(() => true, () => false)) await visit(folder);
  }
  return found.sort();
}

/** Imports of values; `import type` is not an import at run time. */
async function importEdges(roots: readonly string[]): Promise<Edge[]> {
  const found: Edge[] = [];
  const seen = new Set<string>();
  for (const root of ["src/main.ts", ...roots]) {
    if (seen.has(root)) continue;
    for (const module of await moduleGraph(root)) {
      const from = shortName(module.specifier);
      if (seen.has(from)) continue;
      seen.add(from);
      if (!roots.includes(from)) continue;
      for (const dependency of module.dependencies ?? []) {
        const to = dependency.code?.specifier;
        if (to !== undefined) found.push({ from, to: shortName(to) });
      }
    }
  }
  return found;
}

interface GraphModule {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly code?: { readonly specifier?: string } }[];
}

async function moduleGraph(root: string): Promise<readonly GraphModule[]> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", root],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout)).modules;
}

function shortName(specifier: string): string {
  return specifier.startsWith("file:") ? relative(ROOT, fileURLToPath(specifier)) : specifier;
}

function roomOf(file: string): string {
  return /^src\/([^/]+)/.exec(file)?.[1] ?? file.split("/")[0]!;
}

function floorOf(room: string): number {
  return FLOORS.findIndex((floor) => floor.includes(room));
}

function upward({ from, to }: Edge): string[] {
  if (from.startsWith("ffi/")) {
    return to.startsWith("src/") ? [`${from} imports ${to}: ffi imports nothing of src`] : [];
  }
  if (to.startsWith("ffi/") && !SHIM_USERS.test(from)) return [`${from} imports ${to}: only children that may die may`];
  if (!to.startsWith("src/")) return [];
  const [fromFloor, toFloor] = [floorOf(roomOf(from)), floorOf(roomOf(to))];
  if (fromFloor < 0) return [`${from} stands in a room that has no floor`];
  return toFloor > fromFloor ? [`${from} imports ${to}: that is upwards`] : [];
}

/** Rooms that reach each other. */
function circles(all: readonly Edge[]): string[] {
  const reach = (start: string, step: (node: string) => readonly string[]) => {
    const seen = new Set<string>();
    const open = [start];
    for (let room = open.pop(); room !== undefined; room = open.pop()) {
      for (const next of step(room)) if (!seen.has(next)) seen.add(next), open.push(next);
    }
    return seen;
  };
  const rooms = new Map<string, Set<string>>();
  for (const { from, to } of all) {
    if (!to.startsWith("src/") || roomOf(from) === roomOf(to)) continue;
    rooms.set(roomOf(from), (rooms.get(roomOf(from)) ?? new Set()).add(roomOf(to)));
  }
  return [...rooms.keys()]
    .filter((room) => reach(room, (node) => [...(rooms.get(node) ?? [])]).has(room))
    .map((room) => `the room "${room}" imports itself through other rooms`);
}

async function impurity(file: string): Promise<string[]> {
  if (!PURE.some((pattern) => pattern.test(file))) return [];
  const code = (await Deno.readTextFile(resolve(ROOT, file))).replace(/\/\*[\s\S]*?\*\//g, "").replace(
    /^\s*\/\/.*$/gm,
    "",
  );
  const hit = IMPURE.exec(code);
  return hit === null ? [] : [`${file} is pure but uses "${hit[0]}"`];
}

function pathToNative(start: string, all: readonly Edge[]): string[] {
  const cameFrom = new Map<string, string>([[start, ""]]);
  const open = [start];
  for (let file = open.shift(); file !== undefined; file = open.shift()) {
    if (NATIVE.test(file)) {
      const path = [file];
      for (let at = cameFrom.get(file); at; at = cameFrom.get(at)) path.unshift(at);
      return [`${path.join(" -> ")}: what answers HTTP loads no native code`];
    }
    for (const { to } of all.filter((edge) => edge.from === file && edge.to !== IN_PROCESS)) {
      if (!cameFrom.has(to)) cameFrom.set(to, file), open.push(to);
    }
  }
  return [];
}
