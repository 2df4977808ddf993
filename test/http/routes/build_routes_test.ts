import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import { FAKE_BACKEND, FAKE_MODEL, FakeWorker } from "../../serving/fake_worker.ts";
import { settled } from "../../serving/fake_clock.ts";
import { scriptedBuilds } from "../../serving/engine/scripted_build.ts";
import { PNG, testServer } from "../fixtures.ts";
import { pause, until } from "../../until.ts";

const detect = async (url: string) => {
  const answer = await fetch(`${url}/v1/detect`, {
    method: "POST",
    body: PNG,
    headers: { "content-type": "image/png" },
  });
  return { status: answer.status, retryAfter: answer.headers.get("retry-after"), body: await answer.json() };
};

Deno.test("build routes: the CPU answers while the engine is built, then the engine does, and no request is lost", async () => {
  const gpu = { ...FAKE_BACKEND, name: "tensorrt", device: "cuda:0" } as const;
  const workers = [
    new FakeWorker({ backend: { ...FAKE_BACKEND, degraded: "The engine is not built yet" } }),
    new FakeWorker({ backend: gpu }),
  ];
  let starts = 0;
  const { builds, started } = scriptedBuilds([FAKE_MODEL], (model) => test.manager.reload(model));
  await using test = await testServer({ builds, serving: { startWorker: () => workers[starts++]! } });
  const path = `${test.url}/v1/models/${FAKE_MODEL}/build`;
  assert.equal((await (await fetch(path)).json()).state, "none");
  builds.start(FAKE_MODEL);
  await settled();
  started[0]!.say({ type: "progress", phase: "Timing tactics", fraction: 0.5 });
  const ready = await (await fetch(`${test.url}/health/ready`)).json();
  assert.deepEqual([ready.status, ready.degraded, ready.models[0].build.percent], [
    "ready",
    "The engine is not built yet",
    50,
  ]);
  assert.equal((await detect(test.url)).body.backend.name, "onnxruntime");

  const events = await fetch(path, { headers: { accept: "text/event-stream" } });
  assert.equal(events.headers.get("content-type"), "text/event-stream");
  let asking = true;
  const seen: string[] = [];
  const load = (async () => {
    while (asking) {
      const { status, body } = await detect(test.url);
      assert.equal(status, 200);
      if (seen.at(-1) !== body.backend.name) seen.push(body.backend.name);
    }
  })();
  await until("answering", () => seen.length > 0);
  started[0]!.end("built");
  const told = (await events.text()).trim().split("\n\n").map((event) => JSON.parse(/^data: (.*)$/m.exec(event)![1]!));
  assert.deepEqual([told[0].state, told[0].phase, told.at(-1).state], ["running", "Timing tactics", "done"]);
  await until("taken over", () => seen.length > 1).finally(() => asking = false);
  await load;
  assert.deepEqual(seen, ["onnxruntime", "tensorrt"]);
  assert.equal((await (await fetch(`${test.url}/health/ready`)).json()).degraded, null);
});

Deno.test("build routes: told to refuse, the server is 503 with the time that is left, until the engine answers", async () => {
  const { builds, clock, started } = scriptedBuilds([FAKE_MODEL]);
  const refuse = (model: string) =>
    builds.isUnderWay(model)
      ? new TrtdError("MODEL_NOT_READY", "It is being built", { retryAfterS: builds.retryAfterS(model) })
      : null;
  await using test = await testServer({ builds, serving: { refuse } });
  builds.start(FAKE_MODEL);
  await settled();
  started[0]!.say({ type: "expected", seconds: 40 });
  await clock.advance(10_000);
  const { status, retryAfter, body } = await detect(test.url);
  assert.deepEqual([status, retryAfter, body.code], [503, "30", "MODEL_NOT_READY"]);
  const ready = await fetch(`${test.url}/health/ready`);
  assert.deepEqual([ready.status, ready.headers.get("retry-after")], [503, "30"]);
  assert.equal((await ready.json()).state, "building");
  started[0]!.end("built");
  await settled();
  assert.equal((await detect(test.url)).status, 200);
});

Deno.test("build routes: DELETE cancels, and says so when there is nothing to cancel", async () => {
  const { builds, started } = scriptedBuilds([FAKE_MODEL]);
  await using test = await testServer({ builds });
  const path = `${test.url}/v1/models/${FAKE_MODEL}/build`;
  const remove = async () => {
    const answer = await fetch(path, { method: "DELETE" });
    return [answer.status, await answer.json()] as const;
  };
  const [status, { code }] = await remove();
  assert.deepEqual([status, code], [409, "BUILD_NOT_RUNNING"]);
  builds.start(FAKE_MODEL);
  await settled();
  assert.equal((await remove())[0], 200);
  await until("cancelled", () => !builds.isUnderWay(FAKE_MODEL));
  assert.deepEqual([builds.status(FAKE_MODEL).state, started.length], ["cancelled", 1]);
  const other = await fetch(`${test.url}/v1/models/other/build`);
  assert.deepEqual([other.status, (await other.json()).code], [404, "MODEL_NOT_FOUND"]);
});

Deno.test("build routes: a client that leaves a stream of events is not told any more", async () => {
  const { builds, started } = scriptedBuilds([FAKE_MODEL]);
  await using test = await testServer({ builds });
  builds.start(FAKE_MODEL);
  await settled();
  const client = new AbortController();
  const path = `${test.url}/v1/models/${FAKE_MODEL}/build`;
  const events = await fetch(path, { headers: { accept: "text/event-stream" }, signal: client.signal });
  const reader = events.body!.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /^event: build\ndata: /);
  client.abort();
  await reader.read().catch(() => {});
  await pause(50);
  started[0]!.say({ type: "progress", phase: "x", fraction: 0.5 });
  await builds.close();
});

Deno.test("build routes: a reload changes the workers, and one that fails leaves the old ones", async () => {
  const workers = [
    new FakeWorker(),
    new FakeWorker({ failure: new TrtdError("MODEL_LOAD_FAILED", "The model is wrong") }),
    new FakeWorker({ backend: { ...FAKE_BACKEND, device: "other" } }),
  ];
  let starts = 0;
  await using test = await testServer({ serving: { startWorker: () => workers[starts++]! } });
  const reload = async () => {
    const answer = await fetch(`${test.url}/v1/models/${FAKE_MODEL}/reload`, { method: "POST" });
    return [answer.status, await answer.json()] as const;
  };
  const [failed, { code }] = await reload();
  assert.ok(failed >= 400);
  assert.equal(code, "MODEL_LOAD_FAILED");
  assert.equal((await detect(test.url)).status, 200);
  const [status, { model, backend }] = await reload();
  assert.deepEqual([status, model, backend.device], [200, FAKE_MODEL, "other"]);
});
