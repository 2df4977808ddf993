/** A picture that crashes native code, without a word about it in trtd: a preloaded library crashes the worker on it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { ChaosCase } from "./chaos_case.ts";
import { Client } from "./client.ts";
import { PICTURES } from "./colour_model.ts";
import { assertAllRight, Load } from "./load.ts";
import { ServeProcess } from "../server/serve_process.ts";

/** The same word as in crashing_read.c. */
const MARK = "trtd-test-crash";

/** Compile the library into a folder. @returns its path; null without a C compiler */
export function crashingRead(folder: string): string | null {
  const library = join(folder, "crashing_read.so");
  try {
    const args = ["-shared", "-fPIC", "-O2", "-o", library, join(import.meta.dirname!, "crashing_read.c"), "-ldl"];
    const { success, stderr } = new Deno.Command("cc", { args }).outputSync();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return library;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

const DIGEST = /sha-?256 "?([0-9a-f]{64})/i;

/** @param library of {@link crashingRead} */
export const poisonCases = (library: string): readonly ChaosCase[] => [
  {
    name: "a picture that crashes workers is refused after two deaths alone, and nobody else notices",
    async run({ program, model, report }) {
      await using server = await ServeProcess.start(["--model", model], { program, env: { LD_PRELOAD: library } });
      await server.ready();
      const load = new Load({ address: server, clients: 4 });
      await load.reaches(50);
      const poison = [...PICTURES[0]!.bytes, ...new TextEncoder().encode(MARK)];
      const client = new Client(server);
      const ask = async () => {
        const reply = await client.ask({ body: Uint8Array.from(poison), headers: { "content-type": "image/png" } });
        return { status: reply.status, ms: reply.ms, problem: JSON.parse(new TextDecoder().decode(reply.body)) };
      };
      const first = await ask();
      assert.deepEqual([first.status, first.problem.code], [500, "REQUEST_POISONOUS"], server.stderr);
      const told = () => server.stderr.match(/ended with "?SIGSEGV/g)?.length ?? 0;
      await server.until("told of two deaths", () => told() >= 2);
      const deaths = told();
      assert.ok(deaths === 2 || deaths === 3, `${deaths} deaths: with others, then twice alone`);
      const worker = await server.worker();
      const second = await ask();
      client.close();
      assert.deepEqual([second.status, second.problem.code], [500, "REQUEST_POISONOUS"]);
      assert.deepEqual(server.workers, [worker], "the second time no worker dies");
      await load.reaches(load.total + 100);
      const outcome = await load.stop();
      assertAllRight(outcome, server.stderr);
      await server.until("told of the picture", () => DIGEST.test(server.stderr));
      const digest = DIGEST.exec(server.stderr)?.[1];
      assert.ok(digest !== undefined && second.problem.detail.includes(digest), server.stderr);
      report(
        `poison: ${deaths} deaths, refused after ${Math.round(first.ms)} ms, the second time after ` +
          `${Math.round(second.ms)} ms; ${outcome.counts["right"]} others right`,
      );
      assert.equal(await server.stop(), 0, server.stderr);
    },
  },
];
