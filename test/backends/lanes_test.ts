import assert from "node:assert/strict";
import { Lanes } from "../../src/backends/lanes.ts";

Deno.test("lanes: as many pieces of work as lanes at once, the others in their order", async () => {
  const lanes = new Lanes(["a", "b"]);
  const log: string[] = [];
  let under = 0, most = 0;
  const work = (name: string) =>
    lanes.use(async (lane) => {
      most = Math.max(most, ++under);
      log.push(`${name} on ${lane}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under--;
      return name;
    });
  assert.deepEqual(await Promise.all(["1", "2", "3", "4", "5"].map(work)), ["1", "2", "3", "4", "5"]);
  assert.equal(most, 2);
  assert.deepEqual(log.map((line) => line[0]), ["1", "2", "3", "4", "5"]);
});

Deno.test("lanes: the preferred one is taken when it is free, else the one that was used last", async () => {
  const lanes = new Lanes([{ size: 1 }, { size: 8 }]);
  const sizeFor = (wanted: number) => lanes.use(({ size }) => Promise.resolve(size), ({ size }) => size === wanted);
  assert.deepEqual([await sizeFor(1), await sizeFor(8), await sizeFor(8), await sizeFor(3)], [1, 8, 8, 8]);
});

Deno.test("lanes: work that fails gives its lane back", async () => {
  const lanes = new Lanes([1]);
  await assert.rejects(lanes.use(() => Promise.reject(new Error("no"))), /no/);
  assert.equal(await lanes.use((lane) => Promise.resolve(lane)), 1);
});

Deno.test("lanes: idle waits for what is under way and for what waits", async () => {
  const lanes = new Lanes([1]);
  let done = 0;
  await lanes.idle();
  for (let i = 0; i < 3; i++) {
    void lanes.use(async () => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      done++;
    });
  }
  await lanes.idle();
  assert.equal(done, 3);
});
