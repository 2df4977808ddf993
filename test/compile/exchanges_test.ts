import assert from "node:assert/strict";
import { BAD_EXCHANGE_FLAGS, BAD_EXCHANGES, checkBadExchange, checkServes } from "../http/exchanges/bad_exchanges.ts";
import { residentKb } from "../server/process.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { boxTest } from "./box.ts";

/** Most memory that the exchanges together may leave in use. */
const MORE_MEMORY_KB = 256 * 1024;

boxTest("each bad exchange has the documented status, and the same processes go on serving", async (box, t) => {
  await using server = await ServeProcess.start(BAD_EXCHANGE_FLAGS, { program: box.program });
  await server.ready();
  const processes = [server.pid, ...server.workers];
  const before = memoryOf(processes);
  for (const bad of BAD_EXCHANGES) {
    await t.step({
      name: bad.name,
      ignore: bad.needsTimeouts === true && !server.enforcesTimeouts,
      fn: () => checkBadExchange(bad, server),
    });
  }
  await checkServes(server);
  assert.deepEqual([server.pid, ...server.workers], processes);
  const more = memoryOf(processes) - before;
  assert.ok(more <= MORE_MEMORY_KB, `${more} kB more memory`);
  assert.equal(await server.stop(), 0, server.stderr);
});

/** Resident memory of the processes together, in kB. */
function memoryOf(processes: readonly number[]): number {
  return processes.map(residentKb).reduce((sum, kb) => sum + kb, 0);
}
