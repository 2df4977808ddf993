import assert from "node:assert/strict";
import { type ConnectionLimit, connectionLimit } from "../../../src/http/listen/connection_limit.ts";

Deno.test("connections: no more are taken than there are descriptors for, less what is opened later", () => {
  const cases: [number, number, { limit: number; open: number } | null, ConnectionLimit][] = [
    [1024, 1, { limit: 20_000, open: 30 }, { max: 1024, backlog: 511 }],
    [1024, 1, { limit: 1024, open: 24 }, { max: 827, backlog: 125 }],
    [1024, 3, { limit: 1024, open: 24 }, { max: 275, backlog: 125 }],
    [1024, 3, { limit: 64, open: 30 }, { max: 8, backlog: 16 }],
    [4, 3, { limit: 64, open: 30 }, { max: 4, backlog: 16 }],
    [1024, 3, null, { max: 1024, backlog: 511 }],
  ];
  for (const [wanted, each, descriptors, expected] of cases) {
    assert.deepEqual(connectionLimit(wanted, each, descriptors), expected, JSON.stringify([wanted, each, descriptors]));
  }
});
