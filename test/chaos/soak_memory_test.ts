import assert from "node:assert/strict";
import { growthOf, type Look, ownMemoryKb } from "./soak_memory.ts";

/** Looks of 10 minutes: heaps that rise by a quarter and fall again, and what a leak adds by the end. */
function looksOf({ managerLeakKb = 0, workerLeakKb = 0 }): Look[] {
  return Array.from({ length: 600 }, (_, second) => {
    const part = second / 600;
    const tooth = (second % 17) / 17;
    const managerKb = 140_000 + 40_000 * tooth + managerLeakKb * part;
    const workerKb = 70_000 + 15_000 * ((second % 23) / 23) + workerLeakKb * part;
    return { part, managerKb, workerKb, allKb: managerKb + workerKb + 60_000 };
  });
}

const grown = (looks: readonly Look[]): string[] =>
  growthOf(looks).filter(({ judged, part }) => judged && part > 0.05).map(({ what }) => what);

Deno.test("soak: heaps that rise and fall do not count as growth", () => {
  assert.deepEqual(grown(looksOf({})), []);
});

Deno.test("soak: a leak of 70 kB a second is found, whichever process has it", () => {
  assert.deepEqual(grown(looksOf({ managerLeakKb: 42_000 })), ["manager and the worker that was never killed"]);
  assert.deepEqual(grown(looksOf({ workerLeakKb: 42_000 })), ["manager and the worker that was never killed"]);
});

Deno.test("soak: what is taken during the warm-up does not count", () => {
  const looks = looksOf({}).map((look) => look.part < 0.2 ? { ...look, managerKb: look.managerKb / 2 } : look);
  assert.deepEqual(grown(looks), []);
});

Deno.test("soak: a run without looks is no proof", () => {
  assert.throws(() => growthOf([]), /0 looks are too few/);
});

Deno.test("soak: memory that a process fills is seen, a process that is gone has none", () => {
  const before = ownMemoryKb(Deno.pid)!;
  const filled = new Uint8Array(64 * 1024 * 1024).fill(1);
  const more = ownMemoryKb(Deno.pid)! - before;
  assert.ok(more > 48 * 1024, `${more} kB more for ${filled.length} bytes`);
  assert.equal(ownMemoryKb(2 ** 22 + 1), null);
});
