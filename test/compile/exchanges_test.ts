import assert from "node:assert/strict";
import { BAD_EXCHANGE_FLAGS, BAD_EXCHANGES, checkBadExchange, checkServes } from "../http/exchanges/bad_exchanges.ts";
import { boxTest } from "./box.ts";
import { childrenOf, startServer } from "./server.ts";

/** Most memory that the exchanges together may leave in use. */
const MORE_MEMORY_KB = 256 * 1024;

boxTest("each bad exchange has the documented status, and the same processes go on serving", async (box, t) => {
  const server = await startServer(box, BAD_EXCHANGE_FLAGS);
  try {
    const processes = [server.pid, ...childrenOf(server.pid)];
    const before = memoryOf(processes);
    for (const bad of BAD_EXCHANGES) {
      await t.step({
        name: bad.name,
        ignore: bad.needsTimeouts === true && !server.enforcesTimeouts,
        fn: () => checkBadExchange(bad, server),
      });
    }
    await checkServes(server);
    assert.deepEqual([server.pid, ...childrenOf(server.pid)], processes);
    const more = memoryOf(processes) - before;
    assert.ok(more <= MORE_MEMORY_KB, `${more} kB more memory`);
  } finally {
    assert.equal(await server.stop(), 0);
  }
});

/** Resident memory of the processes together, in kB. */
function memoryOf(processes: readonly number[]): number {
  const resident = (pid: number) => Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]);
  return processes.map(resident).reduce((sum, kb) => sum + kb, 0);
}
