/** A long run in which one request of a hundred goes wrong, and workers die now and then. */
import assert from "node:assert/strict";
import { tracesOf } from "../server/process.ts";
import { ServeProcess } from "../server/serve_process.ts";
import { pause } from "../until.ts";
import type { ChaosContext } from "./chaos_case.ts";
import { knownPicture, PICTURES } from "./colour_model.ts";
import { Load, type Outcome } from "./load.ts";
import { FAULT_KINDS, randomFrom } from "./soak_faults.ts";
import { growthOf } from "./soak_memory.ts";
import { Watch, WORKERS } from "./soak_watch.ts";

/** Of the requests. */
const FAULTS = 0.01;
const KILL_EVERY_MS = 15_000;
const LOOK_EVERY_MS = 1000;
/** Between two rounds the server is asked nothing and its descriptors are counted. */
const ROUND_MS = 10_000;
/** Closed connections are gone by then. */
const QUIET_MS = 500;
const MORE_MEMORY_MAX = 0.05;
const SEED = 7;

/** Small ones for many requests, and large ones, for whose sake memory is taken and given back in pieces of all sizes. */
const SOAK_PICTURES = [
  ...PICTURES,
  ...[512, 1024].flatMap((side) => [0, 1, 2, 3].map((step) => knownPicture([250, 40 + 20 * step, 20], side))),
];

/** What the server may say: that a worker died of a signal, and where that is its own failure, when it starts again. */
const TOLD = /A worker of "?colour"? (ended with "?SIG(KILL|ABRT)|is started again in )/;
const LINES_A_DEATH = 2;
/** Said once, at the start: of the runtime, and of what others left in /dev/shm that died before. */
const AT_START = /^trtd: on Deno 2\.6| leftovers of a dead process were removed from /;

export interface SoakContext extends ChaosContext {
  /** How long it is asked. */
  readonly ms: number;
  /** The server's temporary folder. @default that of this process */
  readonly temporary?: string;
}

/**
 * Ask two workers for `ms` milliseconds with faults among the requests. One of them is killed again and again, the other
 * lives as long as the server, so that what it keeps of requests counts too.
 * @throws {Error} for a wrong or lost answer, when memory or descriptors have grown, when it says more than it should,
 * and when something of it is left
 */
export async function soak({ program, model, report, ms, temporary }: SoakContext): Promise<void> {
  await using server = await ServeProcess.start(["--model", model, "--instances", String(WORKERS)], { program });
  const watch = new Watch(server, ms);
  await watch.allReady();
  const trouble = new Trouble(server, watch);
  const timer = setInterval(() => watch.look(), LOOK_EVERY_MS);
  try {
    while (watch.part < 1) {
      watch.asked = true;
      const { counts: { right = 0, ...others }, problems } = await trouble.round(Math.min(ROUND_MS, ms / 20));
      watch.asked = false;
      assert.deepEqual([others, right > 0], [{}, true], `${problems.join("; ")} ${server.stderr}`);
      await watch.allReady();
      await pause(QUIET_MS);
      watch.countDescriptors();
    }
  } finally {
    clearInterval(timer);
  }
  assert.equal(await server.stop(), 0, server.stderr);
  const { counts, kills } = trouble;
  const told = (await server.allStderr()).split("\n").filter((line) => line !== "" && !AT_START.test(line));
  const growth = growthOf(watch.looks);
  const [descriptors, descriptorsAfter] = watch.descriptors as [number, number];
  report(`soak of ${Math.round(ms / 1000)} s: ${JSON.stringify(counts)}, ${kills} kills, ${told.length} lines said`);
  for (const { what, beforeKb, afterKb, part } of growth) {
    report(`soak: memory of ${what}: ${beforeKb} to ${afterKb} kB (${percent(part)})`);
  }
  report(`soak: descriptors: ${descriptors} to ${descriptorsAfter}`);
  for (const { what, part } of growth.filter(({ judged }) => judged)) {
    assert.ok(part <= MORE_MEMORY_MAX, `${percent(part)} more memory of ${what}`);
  }
  assert.ok(descriptorsAfter <= descriptors, `${descriptorsAfter} descriptors, ${descriptors} before`);
  assert.deepEqual(told.filter((line) => !TOLD.test(line)), [], "each line tells of a death");
  assert.ok(told.length <= LINES_A_DEATH * kills, `${told.length} lines of ${kills} deaths`);
  assert.deepEqual([tracesOf(server.pid, temporary), watch.survivors], [[], []], "nothing of it is left");
}

/** Requests, faults among them, and deaths. */
class Trouble {
  /** Answers of every round and faults, by what they were. */
  readonly counts: Record<string, number> = {};
  kills = 0;
  readonly #server: ServeProcess;
  readonly #watch: Watch;
  readonly #random = randomFrom(SEED);
  #killedMs = performance.now();

  constructor(server: ServeProcess, watch: Watch) {
    this.#server = server;
    this.#watch = watch;
  }

  /** Ask for so long, and wait for the last answers. */
  async round(ms: number): Promise<Outcome> {
    const load = new Load({ address: this.#server, clients: 6, pictures: SOAK_PICTURES });
    try {
      const untilMs = performance.now() + ms;
      for (let faults = 0; performance.now() < untilMs;) {
        if (faults < load.total * FAULTS) {
          await this.#commitOne();
          faults++;
        }
        this.#killOne();
        await pause(10);
      }
    } finally {
      await load.stop();
    }
    const outcome = await load.ended();
    for (const [what, count] of Object.entries(outcome.counts)) this.#count(what, count);
    return outcome;
  }

  async #commitOne(): Promise<void> {
    const fault = FAULT_KINDS[Math.floor(this.#random() * FAULT_KINDS.length)]!;
    this.#count(fault.name);
    await fault.commit(this.#server);
  }

  #killOne(): void {
    const { mortal } = this.#watch;
    if (performance.now() - this.#killedMs < KILL_EVERY_MS || mortal === undefined) return;
    Deno.kill(mortal, this.#random() < 0.8 ? "SIGKILL" : "SIGABRT");
    this.#killedMs = performance.now();
    this.kills++;
  }

  #count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
