import assert from "node:assert/strict";
import { BAD_EXCHANGE_LIMITS, BAD_EXCHANGES, checkBadExchange, checkServes } from "./bad_exchanges.ts";
import { testServer } from "../fixtures.ts";

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
  await using test = await testServer({ http: { ...BAD_EXCHANGE_LIMITS, header_timeout_ms: 5000 } });
  const { host, port, enforcesTimeouts } = test.server;
  const idle = await Promise.all(Array.from({ length: 300 }, () => Deno.connect({ hostname: host, port })));
  try {
    const closed = await Promise.all(idle.map(async (connection) => {
      const read = connection.read(new Uint8Array(1)).catch(() => null);
      const waited = new Promise((resolve) => setTimeout(() => resolve("open"), 300));
      return await Promise.race([read, waited]) === null;
    }));
    const count = closed.filter(Boolean).length;
    assert.equal(count, 300 - BAD_EXCHANGE_LIMITS.max_connections, `${count} of 300 were closed`);
  } finally {
    for (const connection of idle) connection.close();
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  await checkServes({ host, port, enforcesTimeouts });
});

Deno.test("bad exchanges: a client that never reads its answers is cut off", async () => {
  await using test = await testServer({
    http: { header_timeout_ms: 200, body_timeout_ms: 200, idle_timeout_ms: 200, request_timeout_ms: 200 },
  });
  const { server } = test;
  const connection = await Deno.connect({ hostname: server.host, port: server.port });
  const request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
  await connection.write(new TextEncoder().encode(request.repeat(20)));
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let i = 0; i < 100 && server.inFlight > 0; i++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.inFlight, 0);
  connection.close();
  await checkServes({ host: server.host, port: server.port, enforcesTimeouts: server.enforcesTimeouts });
});
