import assert from "node:assert/strict";
import { ConnectionGate, type GateSettings } from "../../../src/http/listen/connection_gate.ts";
import { pause, until } from "../../until.ts";
import { exchange } from "../exchanges/raw_client.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LATE = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nlate";

/** Limits that a slow machine does not reach. */
const PATIENT = { headTimeoutMs: 120_000, idleTimeoutMs: 120_000, answerTimeoutMs: 120_000 };

/** A gate before a server that does with each connection what the test says. */
function gateBefore(serve: (connection: Deno.TcpConn) => Promise<void>, settings: Partial<GateSettings> = {}) {
  const behind = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of behind) {
      served.push(serve(connection).catch(() => {}).finally(() => closed(connection)));
    }
  })();
  const gate = new ConnectionGate({
    host: "127.0.0.1",
    port: 0,
    behindPort: behind.addr.port,
    maxConnections: 10,
    headTimeoutMs: 200,
    idleTimeoutMs: 200,
    answerTimeoutMs: 300,
    lateHead: () => new TextEncoder().encode(LATE),
    ...settings,
  });
  return {
    target: { host: "127.0.0.1", port: gate.port },
    gate,
    async [Symbol.asyncDispose]() {
      gate.close();
      behind.close();
      await accepting;
      await Promise.all(served);
      await pause(20);
    },
  };
}

function closed(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** Answers every piece that ends a head. */
async function answering(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
    if (new TextDecoder().decode(buffer.subarray(0, count)).endsWith("\r\n\r\n")) {
      await connection.write(new TextEncoder().encode(OK));
    }
  }
}

/** Gives back all bytes. */
async function echoing(connection: Deno.TcpConn): Promise<void> {
  await connection.readable.pipeTo(connection.writable);
}

Deno.test("gate: bytes pass both ways unchanged, and so does the end", async () => {
  await using test = gateBefore(echoing, PATIENT);
  const sent = new Uint8Array(3_000_000).map((_, i) => (i * i) >> 3);
  const connection = await Deno.connect({ hostname: test.target.host, port: test.target.port });
  const writing = (async () => {
    for (let at = 0; at < sent.length;) at += await connection.write(sent.subarray(at));
    await connection.closeWrite();
  })();
  const received = new Uint8Array(sent.length + 1);
  let count = 0;
  for (let n = await connection.read(received); n !== null; n = await connection.read(received.subarray(count))) {
    count += n;
  }
  await writing;
  connection.close();
  assert.equal(count, sent.length);
  assert.deepEqual(received.subarray(0, count), sent);
});

Deno.test("gate: requests are answered, one after another on one connection", async () => {
  await using test = gateBefore(answering, PATIENT);
  const get = "GET / HTTP/1.1\r\n\r\n";
  const reply = await exchange([get, { answers: 1 }, get, { answers: 2 }, get], { ...test.target, answers: 3 });
  assert.deepEqual(reply.statuses, [200, 200, 200]);
});

Deno.test("gate: a first head that is late is told so, also when it trickles or is cut anywhere", async () => {
  await using test = gateBefore(answering);
  for (const steps of [[], ["GET / HT"], ["G", 80, "E", 80, "T", 80, " ", 80]]) {
    const reply = await exchange(steps, { ...test.target, untilClosed: true });
    assert.deepEqual([reply.statuses, reply.body, reply.closed], [[408], "late", true]);
  }
});

Deno.test("gate: a first head that is cut between its last characters is seen", async () => {
  await using test = gateBefore(answering, { headTimeoutMs: PATIENT.headTimeoutMs });
  const cut = await exchange(["GET / HTTP/1.1\r", 20, "\n\r", 20, "\n"], { ...test.target, untilClosed: true });
  assert.equal(cut.closed, true);
  assert.deepEqual(cut.statuses, [], "it gets no answer, and is not told to be late");
});

Deno.test("gate: an idle connection is closed", async () => {
  await using test = gateBefore(answering, { ...PATIENT, idleTimeoutMs: 200 });
  const reply = await exchange(["GET / HTTP/1.1\r\n\r\n"], { ...test.target, untilClosed: true });
  assert.deepEqual([reply.statuses, reply.closed], [[200], true]);
});

Deno.test("gate: a connection that gets no answer is closed, however many bytes it sends", async () => {
  await using test = gateBefore(async (connection) => {
    const buffer = new Uint8Array(4096);
    while (await connection.read(buffer) !== null);
  }, { ...PATIENT, answerTimeoutMs: 300 });
  const steps = Array.from({ length: 1000 }, () => [50, "x"]).flat();
  const reply = await exchange(["POST / HTTP/1.1\r\n\r\n", ...steps], { ...test.target, untilClosed: true });
  assert.deepEqual([reply.statuses, reply.closed], [[], true]);
});

Deno.test("gate: connections over the cap are closed, and a place that is freed is given again", async () => {
  await using test = gateBefore(answering, { ...PATIENT, maxConnections: 3 });
  const open = await Promise.all(
    Array.from({ length: 3 }, () => Deno.connect({ hostname: test.target.host, port: test.target.port })),
  );
  const over = await exchange(["GET / HTTP/1.1\r\n\r\n"], { ...test.target, untilClosed: true });
  assert.deepEqual([over.statuses, over.closed], [[], true]);
  for (const connection of open) connection.close();
  const next = () => exchange(["GET / HTTP/1.1\r\n\r\n"], test.target);
  await until("given a place", async () => (await next()).statuses[0] === 200);
});

Deno.test("gate: when it stops listening, what is open goes on", async () => {
  await using test = gateBefore(answering, PATIENT);
  const get = "GET / HTTP/1.1\r\n\r\n";
  const isOpen = Promise.withResolvers<void>(), isDeaf = Promise.withResolvers<void>();
  const steps = [get, { answers: 1 }, isOpen.resolve, () => isDeaf.promise, get];
  const kept = exchange(steps, { ...test.target, answers: 2 });
  await isOpen.promise;
  test.gate.stopListening();
  await assert.rejects(Deno.connect({ hostname: test.target.host, port: test.target.port }));
  isDeaf.resolve();
  assert.deepEqual((await kept).statuses, [200, 200]);
});
