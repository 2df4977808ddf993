/** Detection cases that are built for one weakness each. */
import type { DetectCase, Question } from "./detect_case.ts";
import { ADVERSARIAL, MIXED, Random, tensorOf, type Values } from "./random_case.ts";

/** Boxes all over the picture, every one a candidate. */
export const WIDE: Values = {
  coordinate: (random) => random.next() * 640,
  score: (random) => 0.3 + 0.7 * random.next(),
};

/** One picture of `boxes [1, count, 4]` and `scores [1, count, 1]`. */
export function manyBoxes(count: number, values: Values, question: Partial<Question> = {}): DetectCase {
  const random = new Random(count);
  const list = (length: number, one: () => number) => Array.from({ length }, one);
  const asked = { score: 0.25, iou: 0.45, max: 5000, classAgnostic: false, wanted: null, placement: null, ...question };
  return {
    head: "boxes_scores",
    tensors: [
      tensorOf("float32", [1, count, 4], list(4 * count, () => values.coordinate(random))),
      tensorOf("float32", [1, count, 1], list(count, () => values.score(random))),
    ],
    classes: 1,
    labels: 1,
    width: 640,
    height: 640,
    strides: [],
    cut: null,
    questions: [asked],
    boxesMax: asked.max,
    candidatesMax: 5000,
  };
}

/** {@link manyBoxes} with given boxes and scores. */
function given(boxes: readonly number[][], scores: readonly number[]): DetectCase {
  const c = manyBoxes(boxes.length, WIDE);
  return {
    ...c,
    tensors: [
      tensorOf("float32", [1, boxes.length, 4], boxes.flat()),
      tensorOf("float32", [1, boxes.length, 1], scores),
    ],
  };
}

const list = <T>(length: number, one: (i: number) => T): T[] => Array.from({ length }, (_, i) => one(i));

/** Name, case, and how many boxes remain; null where only the CPU path knows. */
export const SPECIAL: readonly (readonly [name: string, make: () => DetectCase, boxes: number | null])[] = [
  ["5,000 candidates, all kept", () => manyBoxes(5000, { ...WIDE, coordinate: () => NaN }), 5000],
  [
    "5,000 equal candidates, all but one dropped",
    () => given(list(5000, () => [0, 0, 9, 9]), list(5000, () => 0.5)),
    1,
  ],
  ["5,000 candidates all over the picture", () => manyBoxes(5000, WIDE), null],
  [
    "a chain in which each box would drop the next",
    () => given(list(700, (i) => [i, 0, i + 3, 1]), list(700, (i) => 0.9 - i / 2000)),
    350,
  ],
  ["5,001 candidates", () => manyBoxes(5001, WIDE), null],
  ["9,000 candidates, some odd", () => manyBoxes(9000, MIXED), null],
  ["9,000 candidates with one score", () => manyBoxes(9000, ADVERSARIAL["all scores equal"]!), null],
  [
    "9,000 scores that differ in the last bit",
    () => manyBoxes(9000, ADVERSARIAL["scores differ in the last bit"]!),
    null,
  ],
  ["40,000 candidates, more than the list holds", () => manyBoxes(40_000, WIDE, { max: 300 }), null],
  ["40,000 with one score", () => manyBoxes(40_000, ADVERSARIAL["all scores equal"]!, { max: 300 }), null],
];
