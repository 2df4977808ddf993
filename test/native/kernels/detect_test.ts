import assert from "node:assert/strict";
import type { HeadName } from "../../../src/detect/heads/heads.ts";
import { HEADS } from "../../../src/detect/heads/heads.ts";
import { type DetectCase, plainAnswer, referenceAnswers } from "./detect_case.ts";
import { answersFrom, detectBytes, emulate, emulatorTest } from "./emulator.ts";
import { ADVERSARIAL, MIXED, randomCase } from "./random_case.ts";
import { manyBoxes, SPECIAL, WIDE } from "./special_cases.ts";

/** Run cases and compare each with the CPU path. @returns boxes that were compared */
async function compare(cases: readonly DetectCase[], options: { sanitized?: boolean } = {}): Promise<number> {
  const { code, stderr, results } = await emulate(cases.map(detectBytes), options);
  assert.equal(code, 0, stderr);
  assert.equal(results.length, cases.length);
  let boxes = 0;
  cases.forEach((c, i) => {
    const answers = answersFrom(results[i]!, c.questions.length);
    const expected = referenceAnswers(c);
    assert.deepEqual(answers.map(plainAnswer), expected.map(plainAnswer), `case ${i}, ${c.head}`);
    boxes += expected.reduce((sum, { labels }) => sum + labels.length, 0);
  });
  return boxes;
}

const seeds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

emulatorTest("kernels: 10,000 random cases of all heads give the CPU path's boxes exactly", async () => {
  let boxes = 0;
  for (let from = 0; from < 10_000; from += 1000) {
    boxes += await compare(seeds(from, 1000).map((seed) => randomCase(seed)));
  }
  assert.ok(boxes > 50_000, `${boxes}`);
});

for (const [name, values] of Object.entries(ADVERSARIAL)) {
  emulatorTest(`kernels: ${name}, in every head`, async () => {
    const heads = Object.keys(HEADS) as HeadName[];
    const cases = heads.flatMap((head) =>
      seeds(7, 12).map((seed) => randomCase(seed, { head, values, anchorsMax: 300 }))
    );
    assert.ok(await compare(cases) > 100);
  });
}

for (const [name, make, boxes] of SPECIAL) {
  emulatorTest(`kernels: ${name}`, async () => {
    const compared = await compare([make()]);
    assert.ok(boxes === null ? compared > 0 : compared === boxes, `${compared}`);
  });
}

emulatorTest("kernels: thirty-two pictures in one launch keep to their own tensors and questions", async () => {
  const cases = seeds(100, 12).map((seed) => randomCase(seed, { imagesMin: 32, imagesMax: 32, anchorsMax: 150 }));
  assert.ok(cases.every(({ questions }) => questions.length === 32));
  await compare(cases);
});

emulatorTest("kernels: cases run clean under AddressSanitizer and UndefinedBehaviorSanitizer", async () => {
  await compare(seeds(20_000, 400).map((seed) => randomCase(seed)), { sanitized: true });
  await compare([manyBoxes(5001, MIXED), manyBoxes(33_000, WIDE, { max: 300 })], {
    sanitized: true,
  });
});

emulatorTest("kernels: a spec that does not fit its layout is refused with the value", async () => {
  const good = manyBoxes(10, WIDE);
  for (
    const [change, says] of [
      [{ classes: 2 }, /"columns" must be 2 to 2, current value is 1/],
      [{ candidatesMax: 5001 }, /"candidates_max" must be 1 to 5000, current value is 5001/],
      [{ boxesMax: 0 }, /"boxes_max" must be 1 to 5000, current value is 0/],
    ] as const
  ) {
    const { code, stderr } = await emulate([detectBytes({ ...good, ...change })]);
    assert.equal(code, 2);
    assert.match(stderr, says);
  }
});
