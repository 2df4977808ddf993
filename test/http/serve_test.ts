import assert from "node:assert/strict";
import { joined, PNG } from "./fixtures.ts";
import { exchange } from "./exchanges/raw_client.ts";
import { tinyYolo } from "../onnx/build_model.ts";
import { isAlive, ServeFailed, startServe, TINY_LABELS, writeTinyModel } from "./serve_process.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
const model = writeTinyModel(folder);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const detect = (url: string) =>
  fetch(`${url}/v1/detect`, { method: "POST", body: PNG, headers: { "content-type": "image/png" } });

const head = (length: number) =>
  `POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: ${length}\r\n\r\n`;

Deno.test("serve: a picture goes through a real worker and comes back with the model's box", async () => {
  await using serve = await startServe(["--model", model]);
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
    await using serve = await startServe(["--model", model]);
    await serve.ready();
    const workers = serve.workers();
    assert.equal(workers.length, 1);
    const inFlight = Array.from({ length: 24 }, () => detect(serve.url));
    const uploading = exchange([head(PNG.length), PNG.subarray(0, 20), 400, PNG.subarray(20)], serve);
    await new Promise((resolve) => setTimeout(resolve, 60));
    serve.child.kill(signal);
    const answers = await Promise.all(inFlight);
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
    for (const answer of answers) assert.equal((await answer.json()).detections.length, 1);
    const uploaded = await uploading;
    assert.deepEqual(uploaded.statuses, [200], JSON.stringify(uploaded));
    const { code } = await serve.child.status;
    assert.equal(code, 0, serve.stderr());
    assert.equal(isAlive(workers[0]!), false);
  });
}

Deno.test("serve: while it stops, a kept connection is told so and new ones are refused", async () => {
  await using serve = await startServe(["--model", model]);
  await serve.ready();
  const uploading = exchange([head(PNG.length), PNG.subarray(0, 20), 900, PNG.subarray(20)], serve);
  const kept = exchange(
    [joined("GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"), 500, joined(head(PNG.length), PNG)],
    { ...serve, answers: 2 },
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  serve.child.kill("SIGTERM");
  const reply = await kept;
  if (serve.enforcesTimeouts) {
    assert.deepEqual(reply.statuses, [200], "an idle connection is closed");
    assert.equal(reply.closed, true);
  } else assert.deepEqual(reply.statuses, [200, 503]);
  assert.deepEqual((await uploading).statuses, [200]);
  assert.equal((await serve.child.status).code, 0);
});

Deno.test("serve: a second signal ends at once with status 130", async () => {
  await using serve = await startServe(["--model", model]);
  await serve.ready();
  const uploading = exchange([head(PNG.length), PNG.subarray(0, 20)], { ...serve, timeoutMs: 3000 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  serve.child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 500));
  serve.child.kill("SIGTERM");
  const started = performance.now();
  assert.equal((await serve.child.status).code, 130);
  assert.ok(performance.now() - started < 2500);
  await uploading;
});

Deno.test("serve: a killed worker's requests are answered by its successor", async () => {
  await using serve = await startServe(["--model", model]);
  await serve.ready();
  const [worker] = serve.workers();
  Deno.kill(worker!, "SIGSTOP");
  const stuck = Array.from({ length: 5 }, () => detect(serve.url));
  await new Promise((resolve) => setTimeout(resolve, 150));
  Deno.kill(worker!, "SIGKILL");
  const statuses = await Promise.all(stuck.map(async (pending) => {
    const answer = await pending;
    const body = await answer.json();
    return answer.status === 200 ? "200" : body.code;
  }));
  assert.deepEqual(statuses, ["200", "200", "200", "200", "200"]);
  const [successor] = serve.workers();
  assert.notEqual(successor, worker);
  const after = await detect(serve.url);
  assert.equal(after.status, 200);
  await after.body?.cancel();
});

Deno.test("serve: the worker does not outlive a killed server", async () => {
  await using serve = await startServe(["--model", model]);
  await serve.ready();
  const [worker] = serve.workers();
  serve.child.kill("SIGKILL");
  await serve.child.status;
  for (let i = 0; i < 100 && isAlive(worker!); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(isAlive(worker!), false);
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
      startServe(flags),
      (error: unknown) => error instanceof ServeFailed && error.status === status && error.stderr.includes(code),
      code,
    );
  }
  busy.close();
  await using serve = await startServe(["--model", broken]);
  assert.equal((await serve.child.status).code, 1);
  await serve.says(/MODEL_NOT_PROTOBUF/);
});

Deno.test("serve: in one process it answers without a worker", async () => {
  await using serve = await startServe(["--model", model, "--backend", "onnxruntime", "--in-process"]);
  await serve.ready();
  assert.deepEqual(serve.workers(), []);
  const answers = await Promise.all(Array.from({ length: 8 }, () => detect(serve.url)));
  for (const answer of answers) assert.equal((await answer.json()).detections[0].label, "qr_code");
  serve.child.kill("SIGTERM");
  assert.equal((await serve.child.status).code, 0, serve.stderr());
});

Deno.test("serve: SIGHUP reads the model again, a new worker takes over and no request is lost", async () => {
  const path = writeTinyModel(folder, "changing");
  await using serve = await startServe(["--model", path, "--backend", "onnxruntime", "--log-level", "info"]);
  await serve.ready();
  const [before] = serve.workers();
  const scores = new Set<string>();
  let asking = true;
  const load = (async () => {
    while (asking) {
      const answer = await detect(serve.url);
      assert.equal(answer.status, 200);
      scores.add((await answer.json()).detections[0].score.toFixed(2));
    }
  })();
  for (let i = 0; i < 200 && scores.size === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  Deno.writeFileSync(path, tinyYolo([{ box: [32, 32, 20, 10], scores: [0.7, 0.1] }], { labels: TINY_LABELS }));
  serve.child.kill("SIGHUP");
  for (let i = 0; i < 1000 && scores.size < 2; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  asking = false;
  await load;
  assert.deepEqual([...scores], ["0.90", "0.70"]);
  for (let i = 0; i < 500 && serve.workers().includes(before!); i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(serve.workers().length, 1);
  assert.equal(isAlive(before!), false);
});

Deno.test("serve: a stopped worker is noticed and replaced, and the request that it had is answered", async () => {
  await using serve = await startServe(["--model", model, "--backend", "onnxruntime"]);
  await serve.ready();
  const [worker] = serve.workers();
  Deno.kill(worker!, "SIGSTOP");
  const answer = await detect(serve.url);
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
  assert.equal(isAlive(worker!), false);
});

Deno.test("serve: shared memory that cannot hold a body is a setting that is wrong", async () => {
  await assert.rejects(
    startServe(["--model", model, "--ring-mb", "1"]),
    (error: unknown) => error instanceof ServeFailed && /CONFIG_INVALID: "ring_mb" is 1/.test(error.stderr),
  );
});
