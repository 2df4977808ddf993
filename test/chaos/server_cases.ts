/** What may happen to the server process and around it. */
import assert from "node:assert/strict";
import type { ChaosCase } from "./chaos_case.ts";
import { Client } from "./client.ts";
import { Crowd } from "./crowd.ts";
import { assertAllRight, Load } from "./load.ts";
import { isAlive, tracesOf } from "../server/process.ts";
import { ServeProcess } from "../server/serve_process.ts";

const OPEN_FILES = 128;

export const SERVER_CASES: readonly ChaosCase[] = [
  {
    name: "nobody reads what it prints: it serves on, replaces a worker and stops",
    async run({ program, model, report }) {
      const flags = ["--model", model, "--log-level", "debug"];
      await using server = await ServeProcess.start(flags, { program, isRead: false });
      await server.ready();
      const load = new Load({ address: server });
      await load.reaches(1500);
      const worker = await server.worker();
      Deno.kill(worker, "SIGKILL");
      await load.reaches(2500);
      const { times, ...outcome } = await load.stop();
      assertAllRight({ ...outcome, times }, "");
      report(`full pipes: ${times.length} answers, at most ${Math.round(Math.max(...times))} ms`);
      assert.equal(await server.stop(), 0);
    },
  },
  {
    name: "few descriptors: connections over them are closed, the others are answered, a dead worker is replaced",
    async run({ program, model, report }) {
      await using server = await ServeProcess.start(["--model", model], { program, openFiles: OPEN_FILES });
      await server.ready();
      const load = new Load({ address: server, clients: 2 });
      await load.reaches(10);
      const crowd = await Crowd.of(150, server);
      await server.until("rid of those that it has no room for", () => crowd.closed > 10);
      const most = openDescriptors(server.pid);
      await load.reaches(load.total + 100);
      Deno.kill(await server.worker(), "SIGKILL");
      await load.reaches(load.total + 100);
      assertAllRight(await load.stop(), server.stderr);
      const { closed } = crowd;
      crowd.leave();
      assert.ok(most < OPEN_FILES, `${most} descriptors`);
      await server.until("free again", async () => (await new Client(server).askOnce("/health/ready")) === 200);
      const again = new Load({ address: server });
      await again.reaches(100);
      assertAllRight(await again.stop(), server.stderr);
      report(`with ${OPEN_FILES} descriptors ${closed} of 150 connections were closed, ${most} descriptors open`);
      assert.equal(await server.stop(), 0, server.stderr);
    },
  },
  {
    name: "kill -9 of the server: its worker ends, and nothing of it is left",
    async run({ program, model }) {
      const flags = ["--model", model];
      await using server = await ServeProcess.start(flags, { program });
      await server.ready();
      const load = new Load({ address: server });
      await load.reaches(100);
      const worker = await server.worker();
      assert.ok(tracesOf(server.pid).length > 0, "it has shared memory");
      server.kill("SIGKILL");
      await server.status;
      await server.until("rid of its worker", () => !isAlive(worker));
      await load.stop();
      await using next = await ServeProcess.start(flags, { program });
      await next.ready();
      assert.deepEqual(tracesOf(server.pid), []);
      const again = new Load({ address: next });
      await again.reaches(100);
      assertAllRight(await again.stop(), next.stderr);
      assert.equal(await next.stop(), 0, next.stderr);
      assert.deepEqual(tracesOf(next.pid), []);
    },
  },
  {
    name: "kill -9 of server and worker at once: the next start removes what they left",
    async run({ program, model }) {
      const flags = ["--model", model];
      await using server = await ServeProcess.start(flags, { program });
      await server.ready();
      const worker = await server.worker();
      Deno.kill(worker, "SIGSTOP");
      // Whatever other trtd starts now removes it as well as the next one here.
      assert.ok(tracesOf(server.pid).length > 0, "it has shared memory that nobody is left to remove");
      server.kill("SIGKILL");
      Deno.kill(worker, "SIGKILL");
      await server.status;
      await server.until("rid of its worker", () => !isAlive(worker));
      await using next = await ServeProcess.start(flags, { program });
      await next.ready();
      assert.deepEqual(tracesOf(server.pid), []);
      assert.equal(await next.stop(), 0, next.stderr);
    },
  },
  {
    name: "SIGTERM under load: every request that was taken is answered rightly",
    async run({ program, model, report }) {
      await using server = await ServeProcess.start(["--model", model], { program });
      await server.ready();
      const worker = await server.worker();
      const load = new Load({ address: server, clients: 16, untilClosed: true });
      await load.reaches(300);
      const began = performance.now();
      server.kill("SIGTERM");
      const { code } = await server.status;
      const ms = Math.round(performance.now() - began);
      const { counts, problems } = await load.ended();
      const { right = 0, "503 SHUTTING_DOWN": refused = 0, ...others } = counts;
      assert.deepEqual([others, code], [{}, 0], `${problems.join("; ")} ${server.stderr}`);
      assert.equal(isAlive(worker), false);
      assert.deepEqual(tracesOf(server.pid), []);
      report(`SIGTERM: ${right} right answers, ${refused} refusals, none lost; ended after ${ms} ms`);
    },
  },
];

function openDescriptors(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}
