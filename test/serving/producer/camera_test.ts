import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import type { Detection } from "../../../src/detect/detection.ts";
import { photoPaths } from "../../end_to_end/photos.ts";
import { isAlive, killQuietly } from "../../server/process.ts";
import { ServeProcess } from "../../server/serve_process.ts";
import { writeTinyModel } from "../../server/tiny_model.ts";
import { pause, until } from "../../until.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
const model = writeTinyModel(folder);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const EXAMPLE = fileURLToPath(new URL("../../../examples/camera.py", import.meta.url));

const python = await new Deno.Command("python3", { args: ["--version"] }).output().then(
  ({ success }) => success,
  () => false,
);
if (!python) console.log("skipped: examples/camera.py, there is no python3");

/** A line of the example's output. */
interface Answer {
  readonly type: string;
  readonly id: number;
  readonly free: boolean;
  readonly image: { readonly width: number; readonly height: number };
  readonly detections: readonly Detection[];
}

async function camera(...args: string[]): Promise<{ code: number; answers: Answer[]; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command("python3", { args: [EXAMPLE, ...args] }).output();
  const answers = new TextDecoder().decode(stdout).split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return { code, answers, stderr: new TextDecoder().decode(stderr) };
}

/** Names of a server's rings. */
const rings = (pid: number): string[] =>
  ["/dev/shm", Deno.env.get("TMPDIR") ?? "/tmp"].flatMap((shared) => {
    try {
      return [...Deno.readDirSync(shared)].map(({ name }) => name).filter((name) => name.includes(`-ring-${pid}.`));
    } catch {
      return [];
    }
  });

const serveTiny = (socket: string, ...flags: string[]) =>
  ServeProcess.start(["--model", model, "--backend", "onnxruntime", "--producer-socket", socket, ...flags]);

for (const flags of [[], ["--in-process"]]) {
  Deno.test({
    name: `camera: the Python example gets its detections and leaves nothing behind ${flags.join("")}`,
    ignore: !python,
    async fn() {
      const socket = join(folder, "sockets", "producers");
      await using serve = await serveTiny(socket, ...flags);
      await serve.ready();
      const before = rings(serve.pid).length;
      assert.equal(before, flags.length === 0 ? 4 : 2, "a worker's ring, a spare one and two of producers");
      for (const [width, height] of [[1152, 640], [101, 67]] as const) {
        const size = ["--width", `${width}`, "--height", `${height}`];
        const { code, answers, stderr } = await camera(socket, "--frames", "40", ...size);
        assert.equal(code, 0, stderr);
        const ids = answers.map(({ id }) => id).sort((a, b) => a - b);
        assert.deepEqual(ids, Array.from({ length: 40 }, (_, i) => i));
        for (const { type, image, detections, free } of answers) {
          assert.deepEqual([type, image, free], ["result", { width, height }, true]);
          assert.equal(detections[0]!.label, "qr_code");
        }
      }
      assert.equal(rings(serve.pid).length, before);
      const workers = serve.workers;
      serve.kill("SIGTERM");
      assert.equal((await serve.status).code, 0, serve.stderr);
      assert.deepEqual(workers.filter(isAlive), []);
      assert.deepEqual(rings(serve.pid), []);
      assert.throws(() => Deno.lstatSync(socket), Deno.errors.NotFound);
    },
  });
}

Deno.test({
  name: "camera: through shared memory and over HTTP the default model finds the same in the same picture",
  ignore: !python,
  async fn() {
    const socket = join(folder, "same");
    await using serve = await ServeProcess.start(["--backend", "onnxruntime", "--producer-socket", socket]);
    await serve.ready();
    const photo = photoPaths()[0]!;
    const { data, info } = await sharp(Deno.readFileSync(photo)).removeAlpha().raw().toBuffer({
      resolveWithObject: true,
    });
    const { width, height } = info;
    const [raw, png] = ["raw", "png"].map((type) => join(folder, `${basename(photo)}.${type}`)) as [string, string];
    await Deno.writeFile(raw, data);
    await sharp(data, { raw: { width, height, channels: 3 } }).png().toFile(png);
    const overHttp = async (file: string) => {
      const headers = { "content-type": "application/octet-stream" };
      const response = await fetch(`${serve.url}/v1/detect`, {
        method: "POST",
        headers,
        body: Deno.readFileSync(file),
      });
      assert.equal(response.status, 200);
      return await response.json();
    };
    const size = ["--width", `${width}`, "--height", `${height}`];
    for (const [args, file] of [[["--raw", raw, ...size], png], [["--picture", photo], photo]] as const) {
      const { code, answers, stderr } = await camera(socket, "--frames", "2", ...args);
      assert.equal(code, 0, stderr);
      const { id: _id, timings_ms: times, ...expected } = await overHttp(file);
      assert.ok(expected.detections.length >= 3);
      for (const answer of answers) {
        const { type, id: _, slot: _slot, free: _free, timings_ms, ...rest } = answer as
          & Answer
          & Record<string, unknown>;
        assert.equal(type, "result");
        assert.deepEqual(rest, expected);
        assert.deepEqual(Object.keys(timings_ms as object), Object.keys(times));
      }
    }
  },
});

Deno.test({
  name: "camera: no frame is lost when the worker is killed again and again, and a killed server leaves nothing",
  ignore: !python,
  async fn() {
    const socket = join(folder, "killed");
    await using serve = await serveTiny(socket);
    await serve.ready();
    let running = true;
    const killing = (async () => {
      for (let i = 0; i < 3 && running; i++) {
        await serve.ready();
        await pause(300);
        for (const worker of serve.workers) killQuietly(worker);
      }
    })();
    const { code, answers, stderr } = await camera(socket, "--frames", "1500", "--width", "320", "--height", "240");
    running = false;
    await killing;
    const errors = answers.filter(({ type }) => type === "error");
    assert.equal(code, 0, stderr + JSON.stringify(errors) + serve.stderr);
    assert.equal(new Set(answers.filter(({ type }) => type === "result").map(({ id }) => id)).size, 1500);
    await serve.ready();
    const worker = await serve.worker();
    serve.kill("SIGKILL");
    await serve.status;
    await until("rid of the worker", () => !isAlive(worker));
    assert.ok(rings(serve.pid).length <= 1, "what no worker had open is removed at the next start");
    await using next = await serveTiny(socket);
    assert.deepEqual(rings(serve.pid), []);
    await next.ready();
    assert.equal((await camera(socket, "--frames", "1")).code, 0, "the dead server's socket is taken over");
  },
});

Deno.test({
  name: "camera: a program that is killed loses its ring to the next one, one that deletes its ring harms itself alone",
  ignore: !python,
  async fn() {
    const socket = join(folder, "dying");
    await using serve = await serveTiny(socket, "--producer-rings", "2");
    await serve.ready();
    const endless = () =>
      new Deno.Command("python3", {
        args: [EXAMPLE, socket, "--frames", "1000000", "--width", "320", "--height", "240"],
        stdout: "piped",
        stderr: "null",
      }).spawn();
    for (let i = 0; i < 6; i++) {
      const child = endless();
      const reader = child.stdout.getReader();
      assert.equal((await reader.read()).done, false);
      child.kill("SIGKILL");
      await child.status;
      await reader.cancel();
    }
    assert.equal((await camera(socket, "--frames", "3")).code, 0);
    const worker = await serve.worker();
    const deleting = `
import json, mmap, os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); lines = s.makefile("r")
s.sendall(b'{"type":"hello","protocol":1,"slot_bytes":4096}\\n')
os.unlink(json.loads(lines.readline())["path"])
`;
    const { success } = await new Deno.Command("python3", { args: ["-c", deleting, socket] }).output();
    assert.equal(success, true);
    Deno.kill(worker, "SIGKILL");
    await serve.worker(worker);
    await serve.ready();
    for (let i = 0; i < 2; i++) {
      const { code, stderr } = await camera(socket, "--frames", "3");
      assert.equal(code, 0, stderr + serve.stderr);
    }
    await serve.says(/has deleted its ring/);
  },
});
