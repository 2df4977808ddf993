import assert from "node:assert/strict";
import { agreementOf } from "../../src/bench/agreement.ts";

const at = (label: string, x1: number) => ({ label, box: { x1, y1: 0, x2: x1 + 100, y2: 100 } });

Deno.test("agreement: pairs need the same label and nearly the same box", () => {
  const first = [at("a", 0), at("a", 200), at("b", 400)], second = [at("a", 202), at("c", 400), at("a", 20)];
  assert.deepEqual(agreementOf(first, second), { found: [3, 3], matched: 1, iou_min: 0.9 });
  assert.equal(agreementOf(first, second, 0.97).matched, 0);
  assert.equal(agreementOf(first, first, 1).matched, 3);
});

Deno.test("agreement: each detection has one partner", () => {
  assert.equal(agreementOf([at("a", 0), at("a", 1)], [at("a", 0)]).matched, 1);
});
