import assert from "node:assert/strict";
import { joined, PNG } from "./fixtures.ts";
import { exchange, type RawReply } from "./exchanges/raw_client.ts";
import { tinyYolo } from "../onnx/build_model.ts";
import { pause, until } from "../until.ts";
import { isAlive, killQuietly } from "../server/process.ts";
import { ServeFailed, ServeProcess } from "../server/serve_process.ts";
import { TINY_LABELS, writeTinyModel } from "../server/tiny_model.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
const model = writeTinyModel(folder);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const detect = (url: string) =>
  fetch(`${url}/v1/detect`, { method: "POST", body: PNG, headers: { "content-type": "image/png" } });

const head = (length: number) =>
  `POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: ${length}\r\n\r\n`;

/** Uploads that a test holds back are not too slow. */
const PATIENT = ["--model", model, "--body-timeout-ms", "120000", "--header-timeout-ms", "120000"];

const MODELS = "GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n";

/** A picture of which the server has a part; its connection has had an answer before. */
async function halfUpload(serve: ServeProcess): Promise<{ reply: Promise<RawReply>; send(): void }> {
  const isSent = Promise.withResolvers<void>(), rest = Promise.withResolvers<void>();
  const begun = joined(head(PNG.length), PNG.subarray(0, 20));
  const steps = [MODELS, { answers: 1 }, begun, isSent.resolve, () => rest.promise, PNG.subarray(20)];
  const reply = exchange(steps, { ...serve, answers: 2 });
  await Promise.race([isSent.promise, reply]);
  // The server looks at all its connections before it answers on another.
  await serve.get("/health/live");
  return { reply, send: rest.resolve };
}

/** Wait until so many pictures wait or are in a worker. */
async function asked(serve: ServeProcess, count: number): Promise<void> {
  await serve.until(`asked for ${count}`, async () => {
    const text = await (await fetch(`${serve.url}/metrics`)).text();
    const there = [...text.matchAll(/^trtd_queue_(?:waiting|running)\{.*\} (\d+)$/gm)];
    return there.reduce((sum, [, value]) => sum + Number(value), 0) >= count;
  });
}

const refusesConnections = ({ host, port }: ServeProcess) =>
  until("refusing connections", () =>
    Deno.connect({ hostname: host, port }).then((connection) => {
      connection.close();
      return false;
    }, () => true));

Deno.test("serve: a picture goes through a real worker and comes back with the model's box", async () => {
  await using serve = await ServeProcess.start(["--model", model]);
  assert.equal((await (await fetch(`${serve.url}/health/live`)).json()).status, "live");
  await serve.ready();
  const answer = await (await detect(serve.url)).json();
  assert.deepEqual([answer.model, answer.image, answer.backend.name], [
    "tiny",
    { width: 16, height: 16 },
    "onnxruntime",
  ]);
  assert.equal(answer.detections.length, 1);
  const [{ label, box }] = answer.detections;
  assert.equal(label, "qr_code");
  const expected = { x1: 5.5, y1: 6.75, x2: 10.5, y2: 9.25 };
  for (const side of ["x1", "y1", "x2", "y2"] as const) assert.ok(Math.abs(box[side] - expected[side]) < 0.3, side);
  const annotated = await fetch(`${serve.url}/v1/detect?annotate=1`, {
    method: "POST",
    body: PNG,
    headers: { "content-type": "image/png" },
  });
  assert.deepEqual(new Uint8Array(await annotated.arrayBuffer()).subarray(0, 3), Uint8Array.of(0xff, 0xd8, 0xff));
  const labels = (await (await fetch(`${serve.url}/v1/models/tiny`)).json()).labels;
  assert.deepEqual(labels, ["qr_code", "aztec"]);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`serve: ${signal} loses no request in flight and ends with status 0`, async () => {
    await using serve = await ServeProcess.start(PATIENT);
    await serve.ready();
    const worker = await serve.worker();
    const half = await halfUpload(serve);
    Deno.kill(worker, "SIGSTOP");
    const inFlight = Array.from({ length: 24 }, () => detect(serve.url));
    await asked(serve, 24);
    serve.kill(signal);
    killQuietly(worker, "SIGCONT");
    half.send();
    const answers = await Promise.all(inFlight);
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
    for (const answer of answers) assert.equal((await answer.json()).detections.length, 1);
    const uploaded = await half.reply;
    assert.deepEqual(uploaded.statuses, [200, 200], JSON.stringify(uploaded));
    const { code } = await serve.status;
    assert.equal(code, 0, serve.stderr);
    assert.equal(isAlive(worker), false);
  });
}

Deno.test("serve: while it stops, a kept connection is told so and new ones are refused", async () => {
  await using serve = await ServeProcess.start(PATIENT);
  await serve.ready();
  const half = await halfUpload(serve);
  const isFirst = Promise.withResolvers<void>(), isStopping = Promise.withResolvers<void>();
  const kept = exchange(
    [MODELS, { answers: 1 }, isFirst.resolve, () => isStopping.promise, joined(head(PNG.length), PNG)],
    { ...serve, answers: 2 },
  );
  await isFirst.promise;
  serve.kill("SIGTERM");
  await refusesConnections(serve);
  isStopping.resolve();
  const reply = await kept;
  half.send();
  if (serve.enforcesTimeouts) {
    assert.deepEqual(reply.statuses, [200], "an idle connection is closed");
    assert.equal(reply.closed, true);
  } else assert.deepEqual(reply.statuses, [200, 503]);
  assert.deepEqual((await half.reply).statuses, [200, 200]);
  assert.equal((await serve.status).code, 0);
});

Deno.test("serve: a second signal ends at once with status 130", async () => {
  await using serve = await ServeProcess.start(PATIENT);
  await serve.ready();
  const half = await halfUpload(serve);
  serve.kill("SIGTERM");
  await refusesConnections(serve);
  // Two within 300 ms are one.
  await pause(400);
  serve.kill("SIGTERM");
  assert.equal((await serve.status).code, 130);
  half.send();
  await half.reply;
});

Deno.test("serve: a killed worker's requests are answered by its successor", async () => {
  await using serve = await ServeProcess.start(PATIENT);
  await serve.ready();
  const worker = await serve.worker();
  Deno.kill(worker, "SIGSTOP");
  const stuck = Array.from({ length: 5 }, () => detect(serve.url));
  await asked(serve, 5);
  killQuietly(worker);
  const statuses = await Promise.all(stuck.map(async (pending) => {
    const answer = await pending;
    const body = await answer.json();
    return answer.status === 200 ? "200" : body.code;
  }));
  assert.deepEqual(statuses, ["200", "200", "200", "200", "200"]);
  assert.ok(!serve.workers.includes(worker));
  const after = await detect(serve.url);
  assert.equal(after.status, 200);
  await after.body?.cancel();
});

Deno.test("serve: the worker does not outlive a killed server", async () => {
  await using serve = await ServeProcess.start(["--model", model]);
  await serve.ready();
  const worker = await serve.worker();
  serve.kill("SIGKILL");
  await serve.status;
  await until("rid of the worker", () => !isAlive(worker));
});

Deno.test("serve: what cannot start says why and has its exit status", async () => {
  const busy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const broken = `${folder}/broken.onnx`;
  Deno.writeTextFileSync(broken, "this is not a model");
  const cases: [string[], number, string][] = [
    [["--model", model, "--port", String(busy.addr.port)], 3, "ADDRESS_UNAVAILABLE"],
    [["--model", "no-such-model"], 1, "MODEL_NOT_FOUND"],
    [["--model", model, "--model", model], 2, "USAGE"],
    [["--model", model, "something"], 2, "USAGE"],
  ];
  for (const [flags, status, code] of cases) {
    await assert.rejects(
      ServeProcess.start(flags),
      (error: unknown) => error instanceof ServeFailed && error.status === status && error.stderr.includes(code),
      code,
    );
  }
  busy.close();
  await using serve = await ServeProcess.start(["--model", broken]);
  assert.equal((await serve.status).code, 1);
  await serve.says(/MODEL_NOT_PROTOBUF/);
});

Deno.test("serve: in one process it answers without a worker", async () => {
  await using serve = await ServeProcess.start(["--model", model, "--backend", "onnxruntime", "--in-process"]);
  await serve.ready();
  assert.deepEqual(serve.workers, []);
  const answers = await Promise.all(Array.from({ length: 8 }, () => detect(serve.url)));
  for (const answer of answers) assert.equal((await answer.json()).detections[0].label, "qr_code");
  serve.kill("SIGTERM");
  assert.equal((await serve.status).code, 0, serve.stderr);
});

Deno.test("serve: SIGHUP reads the model again, a new worker takes over and no request is lost", async () => {
  const path = writeTinyModel(folder, "changing");
  await using serve = await ServeProcess.start(["--model", path, "--backend", "onnxruntime", "--log-level", "info"]);
  await serve.ready();
  const before = await serve.worker();
  const scores = new Set<string>();
  let asking = true;
  const load = (async () => {
    while (asking) {
      const answer = await detect(serve.url);
      assert.equal(answer.status, 200);
      scores.add((await answer.json()).detections[0].score.toFixed(2));
    }
  })();
  await serve.until("answering", () => scores.size > 0);
  Deno.writeFileSync(path, tinyYolo([{ box: [32, 32, 20, 10], scores: [0.7, 0.1] }], { labels: TINY_LABELS }));
  serve.kill("SIGHUP");
  await serve.until("answering otherwise", () => scores.size > 1).finally(() => asking = false);
  await load;
  assert.deepEqual([...scores], ["0.90", "0.70"]);
  await serve.until("rid of the first worker", () => !isAlive(before));
  assert.equal(serve.workers.length, 1);
});

Deno.test("serve: a stopped worker is noticed and replaced, and the request that it had is answered", async () => {
  await using serve = await ServeProcess.start(["--model", model, "--backend", "onnxruntime"]);
  await serve.ready();
  const worker = await serve.worker();
  Deno.kill(worker, "SIGSTOP");
  const answer = await detect(serve.url);
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
  assert.equal(isAlive(worker), false);
});

Deno.test("serve: shared memory that cannot hold a body is a setting that is wrong", async () => {
  await assert.rejects(
    ServeProcess.start(["--model", model, "--ring-mb", "1"]),
    (error: unknown) => error instanceof ServeFailed && /CONFIG_INVALID: "ring_mb" is 1/.test(error.stderr),
  );
});
