/** What may happen to a worker process, and what clients see of it: nothing. */
import assert from "node:assert/strict";
import type { ChaosCase } from "./chaos_case.ts";
import { Client } from "./client.ts";
import { knownPicture, PICTURES } from "./colour_model.ts";
import { assertAllRight, Load, quantile } from "./load.ts";
import { isAlive, killQuietly, residentKb } from "../server/process.ts";
import type { Program } from "../server/program.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { pause } from "../until.ts";

const KILLS = 20;
const KILL_REQUESTS = 10_000;
const DEADLINE_MS = 400;
/** A worker that does not answer is left alone for longer than this (policy/health.ts). */
const WATCHDOG_MIN_MS = 4500;

export const WORKER_CASES: readonly ChaosCase[] = [
  {
    name:
      `kill -9 of the worker ${KILLS} times under ${KILL_REQUESTS} requests: none wrong, none lost, soon ready again`,
    async run({ program, model, report }) {
      await using server = await ServeProcess.start(["--model", model], { program });
      await server.ready();
      const load = new Load({ address: server });
      const readyAgain: number[] = [];
      for (let kill = 1; kill <= KILLS; kill++) {
        await load.reaches(kill * KILL_REQUESTS / (KILLS + 1));
        const worker = await server.worker();
        Deno.kill(worker, "SIGKILL");
        const began = performance.now();
        await server.until("restarted", () => server.workers.some((pid) => pid !== worker));
        await server.ready();
        readyAgain.push(performance.now() - began);
      }
      await load.reaches(KILL_REQUESTS);
      const outcome = await load.stop();
      assertAllRight(outcome, server.stderr);
      const [middle, worst] = [quantile(readyAgain, 0.5), Math.max(...readyAgain)].map(Math.round);
      report(
        `${
          outcome.counts["right"]
        } right answers, ${KILLS} kills; ready again after ${middle} ms, at most ${worst} ms; ` +
          `answers took ${quantile(outcome.times, 0.5).toFixed(1)} ms, at most ${
            Math.round(Math.max(...outcome.times))
          } ms`,
      );
      assert.equal(await server.stop(), 0, server.stderr);
    },
  },
  {
    name: "SIGSTOP of the worker: deadlines are kept to meanwhile, the watchdog replaces it, nothing is lost",
    async run({ program, model, report }) {
      await using server = await ServeProcess.start(["--model", model], { program });
      await server.ready();
      const load = new Load({ address: server, clients: 4 });
      await load.reaches(50);
      const worker = await server.worker();
      Deno.kill(worker, "SIGSTOP");
      const stoppedMs = performance.now();
      const late: number[] = [];
      await Promise.all(Array.from({ length: 4 }, async (_, index) => {
        const client = new Client(server);
        const headers = { "content-type": "image/png", "x-request-timeout-ms": String(DEADLINE_MS) };
        const { status, body, ms } = await client.ask({ body: PICTURES[index]!.bytes, headers });
        client.close();
        assert.equal(status, 504);
        assert.equal(JSON.parse(new TextDecoder().decode(body)).code, "DEADLINE_EXCEEDED");
        late.push(ms - DEADLINE_MS);
      }));
      if (performance.now() - stoppedMs < WATCHDOG_MIN_MS) {
        assert.ok(isAlive(worker), "the deadlines were kept to before the watchdog acted");
      }
      await server.until("rid of the stopped worker", () => !isAlive(worker));
      const killedMs = performance.now() - stoppedMs;
      await server.ready();
      await load.reaches(load.total + 100);
      assertAllRight(await load.stop(), server.stderr);
      const [earliest, latest] = [Math.min(...late), Math.max(...late)].map(Math.round);
      report(
        `answers at a deadline came ${earliest} to ${latest} ms after it; the stopped worker was killed after ` +
          `${Math.round(killedMs)} ms`,
      );
      assert.ok(earliest! >= -20, `${earliest} ms`);
      assert.equal(await server.stop(), 0, server.stderr);
    },
  },
  {
    name: "a worker over its memory limit is replaced, nothing is lost",
    async run({ program, model, report }) {
      const limitMb = await usualMb(program, model) + 110;
      const flags = ["--model", model, "--worker-memory-mb", String(limitMb)];
      await using server = await ServeProcess.start(flags, { program });
      await server.ready();
      const large = [knownPicture([250, 100, 20], 4096), knownPicture([30, 200, 90], 4096)];
      const small = new Load({ address: server, clients: 2 });
      const load = new Load({ address: server, clients: 6, pictures: large });
      const worker = await server.worker();
      await server.until("over its limit", () => !isAlive(worker));
      // The line may come after the death.
      await server.until("told so", () => /takes \d+ MB"? and is killed/.test(server.stderr));
      await load.reaches(load.total + 20);
      assertAllRight(await small.stop(), server.stderr);
      assertAllRight(await load.stop(), server.stderr);
      report(`a limit of ${limitMb} MB: ${server.stderr.match(/takes \d+ MB/g)!.join(", ")}`);
      assert.equal(await server.stop(), 0, server.stderr);
    },
  },
  {
    name: "a crash loop ends: not ready with the reason, alive, and up again when told to",
    async run({ program, model }) {
      const flags = ["--model", model, "--crash-loop-limit", "3"];
      await using server = await ServeProcess.start(flags, { program });
      await server.ready();
      let state = await server.get("/health/ready");
      await server.until("given up", async () => {
        for (const pid of server.workers) killQuietly(pid, "SIGABRT");
        state = await server.get("/health/ready");
        return /Given up/.test(JSON.stringify(state.body));
      });
      assert.equal(state.status, 503);
      assert.match(JSON.stringify(state.body), /SIGABRT/);
      await server.until("without workers", () => server.workers.length === 0);
      await pause(500);
      assert.deepEqual(server.workers, [], "no worker is started any more");
      assert.equal((await server.get("/health/live")).status, 200);
      const client = new Client(server);
      const headers = { "content-type": "image/png" };
      const refused = await client.ask({ body: PICTURES[0]!.bytes, headers });
      assert.equal(refused.status, 503);
      assert.match(new TextDecoder().decode(refused.body), /MODEL_NOT_READY/);
      assert.equal((await client.ask({ path: "/v1/models/colour/reload" })).status, 200);
      client.close();
      await server.ready();
      const load = new Load({ address: server, clients: 2 });
      await load.reaches(20);
      assertAllRight(await load.stop(), server.stderr);
      assert.equal(await server.stop(), 0, server.stderr);
    },
  },
];

/** Resident megabytes of a worker that has answered small pictures. */
async function usualMb(program: Program, model: string): Promise<number> {
  await using server = await ServeProcess.start(["--model", model], { program });
  await server.ready();
  const load = new Load({ address: server, clients: 2 });
  await load.reaches(100);
  await load.stop();
  return Math.ceil(residentKb(await server.worker()) / 1024);
}
