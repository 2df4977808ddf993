import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { doubling, type DoublingOptions, fakeModelText } from "../backends/tensorrt/doubling.ts";
import { png } from "../detect/png_writer.ts";
import { seededPicture } from "../detect/seeded_picture.ts";
import { fakeSet, nativeTest } from "../native/children.ts";
import { fakeEnvironment } from "../native/fake_environment.ts";
import { cleanEnvironment } from "../clean_environment.ts";
import { forgetLoads, metadataUnder } from "../detect/gpu/forget_loads.ts";
import type { Program } from "../server/program.ts";
import { ServeProcess } from "../server/serve_process.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");
const SHAPE: DoublingOptions = { input: [3, 64, 96], output: [6, 126] };

class Machine implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async make(): Promise<Machine> {
    const path = await Deno.makeTempDir({ prefix: "trtd-serve-" });
    await Deno.writeFile(join(path, "pets.onnx"), doubling(SHAPE));
    await Deno.writeTextFile(join(path, "fake.txt"), fakeModelText(SHAPE));
    return new Machine(path);
  }

  /** `trtd serve --model pets.onnx ...` with all that it logs */
  serve(flags: readonly string[], script = ""): Promise<ServeProcess> {
    const program: Program = (args) => this.command(args, script).spawn();
    return ServeProcess.start(["--model", "pets.onnx", "--log-level", "info", ...flags], { program });
  }

  command(args: readonly string[], script = ""): Deno.Command {
    const { core } = fakeSet("10.16");
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, ...args, "--tensorrt", dirname(core)],
      cwd: this.path,
      clearEnv: true,
      env: cleanEnvironment({ ...fakeEnvironment({ folder: this.path, set: "10.16", script }), INIT_CWD: this.path }),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** A server until the body ends. @returns its log */
async function serving(
  machine: Machine,
  script: string,
  body: (server: ServeProcess) => Promise<void>,
): Promise<string> {
  await using server = await machine.serve([], script);
  await server.ready();
  await body(server);
  await server.stop();
  return await server.allStderr();
}

const PICTURE = png({ width: 96, height: 64, colorType: 2, depth: 8, rows: seededPicture(2, 96, 64).data });

async function detect(url: string) {
  const response = await fetch(`${url}/v1/detect`, {
    method: "POST",
    body: PICTURE,
    headers: { "content-type": "image/png" },
  });
  return { status: response.status, answer: await response.json() };
}

nativeTest("serve: without an engine the CPU answers at once and says that none is built", async () => {
  await using machine = await Machine.make();
  await serving(machine, "", async ({ url }) => {
    const { status, answer } = await detect(url);
    assert.equal(status, 200);
    assert.equal(answer.backend.name, "onnxruntime");
    assert.match(answer.backend.degraded, /^The engine of "pets" is not built yet/);
  });
});

nativeTest("serve: a sticky CUDA error ends the worker, and its successor answers the same request", async () => {
  await using machine = await Machine.make();
  const built = await machine.command(["detect", "--model", "pets.onnx", "--json"]).output();
  assert.equal(built.code, 0, new TextDecoder().decode(built.stderr));
  const found: unknown[] = [];
  const log = await serving(machine, "run=700 run-spared=8", async ({ url }) => {
    const { engine } = await (await fetch(`${url}/v1/models/pets`)).json();
    assert.deepEqual([engine.cache, engine.missed_because], ["hit", []], "an engine that fits is a hit");
    const metrics = await (await fetch(`${url}/metrics`)).text();
    assert.match(metrics, /^trtd_cache_lookups_total\{model="pets",result="hit"\} 1$/m);
    assert.doesNotMatch(metrics, /^trtd_cache_misses_total\{/m);
    for (let i = 0; i < 12; i++) {
      const { status, answer } = await detect(url);
      assert.equal(status, 200, JSON.stringify(answer));
      assert.equal(answer.backend.name, "tensorrt");
      found.push(answer.detections);
    }
  });
  for (const detections of found) assert.deepEqual(detections, found[0]);
  const faults = log.match(/^trtd: GPU_FAULT: .*CUDA_ERROR_ILLEGAL_ADDRESS, 700/gm) ?? [];
  assert(faults.length >= 1, log);
  assert.equal(log.match(/is ready: "tensorrt"/g)?.length, faults.length + 1, "each fault has one successor");
});

nativeTest(
  "serve: an engine that crashes TensorRT at its first load costs no worker, and the CPU answers",
  async () => {
    await using machine = await Machine.make();
    const built = await machine.command(["detect", "--model", "pets.onnx", "--json"]).output();
    assert.equal(built.code, 0, new TextDecoder().decode(built.stderr));
    const engines = join(machine.path, "models/trt");
    await forgetLoads(engines);
    const log = await serving(machine, "load=segv", async (server) => {
      const told = new Set<string>();
      await server.until("done with its attempts", async () => {
        const { status, answer } = await detect(server.url);
        assert.deepEqual([status, answer.backend?.name], [200, "onnxruntime"], JSON.stringify(answer));
        told.add(answer.backend.degraded);
        return (await buildOf(server.url)).state === "failed";
      });
      assert.match([...told].join("\n"), /ended with SIGSEGV/);
      assert.ok(metadataUnder(engines).every((file) => file.includes("quarantine")), metadataUnder(engines).join());
    });
    assert.doesNotMatch(log, /WORKER_DIED|The worker process ended/);
  },
);

nativeTest("serve: a missing engine is built behind the service and takes over without a lost request", async () => {
  await using machine = await Machine.make();
  const seen: string[] = [];
  const log = await serving(machine, "", async (server) => {
    const { url } = server;
    await server.until("taken over", async () => {
      const { status, answer } = await detect(url);
      assert.equal(status, 200, JSON.stringify(answer));
      if (seen.at(-1) !== answer.backend.name) seen.push(answer.backend.name);
      return seen.at(-1) === "tensorrt";
    });
    await server.until("done with the build", async () => (await buildOf(url)).state === "done");
    const { state, percent, elapsed_s: elapsed, error } = await buildOf(url);
    assert.deepEqual([state, percent, error], ["done", 100, null]);
    assert.ok(elapsed > 0);
    const ready = await (await fetch(`${url}/health/ready`)).json();
    assert.equal(ready.degraded, null);
  });
  assert.deepEqual(seen, ["onnxruntime", "tensorrt"], log);
});

nativeTest(
  "serve: told to refuse, it is not ready while the engine is built, and then the engine answers",
  async () => {
    await using machine = await Machine.make();
    await using server = await machine.serve(["--serve-while-building", "refuse"]);
    const { url } = server;
    let backend: string | undefined;
    const states = new Set<string>();
    await server.until("taken over", async () => {
      const response = await fetch(`${url}/health/ready`);
      const { state, retry_after } = { ...await response.json(), retry_after: response.headers.get("retry-after") };
      if (state !== undefined) states.add(state);
      if (state === "building") assert.match(retry_after!, /^[1-9]\d*$/);
      if (response.status === 200) backend = (await detect(url)).answer.backend?.name;
      return backend === "tensorrt";
    });
    assert.ok(states.has("building"), [...states].join(" "));
  },
);

const buildOf = async (url: string) => await (await fetch(`${url}/v1/models/pets/build`)).json();
