/** Producers that are broken or mean: each gets an error or is cut off, and the next one is served. */
import assert from "node:assert/strict";
import { frameBytes } from "../../../src/serving/worker/packed_frame.ts";
import { bytesOf, FakeWorker } from "../fake_worker.ts";
import { fixture, greeted, greetedAtLast, TestProducer } from "./fixture.ts";
import { pause, until } from "../../until.ts";

const HELLO = { type: "hello", protocol: 1, slot_bytes: 8192 };
const DETECT = { type: "detect", id: 1, slot: 0, kind: "rgb", width: 2, height: 2 };

/** A whole visit of somebody who does everything right. */
async function isServed(path: string): Promise<void> {
  await until("given a ring", async () => {
    const producer = await TestProducer.connect(path);
    await producer.say(HELLO);
    const ring = await producer.next();
    if (ring["code"] !== "PRODUCERS_FULL") {
      await producer.say(DETECT);
      const { type, free } = await producer.next();
      assert.deepEqual([type, free], ["result", true]);
    }
    producer.close();
    return ring["code"] !== "PRODUCERS_FULL";
  });
}

/** Numbers from 0 to 1, the same in every run (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}

Deno.test("producer: a ring that its producer deleted is given to nobody, and the others go on", async () => {
  await using server = await fixture(new FakeWorker(), { rings: 2 });
  const { producer, ring } = await greeted(server.path);
  Deno.removeSync(server.rings[0]!.path);
  await producer.say(DETECT);
  assert.equal((await producer.next())["type"], "result", "who has it goes on");
  ring.close();
  producer.close();
  await producer.ended;
  for (let i = 0; i < 3; i++) await isServed(server.path);
  const held = await greeted(server.path);
  const other = await TestProducer.connect(server.path);
  await other.say(HELLO);
  assert.equal((await other.next())["code"], "PRODUCERS_FULL");
  for (const one of [other, held.producer]) one.close();
  held.ring.close();
});

Deno.test("producer: a ring that its producer cut short or made longer is whole again for the next one", async () => {
  const worker = new FakeWorker();
  await using server = await fixture(worker);
  for (const size of [0, 4096, 1_000_000]) {
    const { producer, ring } = await greeted(server.path);
    ring.truncateSync(size);
    await producer.say({ ...DETECT, kind: "file", width: undefined, height: undefined, length: 8000, slot: 1 });
    const { code } = await producer.next();
    assert.equal(code, size < 16_384 ? "SHARED_MEMORY_UNAVAILABLE" : "IMAGE_TYPE_UNSUPPORTED");
    ring.close();
    producer.close();
    await isServed(server.path);
    assert.equal(bytesOf(worker.seen.at(-1)!).length, 12);
    assert.equal(Deno.statSync(server.rings[0]!.path).size, 131_072);
  }
});

Deno.test("producer: a thousand connections that say nothing are told or cut off, and cost nobody a ring", async () => {
  await using server = await fixture(new FakeWorker(), { times: { firstMs: 2000 } });
  const { producer, ring } = await greeted(server.path);
  const before = openFiles();
  for (let round = 0; round < 10; round++) {
    const silent = await Promise.all(Array.from({ length: 100 }, () => TestProducer.connect(server.path)));
    await producer.say(DETECT);
    assert.equal((await producer.next())["type"], "result");
    for (const one of silent) one.close();
    await Promise.all(silent.map(({ ended }) => ended));
  }
  await until("closed", () => openFiles() <= before, { tells: () => `${openFiles()} files, before it were ${before}` });
  ring.close();
  producer.close();
  await isServed(server.path);
});

Deno.test("producer: who asks without end and never reads is cut off, and its ring is free again", async () => {
  await using server = await fixture(new FakeWorker(), { times: { readMs: 1500 } });
  const mute = await Deno.connect({ transport: "unix", path: server.path });
  const text = [HELLO, ...Array.from({ length: 500 }, (_, id) => ({ ...DETECT, id, slot: id % 16 }))]
    .map((line) => `${JSON.stringify(line)}\n`).join("");
  const bytes = new TextEncoder().encode(text);
  const flooding = (async () => {
    for (let i = 0; i < 40; i++) {
      const rest = i === 0 ? bytes : bytes.subarray(text.indexOf("\n") + 1);
      for (let at = 0; at < rest.length;) at += await mute.write(rest.subarray(at));
    }
    assert.fail("Everything was taken");
  })();
  const end = flooding.catch((error) => error);
  await until("cut off", () => server.errors.at(-1) === "REQUEST_INVALID", { tells: () => server.errors.at(-1) });
  await isServed(server.path);
  // Deno 2.6 does not end a write when its connection is closed, only when the other end reads or goes.
  const buffer = new Uint8Array(65_536);
  while (await mute.read(buffer).catch(() => null) !== null);
  assert.ok(!(await end instanceof assert.AssertionError));
  mute.close();
  await until("alone", () => server.socket.connections === 0);
});

Deno.test("producer: a hundred requests in a row that cannot be answered end the connection", async () => {
  await using server = await fixture(new FakeWorker());
  const { producer, ring } = await greeted(server.path);
  for (let id = 0; id < 120; id++) await producer.say({ ...DETECT, id, slot: 99 }).catch(() => {});
  await producer.ended;
  assert.deepEqual(producer.told.slice(0, 100).map(({ id }) => id), Array.from({ length: 100 }, (_, id) => id));
  assert.deepEqual(producer.told.slice(100).map(({ id, code }) => [id, code]), [[null, "REQUEST_INVALID"]]);
  ring.close();
  producer.close();
  await isServed(server.path);
});

Deno.test("producer: a server that stops answers what it has, refuses the rest, then ends the connection", async () => {
  const worker = new FakeWorker({ automatic: false });
  await using server = await fixture(worker);
  const { producer, ring } = await greeted(server.path);
  await producer.say(DETECT);
  await until("asked", () => worker.held.length > 0);
  const drained = server.socket.drain();
  await producer.say({ ...DETECT, id: 2, slot: 1 });
  const refused = await producer.next();
  assert.deepEqual([refused["id"], refused["code"], refused["free"]], [2, "SHUTTING_DOWN", true]);
  await assert.rejects(TestProducer.connect(server.path));
  worker.held[0]!.answer();
  await drained;
  assert.deepEqual((await producer.next())["type"], "result");
  await server.socket.close();
  await producer.ended;
  ring.close();
});

Deno.test("producer: however the bytes arrive, the answers are the same", async () => {
  await using server = await fixture(new FakeWorker());
  const lines = [HELLO, ...Array.from({ length: 8 }, (_, id) => ({ ...DETECT, id: `é${id}`, slot: id }))];
  const bytes = new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const random = seeded(7);
  for (let round = 0; round < 12; round++) {
    const connection = await Deno.connect({ transport: "unix", path: server.path });
    const producer = new TestProducer(connection);
    const most = [1, 7, 64, 4096][round % 4]!;
    for (let at = 0; at < bytes.length;) {
      at += await connection.write(bytes.subarray(at, at + 1 + Math.floor(random() * most)));
      if (random() < 0.02) await pause(1);
    }
    assert.equal((await producer.next())["type"], "ring");
    const ids = new Set<unknown>();
    while (ids.size < 8) {
      const { type, id, code } = await producer.next();
      if (code === "QUEUE_FULL") {
        await producer.say({ ...DETECT, id, slot: Number(String(id).slice(1)) });
        continue;
      }
      assert.equal(type, "result");
      ids.add(id);
    }
    assert.deepEqual([...ids].sort(), lines.slice(1).map((line) => (line as { id: string }).id));
    producer.close();
    await producer.ended;
    await until("alone", () => server.socket.connections === 0);
  }
});

Deno.test("producer: 400 broken messages are answered or end the connection, and no picture leaves its slot", async () => {
  const worker = new FakeWorker();
  await using server = await fixture(worker, { times: { firstMs: 2000, lineMs: 2000 } });
  const random = seeded(42);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const odd = [-1, 0, 1, 2, 15, 16, 17, 63, 2 ** 31, 2 ** 32, 2 ** 53, 1e300, 0.5, "", "0", "é", null, true, [], {}];
  let answered = 0;
  let ended = 0;
  let visit: Awaited<ReturnType<typeof greeted>> | undefined;
  for (let i = 0; i < 400; i++) {
    visit ??= await greetedAtLast(server.path);
    const { producer } = visit;
    const base: Record<string, unknown> = random() < 0.5
      ? { ...DETECT, stride: 6 + Math.floor(random() * 4000) }
      : { type: "detect", id: 1, slot: 0, kind: "file", length: 100 };
    for (let n = Math.floor(random() * 3); n > 0; n--) {
      base[pick([...Object.keys(base), "score", "timeout_ms", "x"])] = random() < 0.5 ? pick(odd) : pick([1, 2, 5, 30]);
    }
    let text = JSON.stringify(base);
    if (random() < 0.15) {
      text = text.slice(0, Math.floor(random() * text.length)) + pick(["", "\u0000", "{", '"', "\t"]);
    }
    await producer.say(text).catch(() => {});
    const answer = await producer.next().catch(() => undefined);
    if (answer === undefined || answer["id"] === null && "code" in answer && answer["slot"] === undefined) {
      ended++;
      await producer.ended;
      visit.ring.close();
      producer.close();
      visit = undefined;
      continue;
    }
    answered++;
    assert.ok(["result", "error"].includes(answer["type"] as string), JSON.stringify(answer));
    if (answer["type"] === "error") assert.notEqual(answer["code"], "INTERNAL", `${text} ${JSON.stringify(answer)}`);
  }
  visit?.ring.close();
  visit?.producer.close();
  assert.ok(answered > 50 && ended > 50, `${answered} were answered, ${ended} ended their connection`);
  for (const { picture } of worker.seen) {
    assert.ok("ring" in picture.place);
    const { offset, length } = picture.place.region;
    assert.ok(offset >= 0 && offset % 8192 === 0 && length <= 8192 && offset + length <= 131_072);
    if (picture.kind === "rgb") assert.equal(frameBytes(picture), length);
  }
  await isServed(server.path);
});

const openFiles = (): number => [...Deno.readDirSync("/proc/self/fd")].length;
