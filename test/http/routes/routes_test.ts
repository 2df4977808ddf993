import assert from "node:assert/strict";
import { bytesOf, FakeWorker } from "../../serving/fake_worker.ts";
import { joined, PNG, pngOf, testServer } from "../fixtures.ts";
import { TrtdError } from "../../../src/errors.ts";
import { until } from "../../until.ts";

const post = (url: string, body: BodyInit, type?: string, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: "POST",
    body,
    headers: { ...(type === undefined ? {} : { "content-type": type }), ...headers },
  });

function form(parts: Record<string, string | Blob>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(parts)) data.append(name, value);
  return data;
}

async function problem(response: Response): Promise<[number, string]> {
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  assert.equal(body.status, response.status);
  assert.equal(body.request_id, response.headers.get("x-request-id"));
  for (const key of ["type", "title", "detail", "code", "remedy"]) assert.equal(typeof body[key], "string", key);
  assert.doesNotMatch(JSON.stringify(body), /\.ts:\d+|at file:/);
  return [response.status, body.code];
}

Deno.test("detect: a raw picture is answered with its detections and the request's id", async () => {
  await using test = await testServer();
  const response = await post(
    `${test.url}/v1/detect?score=0.5&iou=.6&max=7&classes=qr_code,%20aztec`,
    PNG,
    "image/png",
    {
      "x-request-id": "camera-7.frame_12",
    },
  );
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-request-id"), "camera-7.frame_12");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  const answer = await response.json();
  assert.equal(answer.id, "camera-7.frame_12");
  assert.equal(answer.model, "codes");
  assert.deepEqual(answer.detections[0].box, { x1: 1.4, y1: 2.6, x2: 9, y2: 9 });
  assert.ok(answer.timings_ms.queue >= 0);
  assert.deepEqual(test.worker.seen[0]!.options, { score: 0.5, iou: 0.6, max: 7, classes: ["qr_code", "aztec"] });
  assert.deepEqual(bytesOf(test.worker.seen[0]!), PNG);
});

Deno.test("detect: a form's picture, octet-stream and a named model are answered alike", async () => {
  await using test = await testServer();
  const file = new Blob([PNG], { type: "image/png" });
  for (
    const response of [
      await post(`${test.url}/v1/detect`, form({ image: file })),
      await post(`${test.url}/v1/detect`, PNG, "application/octet-stream"),
      await post(`${test.url}/v1/models/codes/detect`, PNG, "image/png; foo=bar"),
    ]
  ) {
    assert.equal(response.status, 200);
    assert.equal((await response.json()).detections.length, 1);
  }
  for (const seen of test.worker.seen) assert.deepEqual(bytesOf(seen), PNG);
});

Deno.test("detect: annotate answers a JPEG and counts the detections in a header", async () => {
  await using test = await testServer();
  const response = await post(`${test.url}/v1/detect?annotate=1`, PNG, "image/png");
  assert.equal(response.headers.get("content-type"), "image/jpeg");
  assert.equal(response.headers.get("x-detections"), "1");
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()).subarray(0, 2), Uint8Array.of(0xff, 0xd8));
});

Deno.test("detect: each bad parameter is refused with its name", async () => {
  await using test = await testServer();
  for (
    const query of [
      "score=2",
      "score=",
      "score=abc",
      "score=0x1",
      "score=Infinity",
      "score=0.1&score=0.2",
      "iou=-0.1",
      "max=0",
      "max=5001",
      "max=1.5",
      "annotate=yes",
      "classes=",
      "classes=qr_code,nothing",
      "conf=0.5",
      "__proto__=1",
    ]
  ) {
    const response = await post(`${test.url}/v1/detect?${query}`, PNG, "image/png");
    assert.deepEqual(await problem(response), [400, "PARAMETER_INVALID"], query);
  }
  assert.equal(test.worker.seen.length, 0);
});

Deno.test("detect: what is not a picture that may be decoded never reaches the worker", async () => {
  await using test = await testServer({ http: { max_body_bytes: 100_000, max_pixels: 1_000_000 } });
  const gif = joined("GIF89a", new Uint8Array(64));
  const cases: [string, BodyInit, string | undefined, Record<string, string>, number, string][] = [
    ["no type", PNG, undefined, {}, 415, "CONTENT_TYPE_UNSUPPORTED"],
    ["text", "hello", "text/plain", {}, 415, "CONTENT_TYPE_UNSUPPORTED"],
    ["gif by type", gif, "image/gif", {}, 415, "IMAGE_TYPE_UNSUPPORTED"],
    ["gif by bytes", gif, "application/octet-stream", {}, 415, "IMAGE_TYPE_UNSUPPORTED"],
    ["png as jpeg", PNG, "image/jpeg", {}, 415, "IMAGE_TYPE_MISMATCH"],
    ["nothing", new Uint8Array(0), "image/png", {}, 422, "IMAGE_EMPTY"],
    ["cut short", PNG.slice(0, 20), "image/png", {}, 422, "IMAGE_CORRUPT"],
    ["too many pixels", pngOf(1001, 1000), "image/png", {}, 413, "IMAGE_TOO_MANY_PIXELS"],
    ["no pixels", pngOf(0, 10), "image/png", {}, 422, "IMAGE_DIMENSIONS_INVALID"],
    ["too many bytes", new Uint8Array(100_001), "image/png", {}, 413, "BODY_TOO_LARGE"],
    ["compressed", PNG, "image/png", { "content-encoding": "gzip" }, 415, "CONTENT_ENCODING_UNSUPPORTED"],
    ["no image part", form({ picture: new Blob([PNG]) }), undefined, {}, 400, "MULTIPART_INVALID"],
    ["no boundary", PNG, "multipart/form-data", {}, 400, "MULTIPART_INVALID"],
    [
      "a form's gif",
      form({ image: new Blob([gif], { type: "image/gif" }) }),
      undefined,
      {},
      415,
      "IMAGE_TYPE_UNSUPPORTED",
    ],
  ];
  for (const [name, body, type, headers, status, code] of cases) {
    const response = await fetch(`${test.url}/v1/detect`, {
      method: "POST",
      body: typeof body === "string" || body instanceof FormData ? body : new Blob([body as Uint8Array<ArrayBuffer>]),
      headers: { ...(type === undefined ? {} : { "content-type": type }), ...headers },
    });
    assert.deepEqual(await problem(response), [status, code], name);
  }
  assert.equal(test.worker.seen.length, 0);
});

Deno.test("routes: names of models are checked, unknown ones are not found", async () => {
  await using test = await testServer();
  assert.deepEqual(await problem(await fetch(`${test.url}/v1/models/nothing`)), [404, "MODEL_NOT_FOUND"]);
  for (const name of ["..%2f..%2fetc", "%2e%2e%2fpasswd", "A", "a%00", "x".repeat(65), "%E2%80%A4%E2%80%A4", ".a"]) {
    assert.deepEqual(await problem(await fetch(`${test.url}/v1/models/${name}`)), [400, "MODEL_NAME_INVALID"], name);
  }
  assert.deepEqual(await problem(await post(`${test.url}/v1/models/nothing/detect`, PNG, "image/png")), [
    404,
    "MODEL_NOT_FOUND",
  ]);
});

Deno.test("routes: unknown paths and methods are problems too", async () => {
  await using test = await testServer();
  for (const path of ["/", "/nothing", "/v1/detect/", "/v1", "/docs/../../etc/passwd", "/docs/package.json"]) {
    assert.deepEqual(await problem(await fetch(`${test.url}${path}`)), [404, "ROUTE_NOT_FOUND"], path);
  }
  const cases: [string, string, string][] = [
    ["GET", "/v1/detect", "OPTIONS, POST"],
    ["PUT", "/v1/models/codes/detect", "OPTIONS, POST"],
    ["DELETE", "/v1/models", "GET, HEAD, OPTIONS"],
    ["PATCH", "/v1/vision/custom/list", "GET, HEAD, OPTIONS, POST"],
  ];
  for (const [method, path, allow] of cases) {
    const response = await fetch(`${test.url}${path}`, { method });
    assert.equal(response.headers.get("allow"), allow);
    if (path.startsWith("/v1/vision/")) assert.equal((await response.json()).error_code, "METHOD_NOT_ALLOWED");
    else assert.deepEqual(await problem(response), [405, "METHOD_NOT_ALLOWED"]);
  }
  const options = await fetch(`${test.url}/v1/detect`, { method: "OPTIONS" });
  assert.equal(options.status, 204);
  assert.equal(options.headers.get("allow"), "OPTIONS, POST");
  const head = await fetch(`${test.url}/v1/models`, { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), "");
});

Deno.test("routes: a request id that is not allowed is replaced", async () => {
  await using test = await testServer();
  for (const id of ["a b", "x".repeat(65), "<script>", ""]) {
    const response = await fetch(`${test.url}/health/live`, { headers: { "x-request-id": id } });
    await response.body?.cancel();
    assert.match(response.headers.get("x-request-id")!, /^[0-9a-f-]{36}$/);
  }
});

Deno.test("health: ready is 503 with the reason until the worker has answered, live is 200 throughout", async () => {
  const worker = new FakeWorker({ loading: true });
  await using test = await testServer({ worker });
  assert.equal((await (await fetch(`${test.url}/health/live`)).json()).status, "live");
  const before = await fetch(`${test.url}/health/ready`);
  assert.equal(before.headers.get("retry-after"), "1");
  assert.deepEqual(await problem(before), [503, "MODEL_NOT_READY"]);
  assert.deepEqual(await problem(await post(`${test.url}/v1/detect`, PNG, "image/png")), [503, "MODEL_NOT_READY"]);
  worker.becomeReady();
  await test.manager.started;
  const after = await fetch(`${test.url}/health/ready`);
  assert.equal(after.status, 200);
  const body = await after.json();
  assert.equal(body.status, "ready");
  assert.equal(body.degraded, null);
  assert.deepEqual(body.models.map((model: { name: string; ready: boolean }) => [model.name, model.ready]), [[
    "codes",
    true,
  ]]);
});

Deno.test("models: the list and the single answer agree and name the labels", async () => {
  await using test = await testServer();
  const { models } = await (await fetch(`${test.url}/v1/models`)).json();
  const one = await (await fetch(`${test.url}/v1/models/codes`)).json();
  assert.deepEqual(models, [one]);
  assert.deepEqual(one.labels, ["qr_code", "aztec"]);
  assert.equal(one.default, true);
  assert.equal(one.backend.name, "onnxruntime");
});

Deno.test("vision: a DeepStack form is answered as DeepStack answers", async () => {
  await using test = await testServer();
  const url = `${test.url}/v1/vision/detection`;
  const answer = await (await post(url, form({ image: new Blob([PNG]), min_confidence: "0.6", api_key: "" }))).json();
  assert.equal(answer.success, true);
  assert.equal(answer.code, 200);
  assert.deepEqual(answer.predictions, [{ label: "qr_code", confidence: 0.9, x_min: 1, y_min: 3, x_max: 9, y_max: 9 }]);
  assert.equal(typeof answer.duration, "number");
  assert.equal(test.worker.seen[0]!.options.score, 0.6);
  await (await post(url, form({ image: new Blob([PNG]) }))).body?.cancel();
  assert.equal(test.worker.seen[1]!.options.score, 0.4, "the default of DeepStack");
  const custom = await post(`${test.url}/v1/vision/custom/codes`, form({ image: new Blob([PNG]) }));
  assert.equal((await custom.json()).success, true);
  for (const method of ["GET", "POST"]) {
    const list = await (await fetch(`${test.url}/v1/vision/custom/list`, { method })).json();
    assert.deepEqual([list.success, list.models], [true, ["codes"]]);
  }
  assert.deepEqual(await (await fetch(`${test.url}/v1/status/ping`)).json(), { success: true });
});

Deno.test("vision: errors keep the status and say success false", async () => {
  await using test = await testServer();
  const url = `${test.url}/v1/vision/detection`;
  const cases: [Response, number, string][] = [
    [await post(url, form({ image: new Blob([PNG]), min_confidence: "2" })), 400, "PARAMETER_INVALID"],
    [await post(url, form({ min_confidence: "0.4" })), 400, "MULTIPART_INVALID"],
    [await post(url, PNG, "image/png"), 415, "CONTENT_TYPE_UNSUPPORTED"],
    [await post(url, form({ image: new Blob([PNG.slice(0, 30)]) })), 422, "IMAGE_CORRUPT"],
    [await post(`${test.url}/v1/vision/custom/no`, form({ image: new Blob([PNG]) })), 404, "MODEL_NOT_FOUND"],
    [await fetch(`${test.url}/v1/vision/face`), 404, "ROUTE_NOT_FOUND"],
  ];
  for (const [response, status, code] of cases) {
    const body = await response.json();
    assert.deepEqual([response.status, body.success, body.code, body.error_code], [status, false, status, code]);
  }
});

Deno.test("detect: the worker's own failures keep their codes, and defects tell nothing", async () => {
  const worker = new FakeWorker({ automatic: false });
  await using test = await testServer({ worker });
  const failing = async (error: TrtdError) => {
    const answer = post(`${test.url}/v1/detect`, PNG, "image/png");
    await until("asked", () => worker.held.length > 0, { everyMs: 1 });
    worker.held[0]!.fail(error);
    return await answer;
  };
  assert.deepEqual(await problem(await failing(new TrtdError("IMAGE_CORRUPT", "The picture is cut"))), [
    422,
    "IMAGE_CORRUPT",
  ]);
  const defect = await failing(new TrtdError("INTERNAL", "secret path /root/x.ts:12"));
  assert.doesNotMatch(await defect.clone().text(), /secret/);
  assert.deepEqual(await problem(defect), [500, "INTERNAL"]);
  const full = await failing(new TrtdError("OUT_OF_GPU_MEMORY", "The GPU has no memory left"));
  assert.equal(full.headers.get("retry-after"), "1");
  assert.deepEqual(await problem(full), [503, "OUT_OF_GPU_MEMORY"]);
});
