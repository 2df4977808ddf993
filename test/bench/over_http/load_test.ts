import assert from "node:assert/strict";
import { getBytes, HttpConnection, postBytes } from "../../../src/bench/over_http/http_client.ts";
import { measureLatency, measureThroughput } from "../../../src/bench/over_http/load.ts";
import { TrtdError } from "../../../src/errors.ts";

const HOSTNAME = "127.0.0.1";

/** A server that answers each request of at least `requestBytes` with the given pieces, 2 ms apart. */
function pieceServer(pieces: readonly string[], requestBytes: number) {
  const listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      let received = 0;
      const buffer = new Uint8Array(65536);
      for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
        received += count;
        if (received < requestBytes) continue;
        received = 0;
        for (const piece of pieces) {
          await connection.write(new TextEncoder().encode(piece));
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        if (pieces.length === 0) break;
      }
      connection.close();
    }
  })();
  return {
    address: { hostname: HOSTNAME, port: listener.addr.port },
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

Deno.test("http client: an answer that comes in pieces is put together, twice on one connection", async () => {
  const pieces = ["HTTP/1.1 201 Cre", "ated\r\nA: b\r\ncontent-length: 5\r\n\r", "\nhe", "llo"];
  const body = new Uint8Array(3_000_000);
  await using server = pieceServer(pieces, body.length);
  const request = postBytes("/x", body, { contentType: "image/jpeg", address: server.address });
  using connection = await HttpConnection.open(server.address);
  for (let i = 0; i < 2; i++) {
    const answer = await connection.send(request);
    assert.deepEqual([answer.status, new TextDecoder().decode(answer.body)], [201, "hello"]);
  }
});

Deno.test("http client: an early end and an answer without a length are errors", async () => {
  for (const [pieces, message] of [[[], /closed the connection/], [["HTTP/1.1 200 OK\r\n\r\n"], /not understood/]]) {
    await using server = pieceServer(pieces as string[], 1);
    using connection = await HttpConnection.open(server.address);
    await assert.rejects(connection.send(getBytes("/", server.address)), message as RegExp);
  }
});

const answer = { detections: [], timings_ms: { inference: 3 } };

async function withServer<T>(handler: () => Response | Promise<Response>, use: (port: number) => Promise<T>) {
  const server = Deno.serve({ hostname: HOSTNAME, port: 0, onListen: () => {} }, async (request) => {
    await request.arrayBuffer();
    return handler();
  });
  try {
    return await use(server.addr.port);
  } finally {
    await server.shutdown();
  }
}

const target = (port: number) => ({ name: "test", address: { hostname: HOSTNAME, port }, path: "/v1/detect" });

Deno.test("load: latency holds the time of every request and what the server says of inference", async () => {
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return Response.json(answer);
  };
  const measured = await withServer(slow, (port) => measureLatency(target(port), new Uint8Array(10), 3));
  assert.equal(measured.total.length, 3);
  assert.ok(measured.total.every((ms) => ms >= 19), String(measured.total));
  assert.deepEqual(measured.inference, [3, 3, 3]);
});

Deno.test("load: throughput of one request at a time does not grow with the clients", async () => {
  let turn = Promise.resolve();
  const oneByOne = () => {
    turn = turn.then(() => new Promise((resolve) => setTimeout(resolve, 20)));
    return turn.then(() => Response.json(answer));
  };
  const perSecond = await withServer(
    oneByOne,
    (port) => measureThroughput(target(port), new Uint8Array(10), { clients: 4, forMs: 1000 }),
  );
  assert.ok(perSecond > 0 && perSecond < 52, String(perSecond));
});

Deno.test("load: an answer that is not 200 ends the measurement with its text", async () => {
  const refusal = () => new Response("too much", { status: 503 });
  await withServer(refusal, (port) =>
    assert.rejects(
      measureLatency(target(port), new Uint8Array(1), 1),
      (error) => error instanceof TrtdError && /test answered 503: too much/.test(error.message),
    ));
});
