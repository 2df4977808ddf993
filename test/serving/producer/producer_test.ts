import assert from "node:assert/strict";
import { join } from "node:path";
import type { WorkerRequest } from "../../../src/serving/detection_worker.ts";
import { ProducerSocket } from "../../../src/serving/producer/producer_socket.ts";
import { PNG } from "../../http/fixtures.ts";
import { bytesOf, FAKE_MODEL, FakeWorker } from "../fake_worker.ts";
import { FILE, fixture, folder, greeted, greetedAtLast, SETTINGS, TestProducer, write } from "./fixture.ts";
import { until } from "../../until.ts";

Deno.test("producer: hello is answered with a ring that only this user can open, and its slots", async () => {
  await using server = await fixture(new FakeWorker());
  const producer = await TestProducer.connect(server.path);
  await producer.say({ type: "hello", protocol: 1, slot_bytes: 5000 });
  const { path, ...ring } = await producer.next();
  assert.deepEqual(ring, {
    type: "ring",
    protocol: 1,
    bytes: 131_072,
    slot_bytes: 8192,
    slots: 16,
    models: [FAKE_MODEL],
  });
  for (const one of [path as string, server.path]) assert.equal(Deno.statSync(one).mode! & 0o777, 0o600);
  producer.close();
});

Deno.test("producer: what it writes into a slot is what the worker gets, raw or as a file, with its wishes", async () => {
  const worker = new FakeWorker();
  await using server = await fixture(worker);
  const { producer, ring } = await greeted(server.path);
  write(ring, 3 * 8192, Uint8Array.of(1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12));
  await producer.say({ type: "detect", id: "a", slot: 3, kind: "rgb", width: 2, height: 2, stride: 8, score: 0.5 });
  const raw = await producer.next();
  assert.deepEqual([raw["type"], raw["id"], raw["slot"], raw["free"]], ["result", "a", 3, true]);
  assert.equal((raw["detections"] as { label: string }[])[0]!.label, "qr_code");
  assert.ok("queue" in (raw["timings_ms"] as object));
  const [first] = worker.seen as [WorkerRequest];
  assert.deepEqual([...bytesOf(first)], [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(first.options, { score: 0.5, iou: 0.6 }, "its own wishes, the settings else");
  write(ring, 0, PNG);
  await producer.say({ type: "detect", id: 2, slot: 0, kind: "file", length: PNG.length, model: FAKE_MODEL });
  assert.equal((await producer.next())["id"], 2);
  assert.deepEqual(bytesOf(worker.seen[1]!), Uint8Array.from(PNG));
  ring.close();
  producer.close();
});

Deno.test("producer: a slot has one owner at a time, also when its request's time is over", async () => {
  const worker = new FakeWorker({ automatic: false });
  await using server = await fixture(worker);
  const { producer, ring } = await greeted(server.path);
  const detect = { type: "detect", slot: 1, kind: "rgb", width: 2, height: 2 };
  await producer.say({ ...detect, id: 1, timeout_ms: 30 });
  await producer.say({ ...detect, id: 2 });
  const refused = await producer.next();
  assert.deepEqual([refused["id"], refused["code"], refused["free"]], [2, "PARAMETER_INVALID", false]);
  const late = await producer.next();
  assert.deepEqual([late["id"], late["code"], late["free"]], [1, "DEADLINE_EXCEEDED", false]);
  await producer.say({ ...detect, id: 3 });
  assert.equal((await producer.next())["code"], "PARAMETER_INVALID", "the worker still reads it");
  worker.held[0]!.answer();
  assert.deepEqual(await producer.next(), { type: "free", slot: 1 });
  worker.automatic = true;
  await producer.say({ ...detect, id: 4 });
  assert.deepEqual((await producer.next())["type"], "result");
  ring.close();
  producer.close();
});

Deno.test("producer: what cannot be is told, and the connection goes on", async () => {
  await using server = await fixture(new FakeWorker());
  const { producer, ring } = await greeted(server.path);
  const good = { type: "detect", id: 1, slot: 0, kind: "rgb", width: 2, height: 2 };
  const cases: [Record<string, unknown>, string][] = [
    [{ slot: 16 }, "PARAMETER_INVALID"],
    [{ stride: 5 }, "PARAMETER_INVALID"],
    [{ stride: 8191 }, "PARAMETER_INVALID"],
    [{ stride: Number.MAX_SAFE_INTEGER }, "PARAMETER_INVALID"],
    [{ width: 200, height: 200 }, "PARAMETER_INVALID"],
    [{ width: 7000, height: 7000 }, "IMAGE_TOO_MANY_PIXELS"],
    [{ width: 65_536, height: 1 }, "IMAGE_DIMENSIONS_INVALID"],
    [{ width: Number.MAX_SAFE_INTEGER, height: Number.MAX_SAFE_INTEGER }, "IMAGE_DIMENSIONS_INVALID"],
    [{ ...FILE, length: 8193 }, "PARAMETER_INVALID"],
    [{ ...FILE, length: 8192 }, "IMAGE_TYPE_UNSUPPORTED"],
    [{ model: "other" }, "MODEL_NOT_FOUND"],
    [{ classes: ["cat"] }, "PARAMETER_INVALID"],
  ];
  for (const [extra, code] of cases) {
    await producer.say({ ...good, ...extra });
    const answer = await producer.next();
    const { slot = 0 } = extra;
    assert.deepEqual([answer["code"], answer["slot"], answer["free"]], [code, slot, slot === 0], JSON.stringify(extra));
  }
  assert.deepEqual(server.errors, cases.map(([, code]) => code), "every error is counted");
  await producer.say(good);
  assert.equal((await producer.next())["type"], "result");
  ring.close();
  producer.close();
});

Deno.test("producer: nonsense ends the connection with its reason", async () => {
  const hello = { type: "hello", protocol: 1, slot_bytes: 4096 };
  const scripts: [unknown[], string][] = [
    [["{"], "REQUEST_INVALID"],
    [[{ type: "detect" }], "REQUEST_INVALID"],
    [[hello, { type: "detect", id: 1, slot: -1, kind: "rgb", width: 1, height: 1 }], "REQUEST_INVALID"],
    [[hello, { type: "detect", id: 1, slot: 0, kind: "rgb", width: 1, height: 1, other: 1 }], "REQUEST_INVALID"],
    [[{ ...hello, slot_bytes: 1e9 }], "SHARED_MEMORY_UNAVAILABLE"],
    [["x".repeat(70_000)], "REQUEST_INVALID"],
    [[{ ...hello, protocol: 2 }], "REQUEST_INVALID"],
    [[{ ...hello, slot_bytes: 0.5 }], "REQUEST_INVALID"],
    [[hello, hello], "REQUEST_INVALID"],
    [["\u0000"], "REQUEST_INVALID"],
    [[], "REQUEST_INVALID"],
    [['{"type":'], "REQUEST_INVALID"],
  ];
  await using server = await fixture(new FakeWorker(), { times: { firstMs: 1000, lineMs: 1000 } });
  for (const [lines, code] of scripts) {
    const producer = await TestProducer.connect(server.path);
    for (const line of lines) await producer.say(line).catch(() => {});
    let answer = await producer.next();
    if (answer["type"] === "ring") answer = await producer.next();
    assert.deepEqual([answer["type"], answer["id"], answer["code"]], ["error", null, code]);
    await producer.ended;
    await until("rid of it", () => server.socket.connections === 0);
  }
});

Deno.test("producer: more than there are rings are refused, and a ring is free again when its producer has gone", async () => {
  const worker = new FakeWorker({ automatic: false });
  await using server = await fixture(worker);
  const { producer, ring } = await greeted(server.path);
  await producer.say({ type: "detect", id: 1, slot: 0, kind: "rgb", width: 2, height: 2 });
  await until("asked", () => worker.held.length > 0);
  const refused = async () => {
    const other = await TestProducer.connect(server.path);
    await other.say({ type: "hello", protocol: 1, slot_bytes: 4096 });
    const answer = await other.next();
    await other.ended;
    return answer["code"];
  };
  assert.equal(await refused(), "PRODUCERS_FULL");
  producer.close();
  await until("rid of the producer", () => server.socket.connections === 0);
  assert.equal(await refused(), "PRODUCERS_FULL", "a worker may still read the ring");
  worker.held[0]!.answer();
  const next = await greetedAtLast(server.path);
  next.ring.close();
  next.producer.close();
  ring.close();
});

Deno.test("producer: a socket that lives is left alone, one of a dead server is taken over", async () => {
  await using server = await fixture(new FakeWorker());
  const options = { service: server.manager, settings: SETTINGS, rings: [], models: [FAKE_MODEL] };
  await assert.rejects(ProducerSocket.listen({ ...options, path: server.path }), { code: "ADDRESS_UNAVAILABLE" });
  const file = join(folder, "file");
  Deno.writeTextFileSync(file, "");
  await assert.rejects(ProducerSocket.listen({ ...options, path: file }), { code: "ADDRESS_UNAVAILABLE" });
  const open = join(folder, "open");
  Deno.mkdirSync(open);
  Deno.chmodSync(open, 0o750);
  for (const path of [join(file, "x"), join(open, "x"), join(folder, "x".repeat(108))]) {
    await assert.rejects(ProducerSocket.listen({ ...options, path }), { code: "ADDRESS_UNAVAILABLE" }, path);
  }
  const made = await ProducerSocket.listen({ ...options, path: join(folder, "new", "deep", "socket") });
  for (const name of ["new", "new/deep"]) assert.equal(Deno.statSync(join(folder, name)).mode! & 0o777, 0o700);
  await made.close();
  const dead = join(folder, "dead");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `Deno.listen({ transport: "unix", path: ${JSON.stringify(dead)} }); console.log(1); setInterval(() => {}, 9e9)`,
    ],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assert.equal(Deno.lstatSync(dead).isSocket, true);
  await (await ProducerSocket.listen({ ...options, path: dead })).close();
});
