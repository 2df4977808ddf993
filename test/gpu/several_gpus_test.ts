/** `trtd serve` over all GPUs of this machine, on the first TensorRT of TRTD_TEST_TENSORRT. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { killQuietly } from "../server/process.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { defaultModel, photos } from "./scenarios/open.ts";
import { gpuCount, gpuTest, shim, skipReason, tensorRts } from "./gpu.ts";

/** An engine is built first. */
const BUILD_MS = 240_000;
const CLIENTS = 16;
const REQUESTS = 400;

interface Instance {
  readonly gpu: { readonly index: number; readonly name: string; readonly uuid: string } | null;
  readonly status: string;
  readonly backend: { readonly name: string; readonly device: string } | null;
  readonly pid: number | null;
}

interface Answer {
  readonly detections: unknown;
  readonly backend: { readonly device: string };
}

const instancesOn = async (serve: ServeProcess) =>
  (await serve.get("/v1/models/codes")).body["instances"] as readonly Instance[];

/** Device of each instance that answers on TensorRT, null for the others. */
const devicesOn = async (serve: ServeProcess) =>
  (await instancesOn(serve)).map(({ status, backend }) => {
    return status === "ready" && backend!.name === "tensorrt" ? backend!.device : null;
  });

async function detectOn({ url }: ServeProcess, body: Uint8Array<ArrayBuffer>): Promise<Answer> {
  const response = await fetch(`${url}/v1/detect`, { method: "POST", body, headers: { "content-type": "image/jpeg" } });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

/** Many requests at once. @returns answers for each device */
async function load(serve: ServeProcess, picture: Uint8Array<ArrayBuffer>): Promise<Map<string, Answer[]>> {
  const byDevice = new Map<string, Answer[]>();
  let left = REQUESTS;
  const client = async () => {
    while (left-- > 0) {
      const answer = await detectOn(serve, picture);
      byDevice.set(answer.backend.device, [...byDevice.get(answer.backend.device) ?? [], answer]);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return byDevice;
}

async function testSeveral(t: Deno.TestContext, tensorrt: string): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-gpus-test-" });
  const env = { TRTD_SHIM: shim(), TRTD_CACHE_DIR: join(folder, "cache") };
  const { path: model } = await defaultModel();
  const flags = ["--model", model, "--models", join(folder, "models"), "--tensorrt", tensorrt, "--precision", "fp16"];
  const serveOn = async (device: string) => await ServeProcess.start([...flags, "--device", device], { env });
  const [picture] = (await photos()).values();
  try {
    await t.step("all of them answer, with the same boxes, also after one lost its worker", async () => {
      await using serve = await serveOn("all");
      const allOn = async () => !(await devicesOn(serve)).includes(null);
      await serve.until("on every GPU", allOn, BUILD_MS);
      const instances = await instancesOn(serve);
      assert.deepEqual(instances.map(({ gpu }) => gpu!.index), Array.from({ length: gpuCount }, (_, i) => i));
      assert.equal(new Set(instances.map(({ gpu }) => gpu!.uuid)).size, gpuCount);
      const devices = await devicesOn(serve);
      const answers = await load(serve, picture!);
      console.log(JSON.stringify([...answers].map(([device, list]) => [device, list.length])));
      assert.deepEqual([...answers.keys()].sort(), devices.toSorted());
      const [first] = [...answers.values()].flat();
      for (const { detections } of [...answers.values()].flat()) assert.deepEqual(detections, first!.detections);

      const victim = instances.at(-1)!.pid!;
      const during = load(serve, picture!);
      killQuietly(victim);
      const after = [...(await during).values()].flat();
      assert.equal(after.length, REQUESTS, "a request of the dead worker is answered by another");
      await serve.until("without the killed worker", async () => (await instancesOn(serve)).at(-1)!.pid !== victim);
      await serve.until("on every GPU again", allOn);
      assert.deepEqual(await devicesOn(serve), devices);
      assert.equal(await serve.stop(), 0, serve.stderr);
    });
    await t.step("one that is named by its UUID is the one that answers", async () => {
      let uuid: string;
      {
        await using serve = await serveOn("all");
        uuid = (await instancesOn(serve)).at(-1)!.gpu!.uuid;
      }
      await using serve = await serveOn(uuid);
      await serve.until("on its GPU", async () => !(await devicesOn(serve)).includes(null), BUILD_MS);
      assert.equal((await instancesOn(serve)).length, 1);
      assert.match((await detectOn(serve, picture!)).backend.device, new RegExp(`^cuda:${gpuCount - 1} `));
      assert.equal(await serve.stop(), 0, serve.stderr);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const [tensorrt] = tensorRts;
const reason = skipReason ??
  (tensorrt === undefined
    ? "TRTD_TEST_TENSORRT=DIR[:DIR] names no TensorRT"
    : gpuCount < 2
    ? "there is one GPU"
    : null);
gpuTest("gpu: trtd serve on several GPUs", (t) => testSeveral(t, tensorrt!), reason);
