/**
 * Ten times the load that `trtd serve` can take, from processes of their own and at a fixed rate, whatever becomes of the
 * requests: how much it still answers, how fast it refuses, how soon it is itself again.
 *
 *     deno run -A scripts/bench/overload.ts [--rounds 3] [--seconds 8] [--factor 10] [--generators 2] [--model codes]
 *         [--json] [-- flags of trtd serve]
 *
 * Each round measures the capacity with 8 clients, then the flood, then one client; a round's goodput is taken against
 * the capacity of the same round. The median of the rounds counts. Exit status 0 when all goals are met, else 1.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { HttpConnection, postBytes } from "../../src/bench/over_http/http_client.ts";
import { freePort, type RunningServer, startServer, trtdServer, waitReady } from "../../src/bench/over_http/servers.ts";
import { photo720p } from "../../src/bench/photo.ts";
import { median, percentile } from "../../src/bench/statistics.ts";
import { bundledPhoto } from "../../src/models/registry.ts";
import type { LoadSpec } from "./load_generator.ts";
import { type Load, rateOf, runLoad } from "./load_processes.ts";
import { goalLines, type OverloadRound } from "./overload_goals.ts";

/** Clients that wait for their answers: enough to keep one worker busy. */
const CLIENTS = 8;
/** Connections that are open at the same time; the server's own limit is 1024. */
const CONNECTIONS_MAX = 800;
/** Longest wait for the server to be itself again. */
const RECOVERY_MAX_MS = 30_000;
const PATH = "/v1/detect";

const { values: flags, positionals } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "8" },
    factor: { type: "string", default: "10" },
    generators: { type: "string", default: "2" },
    model: { type: "string", default: "codes" },
    json: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const forMs = 1000 * Number(flags.seconds);
const processes = Number(flags.generators);

await using stack = new AsyncDisposableStack();
const folder = await Deno.makeTempDir({ prefix: "trtd-overload-" });
stack.defer(() => Deno.remove(folder, { recursive: true }));
const jpeg = await photo720p(await Deno.readFile(bundledPhoto()));
const picture = join(folder, "photo.jpg");
await Deno.writeFile(picture, jpeg);
const port = freePort();
const server = stack.use(await startServer(trtdServer(port, ["--model", flags.model, ...positionals]), port));
await waitReady(server, "/health/ready");

const spec = (traffic: LoadSpec["traffic"], part = 1): LoadSpec => ({
  address: server.address,
  path: PATH,
  picture,
  contentType: "image/jpeg",
  settleMs: part * forMs / 4,
  forMs: part * forMs,
  traffic,
});

const rounds: OverloadRound[] = [];
for (let round = 0; round < Number(flags.rounds); round++) {
  console.error(`round ${round + 1} of ${flags.rounds} ...`);
  rounds.push(await oneRound());
}
const goals = goalLines(rounds);
if (flags.json) console.log(JSON.stringify({ load: Deno.loadavg()[0], goals, rounds }));
else {
  console.log("| | goal | median | rounds | |\n| --- | --- | --- | --- | --- |");
  for (const { summary, goal, value, of, met } of goals) {
    console.log(
      `| ${summary} | ${goal} | ${value} | ${of.join(", ")} | ${met === null ? "" : met ? "met" : "missed"} |`,
    );
  }
}
await stack.disposeAsync();
Deno.exit(goals.every(({ met }) => met !== false) ? 0 : 1);

async function oneRound(): Promise<OverloadRound> {
  const alone = median(await latencies(server, 5));
  const closed = spec({ kind: "closed", clients: CLIENTS }, 0.5);
  const capacity = rateOf(await runLoad([closed]), 200, closed.forMs);
  const perSecond = Number(flags.factor) * capacity;
  const flood = await runLoad([spec({ kind: "open", perSecond, connectionsMax: CONNECTIONS_MAX })], { processes });
  return { ...floodFigures(flood), capacity, perSecond, recoveryMs: await recovery(flood.endedMs, 2 * alone) };
}

function floodFigures(flood: Load) {
  const refused = flood.outcomes.filter(({ status }) => status === 503);
  const good = flood.outcomes.filter(({ status }) => status === 200);
  return {
    goodPerS: rateOf(flood, 200, forMs),
    offeredPerS: flood.outcomes.length / (1.25 * forMs) * 1000,
    answered: good.length,
    answeredP99Ms: percentile(good.map(({ ms }) => ms), 0.99),
    refused: refused.length,
    refusedP50Ms: percentile(refused.map(({ ms }) => ms), 0.5),
    refusedP99Ms: percentile(refused.map(({ ms }) => ms), 0.99),
    withoutRetryAfter: refused.filter(({ retryAfter }) => !retryAfter).length,
    other: flood.outcomes.length - refused.length - good.length,
    failed: Object.values(flood.failures).reduce((sum, count) => sum + count, 0),
    failures: flood.failures,
    unsent: flood.unsent,
    lateP99Ms: percentile(flood.lateMs, 0.99),
  };
}

async function latencies({ address }: RunningServer, count: number): Promise<number[]> {
  using connection = await HttpConnection.open(address);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const { status } = await connection.send(postBytes(PATH, jpeg, { contentType: "image/jpeg", address }));
    if (status !== 200) throw new Error(`The server answered ${status} without load`);
    times.push(performance.now() - start);
  }
  return times;
}

/** From the flood's last request sent until one client is answered in `limitMs`, as before the flood. */
async function recovery(endedMs: number, limitMs: number): Promise<number> {
  const { address } = server;
  using connection = await HttpConnection.open(address);
  const request = postBytes(PATH, jpeg, { contentType: "image/jpeg", address });
  for (;;) {
    const start = Date.now();
    const { status } = await connection.send(request);
    const now = Date.now();
    if (status === 200 && now - start <= limitMs || now - endedMs > RECOVERY_MAX_MS) return now - endedMs;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
