import assert from "node:assert/strict";
import { BAD_EXCHANGE_LIMITS, BAD_EXCHANGES, checkBadExchange, checkServes } from "./bad_exchanges.ts";
import { testServer } from "../fixtures.ts";
import { pause, until } from "../../until.ts";
import { exchange } from "./raw_client.ts";

Deno.test("bad exchanges: each has the documented status, and the server goes on serving", async (t) => {
  await using test = await testServer({ http: BAD_EXCHANGE_LIMITS });
  const { server } = test;
  const target = { host: server.host, port: server.port, enforcesTimeouts: server.enforcesTimeouts };
  for (const bad of BAD_EXCHANGES) {
    await t.step({
      name: bad.name,
      ignore: bad.needsTimeouts === true && !target.enforcesTimeouts,
      fn: () => checkBadExchange(bad, target),
    });
  }
  assert.ok(BAD_EXCHANGES.length >= 60);
  assert.equal(server.inFlight, 0);
});

Deno.test("bad exchanges: connections over the cap are closed and idle ones harm nobody", async () => {
  await using test = await testServer({ http: { ...BAD_EXCHANGE_LIMITS, header_timeout_ms: 120_000 } });
  const { host, port } = test.server;
  const idle = await Promise.all(Array.from({ length: 300 }, () => Deno.connect({ hostname: host, port })));
  let closed = 0;
  try {
    for (const connection of idle) connection.read(new Uint8Array(1)).catch(() => {}).then(() => closed++);
    const over = 300 - BAD_EXCHANGE_LIMITS.max_connections;
    await until("closed for being over the cap", () => closed >= over, { tells: () => `${closed} of 300` });
    await pause(200);
    assert.equal(closed, over, `${closed} of 300 were closed`);
  } finally {
    for (const connection of idle) connection.close();
  }
  const statuses = async () =>
    (await exchange(["GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"], { host, port })).statuses;
  await until("served again", async () => (await statuses())[0] === 200);
});

Deno.test("bad exchanges: a client that never reads its answers is cut off", async () => {
  await using test = await testServer({
    http: { header_timeout_ms: 200, body_timeout_ms: 200, idle_timeout_ms: 200, request_timeout_ms: 200 },
  });
  const { server } = test;
  const connection = await Deno.connect({ hostname: server.host, port: server.port });
  const request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
  await connection.write(new TextEncoder().encode(request.repeat(20)));
  await until("asked", () => server.inFlight > 0, { everyMs: 1 });
  await until("rid of the client", () => server.inFlight === 0);
  connection.close();
  await checkServes({ host: server.host, port: server.port, enforcesTimeouts: server.enforcesTimeouts });
});
