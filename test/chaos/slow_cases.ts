/** Clients that are slow on purpose, beside others. */
import assert from "node:assert/strict";
import type { ChaosCase } from "./chaos_case.ts";
import { Crowd } from "./crowd.ts";
import { assertAllRight, Load, quantile } from "./load.ts";
import { ServeProcess } from "../server/serve_process.ts";

const SLOW = 1000;
const HEADER_TIMEOUT_MS = 6000;
/** How late a slow connection may be closed, on a busy machine. */
const LATE_MAX_MS = 20_000;
const P99_FACTOR_MAX = 1.5;
/** Requests of one measurement. */
const REQUESTS = 800;
/** Measurements on a machine that does other things too; the best counts. */
const ATTEMPTS = 6;

export const SLOW_CASES: readonly ChaosCase[] = [
  {
    name:
      `${SLOW} slow connections: others' p99 is at most ${P99_FACTOR_MAX} times as long, and they are closed on time`,
    async run({ program, model, report }) {
      const limits = ["--max-connections", String(SLOW + 100), "--header-timeout-ms", String(HEADER_TIMEOUT_MS)];
      await using server = await ServeProcess.start(["--model", model, ...limits], { program });
      await server.ready();
      await p99(server, 200);
      let best = Infinity;
      const told: string[] = [];
      for (let attempt = 0; attempt < ATTEMPTS && best > P99_FACTOR_MAX; attempt++) {
        const alone = await p99(server, REQUESTS);
        const crowd = await Crowd.of(SLOW, server);
        const dripping = crowd.drip(1000);
        const beside = await p99(server, REQUESTS);
        const stillOpen = crowd.open;
        await crowd.ended(HEADER_TIMEOUT_MS + LATE_MAX_MS);
        const left = crowd.open;
        crowd.leave();
        await dripping;
        assert.equal(left, 0, `${left} of ${SLOW} were not closed`);
        const [first, last] = [Math.min(...crowd.lives), Math.max(...crowd.lives)].map(Math.round);
        assert.ok(
          last! <= HEADER_TIMEOUT_MS + LATE_MAX_MS && first! >= HEADER_TIMEOUT_MS - 1000,
          `${first} to ${last} ms`,
        );
        told.push(
          `p99 ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside ${SLOW} slow ones ` +
            `(${stillOpen} open at its end), which were closed after ${first} to ${last} ms`,
        );
        best = Math.min(best, beside / alone);
      }
      report(told.join("; "));
      assert.ok(best <= P99_FACTOR_MAX, told.join("; "));
      assert.equal(await server.stop(), 0, server.stderr);
    },
  },
];

async function p99(server: ServeProcess, requests: number): Promise<number> {
  const load = new Load({ address: server, clients: 4 });
  await load.reaches(requests);
  const outcome = await load.stop();
  assertAllRight(outcome, server.stderr);
  return quantile(outcome.times, 0.99);
}
