import assert from "node:assert/strict";
import { latencyLimiter, REACHED, throughputLimiter } from "../../../src/bench/stages/limiter.ts";
import type { Resource, Subject } from "../../../src/bench/stages/subject.ts";

const cores: Resource = { name: "cores", units: 4 };
const gpu: Resource = { name: "gpu", units: 1 };
const uses: Subject["uses"] = {
  decode: [{ resource: cores, units: 1, apart: true }],
  letterbox: [{ resource: gpu, units: 1 }],
  inference: [{ resource: gpu, units: 1 }],
};

Deno.test("limiter: one picture is held back by the stage that takes longest", () => {
  const limiter = latencyLimiter({ decode: 6, letterbox: 1, inference: 3 });
  assert.deepEqual(limiter, { stage: "decode", ms: 6, share: 0.6 });
  assert.equal(latencyLimiter({}), null);
});

Deno.test("limiter: stages on one resource are added, a batch is shared by its pictures, units work side by side", () => {
  const facts = { uses, single: { decode: 4, letterbox: 1, inference: 1 }, batch: 8, way: "jpeg" } as const;
  const batched = { decode: 20, letterbox: 4, inference: 12 };
  const limiter = throughputLimiter({ ...facts, batched, perSecond: 400 })!;
  // A picture has a quarter of the cores for 4 ms, and the GPU for (4 + 12) / 8 ms.
  assert.deepEqual(limiter.ceilings, [{ resource: "gpu", per_s: 500 }, { resource: "cores", per_s: 1000 }]);
  assert.equal(limiter.reached, 0.8);
  assert.equal(limiter.resource, "gpu");
});

Deno.test("limiter: below three quarters of the lowest ceiling, waiting limits", () => {
  const facts = { uses, single: {}, batched: { inference: 10 }, batch: 1, way: "jpeg" } as const;
  assert.equal(throughputLimiter({ ...facts, perSecond: 100 * REACHED })!.resource, "gpu");
  assert.equal(throughputLimiter({ ...facts, perSecond: 100 * REACHED - 1 })!.resource, null);
});

Deno.test("limiter: a way that begins with pixels pays no decoding", () => {
  const times = { decode: 400, inference: 1 };
  const facts = { uses, single: times, batched: times, batch: 1, perSecond: 900 } as const;
  assert.equal(throughputLimiter({ ...facts, way: "pixels" })!.resource, "gpu");
  assert.equal(throughputLimiter({ ...facts, way: "jpeg" })!.resource, "cores");
});

Deno.test("limiter: a stage may hold all units of one resource and one of another", () => {
  const script: Resource = { name: "script", units: 1 };
  const both: Subject["uses"] = { inference: [{ resource: cores, units: 4 }, { resource: script, units: 1 }] };
  const facts = { uses: both, single: {}, batched: { inference: 10 }, batch: 1, way: "jpeg", perSecond: 90 } as const;
  assert.deepEqual(throughputLimiter(facts)!.ceilings.map(({ per_s }) => per_s), [100, 100]);
  assert.equal(throughputLimiter({ ...facts, uses: {} }), null);
});
