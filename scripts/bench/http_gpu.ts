/**
 * How many pictures `trtd serve` answers over HTTP on a GPU: JPEG files of 1280x720 from clients on keep-alive
 * connections, YOLOv8n 640x640 in fp16 with random weights, with several numbers of servers, worker processes and
 * contexts, and what limits each.
 *
 *     deno run -A scripts/bench/http_gpu.ts [--tensorrt DIR] [--work DIR] [--layouts 1x1x2,1x2x2] [--clients 64]
 *         [--generators 4] [--batch 8] [--window 4] [--seconds 55] [--model FILE.onnx] [--backend tensorrt] [--out FILE.json]
 *
 * A layout is servers x worker processes of each x contexts of each. `--work` keeps model and engine for the next time.
 * Goal: 1,000 pictures a second in one server, or the limiter shown. Exit status 0 when the goal is met, else 1.
 */
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { HttpConnection, postBytes } from "../../src/bench/over_http/http_client.ts";
import { freePort, type RunningServer, startServer, trtdServer, waitReady } from "../../src/bench/over_http/servers.ts";
import { photo720p } from "../../src/bench/photo.ts";
import { percentile } from "../../src/bench/statistics.ts";
import { bundledPhoto } from "../../src/models/registry.ts";
import { runProcess } from "./gpu_process.ts";
import { type Load, rateOf, runLoad } from "./load_processes.ts";
import { childrenOf, type GpuUse, GpuWatch, type ProcessUse, ProcessWatch } from "./process_use.ts";

const ROOT = resolve(import.meta.dirname!, "../..");
const MAIN = join(ROOT, "src/main.ts");
const GOAL_PER_S = 1000;
const PATH = "/v1/detect";

const { values: flags } = parseArgs({
  options: {
    tensorrt: { type: "string" },
    work: { type: "string" },
    model: { type: "string" },
    backend: { type: "string", default: "tensorrt" },
    layouts: { type: "string", default: "1x1x2,1x2x2,1x4x2,2x2x2" },
    clients: { type: "string", default: "64" },
    generators: { type: "string", default: "4" },
    batch: { type: "string", default: "8" },
    window: { type: "string", default: "4" },
    seconds: { type: "string", default: "55" },
    out: { type: "string" },
  },
});

const begunMs = performance.now();
const leftS = () => Number(flags.seconds) - (performance.now() - begunMs) / 1000;
const onGpu = flags.backend === "tensorrt";
const forMs = 1000 * Number(flags.window);
const work = resolve(flags.work ?? await Deno.makeTempDir({ prefix: "trtd-http-gpu-" }));
const model = resolve(flags.model ?? join(work, "yolov8n.onnx"));
const picture = join(work, "photo720p.jpg");

/** What `detect` and `serve` are told about the model. */
const modelFlags = [
  ...["--model", model, "--models", join(work, "models"), "--backend", flags.backend],
  ...onGpu ? ["--precision", "fp16", "--verify", "off", "--batch", flags.batch] : [],
  ...flags.tensorrt === undefined ? [] : ["--tensorrt", resolve(flags.tensorrt)],
];

interface Layout {
  readonly servers: number;
  readonly instances: number;
  readonly contexts: number;
}

interface LayoutReport extends Layout {
  readonly pictures_per_s: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly not_answered: number;
  /** Means of the answers' Server-Timing. */
  readonly stages_ms: Readonly<Record<string, number>>;
  readonly managers: readonly ProcessUse[];
  readonly workers: readonly ProcessUse[];
  readonly generators: { readonly busiest_cores: number; readonly cores: number };
  readonly gpu: GpuUse;
  readonly limiter: string;
  readonly backend: string;
}

function layoutOf(word: string): Layout {
  const [servers, instances, contexts] = word.split("x").map(Number);
  if (!/^\d+x\d+x\d+$/.test(word)) throw new Error(`"${word}" is no layout; one is servers x workers x contexts`);
  return { servers: servers!, instances: instances!, contexts: contexts! };
}

async function prepare(): Promise<void> {
  await Deno.mkdir(join(work, "models"), { recursive: true });
  await Deno.writeFile(picture, await photo720p(await Deno.readFile(bundledPhoto())));
  const deno = [Deno.execPath(), "run", "--quiet", "-A", "--no-check", "--cached-only"];
  if (!await Deno.stat(model).then(() => true, () => false)) {
    const make = join(ROOT, "scripts/bench/make_yolov8.ts");
    await runProcess([...deno, make, "n", "640x640", model], { limitS: Math.min(30, leftS()) });
  }
  // Builds the engine, or finds it, and lets TensorRT-RTX compile its kernels: serving begins with both there.
  if (onGpu) {
    await Deno.mkdir(dirname(model), { recursive: true });
    await runProcess([...deno, MAIN, "detect", picture, ...modelFlags, "--json"], { limitS: Math.min(40, leftS()) });
  }
}

async function measure(layout: Layout, jpeg: Uint8Array): Promise<LayoutReport> {
  await using stack = new AsyncDisposableStack();
  const servers: RunningServer[] = [];
  for (let i = 0; i < layout.servers; i++) {
    const port = freePort();
    const sizes = { instances: layout.instances, contexts: layout.contexts, "queue-limit": 1000, "ring-mb": 64 };
    const args = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
    servers.push(stack.use(await startServer(trtdServer(port, [...modelFlags, ...args]), port)));
  }
  await Promise.all(servers.map((server) => waitReady(server, "/health/ready")));
  // Ready is one worker; the others of a server load beside it.
  const workersOf = (pid: number) => childrenOf(pid);
  const until = performance.now() + 20_000;
  while (servers.some(({ pid }) => workersOf(pid).length < layout.instances) && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await allReady(servers, layout.instances);
  const backend = await answeredBy(servers[0]!, jpeg);
  if (onGpu && !backend.startsWith("tensorrt")) throw new Error(`The server answers on ${backend}`);

  const settleMs = Math.min(1500, forMs / 2);
  let watches: { managers: ProcessWatch; workers: ProcessWatch; gpu: GpuWatch } | undefined;
  const load = await runLoad(
    servers.map(({ address }) => ({
      address,
      path: PATH,
      picture,
      contentType: "image/jpeg",
      settleMs,
      forMs,
      traffic: { kind: "closed", clients: Math.ceil(Number(flags.clients) / servers.length) },
    })),
    {
      processes: Math.max(1, Math.floor(Number(flags.generators) / servers.length)),
      onStart: () => {
        setTimeout(() => {
          watches = {
            managers: new ProcessWatch(servers.map(({ pid }) => pid)),
            workers: new ProcessWatch(servers.flatMap(({ pid }) => workersOf(pid))),
            gpu: new GpuWatch(),
          };
          setTimeout(() => void (ended = endOf(watches!)), forMs - 200);
        }, settleMs);
      },
    },
  );
  const { managers, workers, gpu } = await ended!;
  const times = load.outcomes.filter(({ status, share }) => status === 200 && share > 0).map(({ ms }) => ms);
  return {
    ...layout,
    pictures_per_s: rounded(rateOf(load, 200, forMs)),
    p50_ms: rounded(percentile(times, 0.5)),
    p99_ms: rounded(percentile(times, 0.99)),
    not_answered: load.outcomes.filter(({ status }) => status !== 200).length +
      Object.values(load.failures).reduce((sum, count) => sum + count, 0),
    stages_ms: Object.fromEntries(Object.entries(load.stagesMs).map(([name, ms]) => [name, rounded(ms)])),
    managers,
    workers,
    generators: { busiest_cores: rounded(load.busiestCores), cores: rounded(load.cores) },
    gpu,
    limiter: limiterOf({ managers, workers, gpu, load }),
    backend,
  };
}

type Uses = { managers: ProcessUse[]; workers: ProcessUse[]; gpu: GpuUse };
let ended: Promise<Uses> | undefined;

async function endOf(watches: { managers: ProcessWatch; workers: ProcessWatch; gpu: GpuWatch }): Promise<Uses> {
  const [managers, workers] = [watches.managers.end(), watches.workers.end()];
  return { managers, workers, gpu: await watches.gpu.end() };
}

/** What is used up, the fullest first; 85 % of a thread of JavaScript leaves it nothing for collecting its garbage. */
function limiterOf({ managers, workers, gpu, load }: Uses & { load: Load }): string {
  const fullest = (uses: readonly ProcessUse[]) => Math.max(0, ...uses.map(({ mainThread }) => mainThread));
  const shares: [string, number][] = [
    ["the manager's thread of JavaScript (HTTP)", fullest(managers)],
    ["a worker's thread of JavaScript", fullest(workers)],
    ["the load generators", load.busiestCores],
    ["the GPU", (gpu.gpu ?? 0) / 100],
  ];
  const sorted = shares.sort((a, b) => b[1] - a[1]);
  const words = sorted.map(([name, share]) => `${name} ${Math.round(100 * share)} %`).join(", ");
  return sorted[0]![1] >= 0.85 ? words : `nothing is used up, the waiting between the stages: ${words}`;
}

async function allReady(servers: readonly RunningServer[], instances: number): Promise<void> {
  const until = performance.now() + 20_000;
  for (const server of servers) {
    for (;;) {
      const response = await fetch(`http://127.0.0.1:${server.address.port}/health/ready`);
      const { workers } = await response.json();
      if ((workers?.ready ?? 0) >= instances) break;
      if (performance.now() > until) throw new Error(`Only ${workers?.ready} of ${instances} workers became ready`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function answeredBy({ address }: RunningServer, jpeg: Uint8Array): Promise<string> {
  using connection = await HttpConnection.open(address);
  const { status, body } = await connection.send(postBytes(PATH, jpeg, { contentType: "image/jpeg", address }));
  const answer = JSON.parse(new TextDecoder().decode(body));
  if (status !== 200) throw new Error(`The server answered ${status}: ${answer.detail}`);
  const { name, device, precision, degraded } = answer.backend;
  const found = `${answer.detections.length} boxes`;
  return [name, device, precision, found, degraded].filter((word) => word !== null && word !== "").join(", ");
}

function rounded(value: number): number {
  return Math.round(100 * value) / 100;
}

const layouts = flags.layouts.split(",").map(layoutOf);
const reports: LayoutReport[] = [];
const failed: string[] = [];
await prepare().catch((error) => failed.push(`preparing: ${error.message}`));
const prepared = failed.length === 0;
if (prepared) {
  const jpeg = await Deno.readFile(picture);
  for (const layout of layouts) {
    const name = `${layout.servers}x${layout.instances}x${layout.contexts}`;
    if (leftS() < Number(flags.window) + 6) {
      failed.push(`${name}: there was no time left`);
      continue;
    }
    ended = undefined;
    try {
      const report = await measure(layout, jpeg);
      reports.push(report);
      console.error(`${name}: ${report.pictures_per_s} pictures a second; ${report.limiter}`);
    } catch (error) {
      failed.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      console.error(failed.at(-1));
    }
  }
}

const cores = (uses: readonly ProcessUse[]) => uses.map(({ cores }) => cores.toFixed(2)).join(" + ");
console.log(
  "| servers x workers x contexts | pictures a second | p50, p99 ms | cores: managers | cores: workers | cores: clients " +
    "| GPU % | stages, ms | limiter |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
);
for (const one of reports) {
  const stages = Object.entries(one.stages_ms).map(([name, ms]) => `${name} ${ms}`).join(", ");
  const layout = `${one.servers}x${one.instances}x${one.contexts}`;
  console.log(
    `| ${layout} | ${one.pictures_per_s} | ${one.p50_ms}, ${one.p99_ms} | ${cores(one.managers)} | ${
      cores(one.workers)
    } ` +
      `| ${one.generators.cores} | ${one.gpu.gpu?.toFixed(0) ?? "unknown"} | ${stages} | ${one.limiter} |`,
  );
}
const best = Math.max(0, ...reports.filter(({ servers }) => servers === 1).map((one) => one.pictures_per_s));
const met = best >= GOAL_PER_S;
console.log(`\nGoal: ${GOAL_PER_S} pictures a second in one server; measured ${best}: ${met ? "met" : "missed"}`);
console.log(reports[0]?.backend ?? "no answer");
if (failed.length > 0) console.log(`Failed: ${failed.join("; ")}`);
if (flags.out !== undefined) {
  const run = { clients: Number(flags.clients), batch: Number(flags.batch), window_s: Number(flags.window) };
  const facts = { date: new Date().toISOString(), goal_per_s: GOAL_PER_S, best_per_s: best, met, run, reports, failed };
  await Deno.writeTextFile(flags.out, JSON.stringify(facts) + "\n");
}
if (flags.work === undefined) await Deno.remove(work, { recursive: true });
Deno.exit(met ? 0 : 1);
