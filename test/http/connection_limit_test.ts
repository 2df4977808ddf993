import assert from "node:assert/strict";
import { connectionLimit } from "../../src/http/connection_limit.ts";

Deno.test("connections: no more are taken than there are descriptors for, less what is opened later", () => {
  const cases: [number, number, { limit: number; open: number } | null, number][] = [
    [1024, 1, { limit: 20_000, open: 30 }, 1024],
    [1024, 1, { limit: 1024, open: 26 }, 950],
    [1024, 3, { limit: 1024, open: 26 }, 316],
    [1024, 3, { limit: 64, open: 30 }, 8],
    [4, 3, { limit: 64, open: 30 }, 4],
    [1024, 3, null, 1024],
  ];
  for (const [wanted, each, descriptors, expected] of cases) {
    assert.equal(connectionLimit(wanted, each, descriptors), expected, JSON.stringify([wanted, each, descriptors]));
  }
});
