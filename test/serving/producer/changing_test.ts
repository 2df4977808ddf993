import assert from "node:assert/strict";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import sharp from "sharp";
import { ServeProcess } from "../../server/serve_process.ts";
import { writeTinyModel } from "../../server/tiny_model.ts";
import { TestProducer, write } from "./fixture.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
const model = writeTinyModel(folder);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

Deno.test("producer: pictures that are changed while they are read are answered or refused, and the worker stays", async () => {
  const noise = Uint8Array.from({ length: 3 * 320 * 240 }, (_, at) => (at * 2_654_435_761) >>> 24);
  const raw = { raw: { width: 320, height: 240, channels: 3 } } as const;
  const files = await Promise.all([sharp(noise, raw).jpeg().toBuffer(), sharp(noise, raw).webp().toBuffer()]);
  const bomb = await sharp({ create: { width: 9000, height: 9000, channels: 3, background: "red" } }).jpeg().toBuffer();
  const path = join(folder, "changing");
  await using serve = await ServeProcess.start([
    "--model",
    model,
    "--backend",
    "onnxruntime",
    "--producer-socket",
    path,
  ]);
  await serve.ready();
  const worker = await serve.worker();
  const producer = await TestProducer.connect(path);
  const slotBytes = 524_288;
  await producer.say({ type: "hello", protocol: 1, slot_bytes: slotBytes });
  const { path: ringPath } = await producer.next();
  const ring = Deno.openSync(ringPath as string, { read: true, write: true });
  const codes = new Map<unknown, number>();
  for (let id = 0; id < 120; id++) {
    const file = files[id % files.length]!;
    write(ring, 0, file);
    await producer.say({ type: "detect", id, slot: 0, kind: "file", length: file.length });
    // The manager has seen a small picture; the worker finds another one, or half of two.
    const [at, other] = id % 3 === 0 ? [0, bomb] : [(id * 7919) % file.length, noise.subarray(0, 500)];
    for (let i = 0; i < id % 5; i++) await new Promise((resolve) => setImmediate(resolve));
    write(ring, at, other);
    const { code = "result", free } = await producer.next();
    assert.equal(free, true);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  const allowed = [
    "result",
    "IMAGE_CORRUPT",
    "IMAGE_TYPE_UNSUPPORTED",
    "IMAGE_TOO_MANY_PIXELS",
    "IMAGE_DIMENSIONS_INVALID",
  ];
  assert.deepEqual(
    [...codes.keys()].filter((code) => !allowed.includes(code as string)),
    [],
    JSON.stringify([...codes]),
  );
  assert.ok(codes.size > 1, "some were changed in time");
  await producer.say({ type: "detect", id: 0, slot: 0, kind: "rgb", width: 2, height: 2 });
  assert.equal((await producer.next())["type"], "result");
  assert.deepEqual(serve.workers, [worker], serve.stderr);
  ring.close();
  producer.close();
});

Deno.test("producer: SIGTERM loses no request in flight, and refuses those that come later", async () => {
  const path = join(folder, "stopping");
  await using serve = await ServeProcess.start([
    "--model",
    model,
    "--backend",
    "onnxruntime",
    "--producer-socket",
    path,
  ]);
  await serve.ready();
  const producer = await TestProducer.connect(path);
  await producer.say({ type: "hello", protocol: 1, slot_bytes: 1_048_576 });
  const { slots } = await producer.next();
  const detect = { type: "detect", kind: "rgb", width: 640, height: 480 };
  for (let slot = 0; slot < Number(slots); slot++) await producer.say({ ...detect, id: slot, slot });
  const answers = [await producer.next()];
  serve.kill("SIGTERM");
  for (let id = Number(slots); id < 1000 && answers.at(-1)!["code"] !== "SHUTTING_DOWN"; id++) {
    const said = producer.say({ ...detect, id, slot: answers.at(-1)!["slot"] }).then(() => true, () => false);
    if (!await said) break;
    answers.push(await producer.next());
  }
  await producer.ended;
  answers.push(...producer.told);
  assert.equal((await serve.status).code, 0, serve.stderr);
  const kinds = new Set(answers.map(({ type, code }) => code ?? type));
  assert.ok(kinds.has("result"));
  assert.deepEqual([...kinds].filter((kind) => kind !== "result" && kind !== "SHUTTING_DOWN"), []);
  const ids = answers.map(({ id }) => Number(id)).sort((a, b) => a - b);
  assert.deepEqual(ids, ids.map((_, at) => at), "each request has one answer");
  producer.close();
});
