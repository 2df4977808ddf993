import assert from "node:assert/strict";
import fc from "fast-check";
import type { Detection } from "../../src/detect/detection.ts";
import { assign } from "../../src/verify/assignment.ts";
import { iouOf } from "../../src/verify/boxes.ts";
import { LIMITS, partnerCut, SCORE_COUNTS, scoreTolerance } from "../../src/verify/limits.ts";
import { compareBoxes, type Parity } from "../../src/verify/parity.ts";
import { apart, detection } from "./boxes.ts";

const F32 = { cut: SCORE_COUNTS, limits: LIMITS.f32.detections };
const FP16 = { cut: SCORE_COUNTS, limits: LIMITS.fp16.detections };

const compared = (found: readonly Detection[], reference: readonly Detection[], options = F32): Parity =>
  compareBoxes([{ picture: "a.png", found, reference }], options);

const without = <T>(all: readonly T[], count: number): T[] => all.slice(0, all.length - count);
const changed = (all: readonly Detection[], change: (one: Detection) => Detection): Detection[] =>
  all.map((one, i) => i === 0 ? change(one) : one);

Deno.test("parity: the limits of f32 are those of the issue, and fp16's are wider", () => {
  assert.deepEqual(LIMITS.f32.detections, { iou: 0.95, score: 0.01, percent: 99.5 });
  for (const what of ["detections", "candidates"] as const) {
    assert.ok(LIMITS.fp16[what].iou < LIMITS.f32[what].iou);
    assert.ok(LIMITS.fp16[what].percent < LIMITS.f32[what].percent);
  }
});

const all = apart(200);
const cases: {
  name: string;
  found: readonly Detection[];
  reference: readonly Detection[];
  options?: typeof F32;
  passed: boolean;
  percent: number | null;
  what?: string[];
}[] = [
  { name: "the same boxes", found: all, reference: all, passed: true, percent: 100 },
  { name: "boxes in another order", found: all.toReversed(), reference: all, passed: true, percent: 100 },
  {
    name: "one of 200 missing",
    found: without(all, 1),
    reference: all,
    passed: true,
    percent: 99.5,
    what: ["missing"],
  },
  { name: "one more than 200", found: apart(201), reference: all, passed: true, percent: 99.502, what: ["missing"] },
  {
    name: "one of 199 missing",
    found: apart(198),
    reference: apart(199),
    passed: false,
    percent: 99.497,
    what: ["missing"],
  },
  {
    name: "two of 200 missing",
    found: without(all, 2),
    reference: all,
    passed: false,
    percent: 99,
    what: ["missing", "missing"],
  },
  { name: "nothing on both sides", found: [], reference: [], passed: true, percent: null },
  { name: "nothing found", found: [], reference: apart(1), passed: false, percent: 0, what: ["missing"] },
  { name: "nothing in the reference", found: apart(1), reference: [], passed: false, percent: 0, what: ["missing"] },
  {
    name: "all classes swapped",
    found: apart(3, { classId: 1 }),
    reference: apart(3),
    passed: false,
    percent: 0,
    what: Array(6).fill("class"),
  },
  {
    name: "a box moved so that the IoU is 0.942",
    found: changed(apart(3), (one) => ({ ...one, box: detection({ x: 3 }).box })),
    reference: apart(3),
    passed: false,
    percent: 66.666,
    what: ["box", "box"],
  },
  {
    name: "a box moved so that the IoU is 0.96",
    found: changed(apart(3), (one) => ({ ...one, box: detection({ x: 2 }).box })),
    reference: apart(3),
    passed: true,
    percent: 100,
  },
  {
    name: "a score that differs by 0.011",
    found: changed(apart(3), (one) => ({ ...one, score: 0.911 })),
    reference: apart(3),
    passed: false,
    percent: 66.666,
    what: ["score", "score"],
  },
  {
    name: "a score that differs by 0.01",
    found: changed(apart(3), (one) => ({ ...one, score: 0.91 })),
    reference: apart(3),
    passed: true,
    percent: 100,
  },
  {
    name: "scores on both sides of the cut",
    found: apart(3, { score: 0.2455 }),
    reference: apart(3, { score: 0.2545 }),
    passed: true,
    percent: 100,
  },
  {
    name: "a score at the cut, and its partner as far below as the tolerance",
    found: apart(3, { score: 0.24 }),
    reference: apart(3, { score: 0.25 }),
    passed: true,
    percent: 100,
  },
  {
    name: "a score at the cut, and nothing near it",
    found: apart(3, { score: 0.23 }),
    reference: apart(3, { score: 0.25 }),
    passed: false,
    percent: 0,
    what: ["missing", "missing", "missing"],
  },
  {
    name: "boxes below the cut that only one side has",
    found: [...apart(3), detection({ x: 9000, score: 0.2499 })],
    reference: apart(3),
    passed: true,
    percent: 100,
  },
  {
    name: "a box that is found twice",
    found: [...apart(3), detection({ score: 0.899 })],
    reference: apart(3),
    passed: false,
    percent: 75,
    what: ["duplicate"],
  },
  {
    name: "a score that is no number",
    found: [...apart(300), detection({ x: 9000, score: NaN })],
    reference: apart(300),
    passed: false,
    percent: 99.667,
    what: ["number"],
  },
  {
    name: "a corner that is no number, in the reference",
    found: apart(300),
    reference: [...apart(300), detection({ x: NaN })],
    passed: false,
    percent: 99.667,
    what: ["number"],
  },
  {
    name: "an infinite corner",
    found: [...apart(300), detection({ width: Infinity })],
    reference: apart(300),
    passed: false,
    percent: 99.667,
    what: ["number"],
  },
  {
    name: "equal boxes without an area",
    found: apart(2, { width: 0 }),
    reference: apart(2, { width: 0 }),
    passed: true,
    percent: 100,
  },
  {
    name: "differences that only f32 does not allow",
    found: changed(apart(3), (one) => ({ ...one, score: 0.86, box: detection({ x: 4 }).box })),
    reference: apart(3),
    options: FP16,
    passed: true,
    percent: 100,
  },
  {
    name: "an fp16 engine that misses four of a hundred",
    found: apart(96),
    reference: apart(100),
    options: FP16,
    passed: false,
    percent: 96,
    what: Array(4).fill("missing"),
  },
];

for (const { name, found, reference, options = F32, passed, percent, what = [] } of cases) {
  Deno.test(`parity: ${name}: ${passed ? "passes" : "fails"}`, () => {
    const parity = compared(found, reference, options);
    assert.equal(parity.passed, passed);
    assert.equal(parity.percent === null ? null : Math.floor(parity.percent * 1000) / 1000, percent);
    assert.deepEqual(parity.failures.map((one) => one.what), what);
  });
}

Deno.test("parity: equal boxes of equal scores are told apart by their number alone", () => {
  const same = (count: number) => Array.from({ length: count }, () => detection());
  assert.equal(compared(same(200), same(200)).percent, 100);
  const fewer = compared(same(150), same(200));
  assert.deepEqual([fewer.passed, fewer.matched, fewer.compared], [false, 150, 200]);
});

Deno.test("parity: boxes that could take each other's partner all get one", () => {
  // The nearest partner of the second box is the only one of the first.
  const reference = [detection({ x: 0 }), detection({ x: 2 })];
  const found = [detection({ x: 1.9 }), detection({ x: 4 })];
  const parity = compared(found, reference, { ...F32, limits: { ...F32.limits, iou: 0.96 } });
  assert.deepEqual([parity.matched, parity.compared, parity.passed], [2, 2, true]);
});

Deno.test("parity: a partner in another picture is none", () => {
  const pairs = [
    { picture: "a", found: apart(1), reference: [] },
    { picture: "b", found: [], reference: apart(1) },
  ];
  assert.equal(compareBoxes(pairs, F32).matched, 0);
});

Deno.test("parity: a failure tells picture, side, label and what differs", () => {
  const { failures, worst_iou, worst_score_difference } = compared(
    [detection({ score: 0.5 })],
    [detection({ score: 0.8 })],
  );
  assert.deepEqual(failures, [
    {
      picture: "a.png",
      side: "reference",
      label: "class 0",
      score: 0.8,
      what: "score",
      detail:
        'the reference\'s "class 0" of score 0.800 at 0.0, 0.0, 100.0, 100.0: the engine has it with the score 0.500',
    },
    {
      picture: "a.png",
      side: "engine",
      label: "class 0",
      score: 0.5,
      what: "score",
      detail:
        'the engine\'s "class 0" of score 0.500 at 0.0, 0.0, 100.0, 100.0: the reference has it with the score 0.800',
    },
  ]);
  assert.equal(worst_iou, 1);
  assert.equal(Number(worst_score_difference?.toFixed(9)), 0.3);
});

const close = detection({ x: 20, score: 0.901 });

Deno.test("parity: a box that loses a tie of suppression on the other side is no difference", () => {
  const [kept, tied] = [detection({ score: 0.9 }), close];
  const pair = { picture: "a", found: [kept], reference: [tied] };
  assert.equal(compareBoxes([pair], F32).passed, false);
  const before = { found: [kept, tied], reference: [tied, kept] };
  const parity = compareBoxes([{ ...pair, before }], F32);
  assert.deepEqual([parity.passed, parity.ties, parity.matched], [true, 2, 1]);
});

Deno.test("parity: what looks like a tie, but is none, stays a difference", () => {
  const kept = detection({ score: 0.9 });
  const far = detection({ x: 500, score: 0.9 });
  const cases: [string, Detection[], Detection[], { found: Detection[]; reference: Detection[] }][] = [
    ["the other side never had the box", [kept], [close], { found: [kept], reference: [close, kept] }],
    ["nothing there could have suppressed it", [far], [close], { found: [far, close], reference: [close] }],
    ["the one that is kept is far stronger", [detection({ score: 0.99 })], [close], {
      found: [detection({ score: 0.99 }), close],
      reference: [close],
    }],
    ["its own side kept both", [kept, close], [kept], { found: [kept, close], reference: [kept, close] }],
  ];
  for (const [name, found, reference, before] of cases) {
    assert.equal(compareBoxes([{ picture: "a", found, reference, before }], F32).passed, false, name);
  }
});

Deno.test("parity: an overlap at the limit of suppression is a tie whatever the scores", () => {
  // An IoU of 0.449 keeps both boxes, one of 0.451 the stronger alone.
  const strong = detection({ score: 0.9 }), weak = detection({ score: 0.5, x: 38 });
  const pair = {
    picture: "a",
    found: [strong],
    reference: [strong, weak],
    before: { found: [strong, weak], reference: [strong, weak] },
  };
  assert.equal(compareBoxes([pair], F32).passed, true);
});

Deno.test("parity: the tolerance of scores shrinks below the cut, so that zeros agree with nothing", () => {
  const limits = LIMITS.f32.candidates;
  assert.ok(scoreTolerance(limits, 0.9, 0.25) < 0.010002);
  assert.ok(scoreTolerance(limits, 0.002, 0.001) < 0.0000801);
  assert.ok(partnerCut(limits, 0.25) > 0.2399 && partnerCut(limits, 0.25) <= 0.24);
  const cut = 0.001;
  const dead = compareBoxes([{ picture: "a", found: apart(9, { score: 0 }), reference: apart(9, { score: 0.001 }) }], {
    cut,
    limits,
  });
  assert.equal(dead.percent, 0);
});

const anyBox = fc.record({
  score: fc.constantFrom(0.1, 0.241, 0.2455, 0.25, 0.2501, 0.3, 0.305, 0.31, 0.9),
  x: fc.constantFrom(0, 1, 2, 3, 4, 50, 400),
  y: fc.constantFrom(0, 1, 2),
  classId: fc.constantFrom(0, 1),
}).map(detection);
const anyBoxes = fc.array(anyBox, { maxLength: 12 });
const anyPairs = fc.array(fc.tuple(anyBoxes, anyBoxes), { maxLength: 3 });

const pairsOf = (pairs: readonly (readonly [Detection[], Detection[]])[]) =>
  pairs.map(([found, reference], i) => ({ picture: `picture ${i}`, found, reference }));

const figures = ({ passed, compared, matched, percent, worst_iou, worst_score_difference }: Parity) => ({
  passed,
  compared,
  matched,
  percent,
  worst_iou,
  worst_score_difference,
});

Deno.test("parity: which side is called the reference changes no number", () => {
  fc.assert(fc.property(anyPairs, (pairs) => {
    const one = compareBoxes(pairsOf(pairs), F32);
    const other = compareBoxes(pairsOf(pairs.map(([a, b]) => [b, a])), F32);
    assert.deepEqual(figures(one), figures(other));
    assert.deepEqual(one.boxes, { engine: other.boxes.reference, reference: other.boxes.engine });
  }));
});

Deno.test("parity: the order of boxes and pictures changes nothing", () => {
  fc.assert(fc.property(anyPairs, fc.infiniteStream(fc.nat()), (pairs, stream) => {
    const shuffled = <T>(all: readonly T[]): T[] =>
      all.map((one) => ({ one, at: stream.next().value! })).sort((a, b) => a.at - b.at).map(({ one }) => one);
    const mixed = pairsOf(pairs).map((pair) => ({
      ...pair,
      found: shuffled(pair.found),
      reference: shuffled(pair.reference),
    }));
    assert.deepEqual(compareBoxes(shuffled(mixed), F32), compareBoxes(pairsOf(pairs), F32));
  }));
});

Deno.test("parity: a list agrees with itself, and each box that goes costs one match at most", () => {
  fc.assert(fc.property(anyBoxes, (boxes) => {
    const itself = compared(boxes, boxes);
    assert.equal(itself.matched, itself.compared);
    if (boxes.length === 0) return;
    const { boxes: counts, failures } = compared(boxes.slice(1), boxes);
    assert.ok(failures.length <= 1 && counts.reference - counts.engine <= 1);
  }));
});

Deno.test("assignment: as many get a partner as in the best of all assignments", () => {
  const best = (edges: readonly number[][], taken: readonly number[] = []): number => {
    const [first, ...others] = edges;
    if (first === undefined) return 0;
    const used = first.filter((one) => !taken.includes(one)).map((one) => 1 + best(others, [...taken, one]));
    return Math.max(best(others, taken), ...used);
  };
  fc.assert(fc.property(fc.array(fc.uniqueArray(fc.nat(5), { maxLength: 4 }), { maxLength: 6 }), (edges) => {
    const partners = [...assign(edges)];
    const given = partners.filter((one) => one >= 0);
    assert.equal(new Set(given).size, given.length);
    assert.ok(partners.every((one, i) => one < 0 || edges[i]!.includes(one)));
    assert.equal(given.length, best(edges));
  }));
});

Deno.test("assignment: a chain of a thousand boxes is followed to its end", () => {
  const edges = Array.from({ length: 1000 }, (_, i) => i < 999 ? [i, i + 1] : [0]);
  assert.ok([...assign(edges)].every((one) => one >= 0));
});

Deno.test("boxes: the IoU of boxes", () => {
  const box = detection().box;
  assert.equal(iouOf(box, box), 1);
  assert.equal(iouOf(box, detection({ x: 50 }).box), 1 / 3);
  assert.equal(iouOf(box, detection({ x: 100 }).box), 0);
  assert.equal(iouOf(detection({ width: 0 }).box, box), 0);
});
