/**
 * The second start against the first: `trtd build-engine` of the incident's model (YOLOv8s, 640x1152) with the real
 * TensorRT-RTX 1.7.1.116 on the CPU, then the same command again, which finds the engine in the cache.
 *
 *     deno run -A scripts/bench/second_start.ts [ROUNDS]
 *
 * Goal: a hit costs at most 150 ms more than reading the file of the engine.
 */
import { dirname, join } from "node:path";
import { median } from "../../src/bench/statistics.ts";
import { realLibrary } from "../../test/native/fetch_libraries.ts";
import { incidentModel } from "../../test/tensorrt/build/incident_model.ts";

const MAIN = join(import.meta.dirname!, "../../src/main.ts");
const GOAL_MS = 150;
/** Only digests of files that are older than this are remembered, see `src/cache/model_digest.ts`. */
const SETTLED_MS = 2_500;

const rounds = Number(Deno.args[0] ?? 5);
const library = await realLibrary("rtx-1.7.1");
if (typeof library === "string") throw new Error(library);
const libraries = dirname(library.core);
const folder = await Deno.makeTempDir({ prefix: "trtd-second-start-" });

interface Start {
  /** Of the whole command. */
  readonly wallMs: number;
  /** Of the cache alone, or the build and the cache. */
  readonly engineMs: number;
  readonly cache: "hit" | "built";
  readonly engine: string;
}

async function start(precision: string): Promise<Start> {
  const begun = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", MAIN, "build-engine", "pets.onnx", "--json", "--precision", precision, "--targets", "86"],
      ...["--tensorrt", libraries],
    ],
    cwd: folder,
    env: { INIT_CWD: folder, TRTD_CACHE_DIR: join(folder, "cache"), NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const wallMs = performance.now() - begun;
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  const { cache, engine, duration_s: duration } = JSON.parse(new TextDecoder().decode(stdout));
  return { wallMs, engineMs: duration * 1000, cache, engine };
}

async function readingMs(path: string): Promise<number> {
  const begun = performance.now();
  await Deno.readFile(path);
  return performance.now() - begun;
}

try {
  await Deno.writeFile(join(folder, "pets.onnx"), incidentModel());
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  let worst = 0;
  for (const precision of ["f32", "fp16"]) {
    const [first, second, reading]: [Start[], Start[], number[]] = [[], [], []];
    for (let round = 0; round < rounds; round++) {
      await Deno.remove(join(folder, "models"), { recursive: true }).catch(() => {});
      await Deno.remove(join(folder, "pets.tofp16.onnx")).catch(() => {});
      first.push(await start(precision));
      second.push(await start(precision));
      reading.push(await readingMs(second.at(-1)!.engine));
    }
    if (first.some(({ cache }) => cache !== "built") || second.some(({ cache }) => cache !== "hit")) {
      throw new Error("The second start did not find the engine");
    }
    const of = (starts: Start[], field: "wallMs" | "engineMs") => median(starts.map((one) => one[field]));
    const more = of(second, "engineMs") - median(reading);
    worst = Math.max(worst, more);
    const { size } = await Deno.stat(second[0]!.engine);
    console.log(
      `${precision}, ${(size / 1e6).toFixed(1)} MB: first start ${(of(first, "wallMs") / 1000).toFixed(2)} s, second ${
        (of(second, "wallMs") / 1000).toFixed(2)
      } s (${(of(first, "wallMs") / of(second, "wallMs")).toFixed(1)} times quicker); ` +
        `engine ${Math.round(of(first, "engineMs"))} ms, then ${Math.round(of(second, "engineMs"))} ms, ` +
        `${Math.round(more)} ms more than reading it (goal ${GOAL_MS})`,
    );
  }
  if (worst > GOAL_MS) Deno.exitCode = 1;
} finally {
  await Deno.remove(folder, { recursive: true });
}
