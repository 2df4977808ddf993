/** `trtd serve` on several GPUs. */
import assert from "node:assert/strict";
import { resolve } from "node:path";
import { askedBy, metricsOf, problemsOf } from "../grafana/dashboard_check.ts";
import { metricsText } from "../grafana/metrics_text.ts";
import { nativeTest } from "../native/children.ts";
import { PATIENCE_MS } from "../until.ts";
import { killQuietly } from "../server/process.ts";
import { ServeFailed, type ServeProcess } from "../server/serve_process.ts";
import { detectOn, FakeMachine } from "./fake_machine.ts";

const DASHBOARD = resolve(import.meta.dirname!, "../../grafana/trtd.json");
const SMALL = "NVIDIA Fake 4090:8.9:24564";
const LARGE = "NVIDIA Fake 5090:12.0:32768";

interface Instance {
  readonly gpu: { readonly index: number; readonly name: string; readonly uuid: string } | null;
  readonly status: string;
  readonly backend: { readonly name: string; readonly device: string; readonly degraded: string | null } | null;
  readonly pid: number | null;
  readonly reason: string | null;
}

const instancesOn = async (serve: ServeProcess) =>
  (await serve.get("/v1/models/pets")).body["instances"] as readonly Instance[];

/** Device of each instance that answers, null for the others. */
const devicesOn = async (serve: ServeProcess) =>
  (await instancesOn(serve)).map(({ status, backend }) => status === "ready" ? backend!.device : null);

const readinessOf = async (serve: ServeProcess) => {
  const { status, body } = await serve.get("/health/ready");
  return { status, degraded: body["degraded"] as string | null };
};

const scrape = async ({ url }: ServeProcess) => await (await fetch(`${url}/metrics`)).text();

async function metric(serve: ServeProcess, name: string): Promise<string[]> {
  const text = await scrape(serve);
  return text.split("\n").filter((line) => line.startsWith(`${name}{`)).map((line) => line.slice(name.length)).sort();
}

nativeTest("serve: a GPU whose engine is missing gets it behind the service, while the other one answers", async () => {
  await using machine = await FakeMachine.make([SMALL, LARGE]);
  await machine.build("0");
  await using serve = await machine.serve(["--device", "0,GPU-a1a1a1a1"], "step=100");
  await serve.ready();
  await serve.until("on the GPU that has its engine", async () => (await devicesOn(serve))[0] !== null);
  const [first] = await instancesOn(serve);
  assert.deepEqual(first!.gpu, {
    index: 0,
    name: "NVIDIA Fake 4090",
    uuid: "GPU-a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0",
  });
  assert.equal(first!.backend!.device, "cuda:0 NVIDIA Fake 4090");

  const devices = new Set<string>();
  const told = new Set<string | null>();
  await serve.until("done with the build", async () => {
    const { status, degraded } = await readinessOf(serve);
    const { status: answered, answer } = await detectOn(serve);
    assert.deepEqual([status, answered], [200, 200], JSON.stringify(answer));
    devices.add(answer.backend.device);
    told.add(degraded);
    return (await serve.get("/v1/models/pets/build")).body["state"] === "done";
  }, 3 * PATIENCE_MS);
  assert.ok(!devices.has("cpu"), `one picture at a time never leaves the GPUs: ${[...devices]}`);
  assert.match(
    [...told][0]!,
    /^GPU 1 \(NVIDIA Fake 5090\): The (engine of "pets" is not built yet|model is being loaded)/,
  );
  const { body: build } = await serve.get("/v1/models/pets/build");
  assert.equal(build["gpu"], "NVIDIA Fake 5090, compute capability 12.0");

  const both = ["cuda:0 NVIDIA Fake 4090", "cuda:1 NVIDIA Fake 5090"];
  await serve.until("on both GPUs", async () => (await devicesOn(serve)).join() === both.join());
  assert.deepEqual(await readinessOf(serve), { status: 200, degraded: null });
  const [still, second] = await instancesOn(serve);
  assert.equal(still!.pid, first!.pid, "the GPU that had its engine keeps its worker");
  const ones = both.map((device) => `{model="pets",device="${device}"} 1`);
  assert.deepEqual(await metric(serve, "trtd_gpu_workers_ready"), ones);
  assert.deepEqual(await metric(serve, "trtd_gpu_workers_configured"), ones);
  assert.equal((await metric(serve, "trtd_backend_info")).length, 2);
  const asked = askedBy(JSON.parse(await Deno.readTextFile(DASHBOARD)))
    .filter((one) => metricsOf(one).some((name) => name.startsWith("trtd_gpu_workers_")));
  const text = metricsText(await scrape(serve));
  assert.deepEqual([asked.length, asked.flatMap((one) => problemsOf(one, text))], [2, []]);

  killQuietly(second!.pid!);
  await serve.until("without the killed worker", async () => (await instancesOn(serve))[1]!.pid !== second!.pid);
  await serve.until("on both GPUs again", async () => (await devicesOn(serve)).join() === both.join());
  assert.equal(await serve.stop(), 0, serve.stderr);
});

nativeTest("serve: a lost GPU is given up and told, the other one goes on", async () => {
  await using machine = await FakeMachine.make([SMALL, SMALL]);
  await machine.build("0");
  const flags = ["--device", "all", "--backend", "tensorrt", "--crash-loop-limit", "2"];
  await using serve = await machine.serve(flags, "run=719 fault-device=1");
  await serve.ready();
  await serve.until("giving the GPU up", async () => (await instancesOn(serve))[1]!.status === "failed");
  const [first, second] = await instancesOn(serve);
  assert.deepEqual([first!.status, first!.backend!.device], ["ready", "cuda:0 NVIDIA Fake 4090"]);
  assert.match(second!.reason!, /^Given up: .*CUDA_ERROR_LAUNCH_FAILED, 719/);
  const { status, degraded } = await readinessOf(serve);
  assert.equal(status, 200);
  assert.equal(degraded, `GPU 1 (NVIDIA Fake 4090): ${second!.reason}`);
  const zero = '{model="pets",device="cuda:1 NVIDIA Fake 4090"} 0';
  assert.ok((await metric(serve, "trtd_gpu_workers_ready")).includes(zero));
  for (let i = 0; i < 4; i++) {
    const { status, answer } = await detectOn(serve);
    assert.deepEqual([status, answer.backend?.device], [200, "cuda:0 NVIDIA Fake 4090"], JSON.stringify(answer));
  }
  assert.equal(await serve.stop(), 0, serve.stderr);
});

const REFUSED: readonly [name: string, flags: readonly string[], exit: number, says: readonly RegExp[]][] = [
  ["a GPU that is not there", ["--device", "0,7"], 3, [
    /^trtd: GPU_UNAVAILABLE: "device" names "7", which is no GPU here: there are 0 \(NVIDIA Fake 4090, GPU-a0a0.*, 1 \(/m,
    /remedy: Name GPUs that are there; "all" takes those that there are/,
  ]],
  ["one GPU twice by index", ["--device", "1,1"], 2, [
    /^trtd: USAGE: The flag --device is "1,1": must name each GPU once/m,
  ]],
  ["one GPU under two names", ["--device", "0,GPU-a0a0a0a0"], 2, [
    /^trtd: CONFIG_INVALID: "device" names GPU 0 \(NVIDIA Fake 4090\) twice: "0" and "GPU-a0a0a0a0"/m,
  ]],
  ["several GPUs in one process", ["--device", "0,1", "--in-process"], 2, [
    /^trtd: CONFIG_INVALID: "device" names 2 GPUs, but with "in_process" one process runs the models, on one GPU/m,
    /remedy: Name one GPU, or leave "in_process" off/,
  ]],
  ["all of several GPUs in one process", ["--device", "all", "--in-process"], 2, [
    /^trtd: CONFIG_INVALID: "device" is all, and there are 2 GPUs, but with "in_process"/m,
  ]],
];

nativeTest("serve: GPUs that cannot be had are refused before anything listens, each with its remedy", async () => {
  await using machine = await FakeMachine.make([SMALL, LARGE]);
  for (const [name, flags, exit, says] of REFUSED) {
    const failed = await machine.serve(flags).then(() => null, (error) => error);
    assert.ok(failed instanceof ServeFailed, name);
    assert.equal(failed.status, exit, failed.stderr);
    for (const pattern of says) assert.match(failed.stderr, pattern);
  }
});

nativeTest("serve: where no GPU can be used, a list of them leaves the CPU, which says why", async () => {
  await using machine = await FakeMachine.make([]);
  await using serve = await machine.serve(["--device", "0,1"]);
  await serve.ready();
  assert.deepEqual(await devicesOn(serve), ["cpu"]);
  const { degraded } = await readinessOf(serve);
  assert.match(degraded!, /--device 0 names no GPU/);
  assert.match(serve.stderr, /"0,1" is asked for, but no GPU can be used: /);
  assert.equal(await serve.stop(), 0, serve.stderr);
});
