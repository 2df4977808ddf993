import assert from "node:assert/strict";
import fc from "fast-check";
import { Candidates } from "../../src/detect/heads/candidates.ts";
import { CANDIDATES_MAX, nms, type NmsOptions, ranked } from "../../src/detect/nms.ts";
import { HEADS } from "../../src/detect/heads/heads.ts";

interface Item {
  readonly box: readonly number[];
  readonly score: number;
  readonly classId: number;
}

const f = Math.fround;

/** IoU as EfficientNMS_TRT computes it, one f32 operation after the other. */
function iou(first: readonly number[], second: readonly number[]): number {
  const ordered = (box: readonly number[]): number[] => {
    let [x1, y1, x2, y2] = box.map(f) as [number, number, number, number];
    if (y1 > y2) y1 = f(y1 - y2), y2 = f(y1 + y2), y1 = f(y2 - y1);
    if (x1 > x2) x1 = f(x1 - x2), x2 = f(x1 + x2), x1 = f(x2 - x1);
    return [x1, y1, x2, y2];
  };
  const area = ([x1, y1, x2, y2]: number[]): number => {
    const w = f(x2! - x1!), h = f(y2! - y1!);
    return h <= 0 || w <= 0 ? 0 : f(h * w);
  };
  const a = ordered(first), b = ordered(second);
  const common = [
    a[0]! > b[0]! ? a[0]! : b[0]!,
    a[1]! > b[1]! ? a[1]! : b[1]!,
    a[2]! < b[2]! ? a[2]! : b[2]!,
    a[3]! < b[3]! ? a[3]! : b[3]!,
  ];
  const inter = area(common);
  if (inter <= 0) return 0;
  const union = f(f(area(a) + area(b)) - inter);
  return union <= 0 ? 0 : f(inter / union);
}

/** The slow obvious way: mark what each emitted box suppresses. Items are given in element order. */
function reference(items: readonly Item[], options: NmsOptions): number[] {
  const order = items.map((_, i) => i).filter((i) => f(items[i]!.score) >= f(options.score))
    .sort((a, b) => {
      const x = f(items[a]!.score), y = f(items[b]!.score);
      return x === y ? a - b : y > x ? 1 : -1;
    })
    .slice(0, CANDIDATES_MAX);
  const suppressed = new Set<number>();
  const emitted: number[] = [];
  for (const [at, i] of order.entries()) {
    if (suppressed.has(i)) continue;
    if (emitted.length === options.max) break;
    emitted.push(i);
    for (const j of order.slice(at + 1)) {
      if (!options.classAgnostic && items[i]!.classId !== items[j]!.classId) continue;
      if (iou(items[j]!.box, items[i]!.box) >= f(options.iou)) suppressed.add(j);
    }
  }
  return emitted;
}

/** Push in another order than that of the elements, as the class-major heads do. */
function candidatesOf(items: readonly Item[], backwards: boolean): Candidates {
  const into = new Candidates();
  for (let i = 0; i < items.length; i++) {
    const element = backwards ? items.length - 1 - i : i;
    const { box, score, classId } = items[element]!;
    if (Number.isNaN(score)) continue;
    const slot = into.push(element, classId, score);
    into.boxes.set(box, 4 * slot);
  }
  return into;
}

function run(items: readonly Item[], options: NmsOptions, backwards = false): number[] {
  const candidates = candidatesOf(items, backwards);
  return Array.from(nms(candidates, options), (slot) => candidates.elements[slot]!);
}

const box = (x1: number, y1: number, x2: number, y2: number, score: number, classId = 0): Item => ({
  box: [x1, y1, x2, y2],
  score,
  classId,
});

const PLAIN: NmsOptions = { score: 0.25, iou: 0.5, max: 100 };

Deno.test("nms: 10,000 random sets equal the slow reference", () => {
  const coordinate = fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: 0, max: 24 }) },
    { weight: 4, arbitrary: fc.float({ min: -10, max: 40, noNaN: true }) },
    { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity, 3e38, -3e38, 1e-45, -0, 1e8) },
  );
  const score = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 10 }).map((n) => n / 10) },
    { weight: 3, arbitrary: fc.float({ min: 0, max: 1, noNaN: true }) },
    { weight: 1, arbitrary: fc.constantFrom(NaN, Infinity, -Infinity, -0, 1e-45, -1) },
  );
  const item = fc.record({
    box: fc.tuple(coordinate, coordinate, coordinate, coordinate),
    score,
    classId: fc.integer({ min: 0, max: 2 }),
  });
  const options = fc.record({
    score: fc.constantFrom(0, 0.1, 0.25, 0.3, 0.5, 0.7, 1),
    iou: fc.constantFrom(0, 0.1, 1 / 3, 0.45, 0.5, 0.7, 1),
    max: fc.constantFrom(1, 2, 5, 300),
    classAgnostic: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(item, { maxLength: 24 }), options, fc.boolean(), (items, options, backwards) => {
      assert.deepEqual(run(items, options, backwards), reference(items, options));
    }),
    { numRuns: 10_000, seed: 3 },
  );
});

Deno.test("nms: equal scores keep the lower element", () => {
  const items = [box(0, 0, 10, 10, 0.5), box(0, 0, 10, 10, 0.5), box(20, 0, 30, 10, 0.5)];
  assert.deepEqual(run(items, PLAIN), [0, 2]);
  assert.deepEqual(run(items, PLAIN, true), [0, 2]);
});

Deno.test("nms: a box at exactly the IoU threshold is dropped, just above the threshold it stays", () => {
  // Intersection 50, union 150.
  const items = [box(0, 0, 10, 10, 0.9), box(5, 0, 15, 10, 0.8)];
  const third = f(50 / 150);
  assert.deepEqual(run(items, { ...PLAIN, iou: third }), [0]);
  assert.deepEqual(run(items, { ...PLAIN, iou: third + 2 ** -24 }), [0, 1]);
});

Deno.test("nms: a score at exactly the threshold takes part, both rounded to f32", () => {
  assert.deepEqual(run([box(0, 0, 1, 1, f(0.3))], { ...PLAIN, score: 0.3 }), [0]);
  assert.deepEqual(run([box(0, 0, 1, 1, f(f(0.3) - 2 ** -25))], { ...PLAIN, score: 0.3 }), []);
});

Deno.test("nms: boxes of other classes stay, unless suppression is class-agnostic", () => {
  const items = [box(0, 0, 10, 10, 0.9, 0), box(0, 0, 10, 10, 0.8, 1), box(0, 0, 10, 10, 0.7, 1)];
  assert.deepEqual(run(items, PLAIN), [0, 1]);
  assert.deepEqual(run(items, { ...PLAIN, classAgnostic: true }), [0]);
});

Deno.test("nms: at IoU 0 even distant boxes of the class are dropped, at IoU 1 only equal ones", () => {
  const items = [box(0, 0, 1, 1, 0.9), box(50, 50, 60, 60, 0.8), box(50, 50, 60, 60, 0.7)];
  assert.deepEqual(run(items, { ...PLAIN, iou: 0 }), [0]);
  assert.deepEqual(run(items, { ...PLAIN, iou: 1 }), [0, 1]);
});

Deno.test("nms: boxes without area, with NaN or with infinite corners suppress nothing and do not fail", () => {
  const odd = [[5, 5, 5, 5], [NaN, 0, 1, 1], [-Infinity, -Infinity, Infinity, Infinity], [0, 0, Infinity, 0]];
  const items = [...odd, ...odd].map((corners, i) => ({ box: corners, score: 0.9 - i / 100, classId: 0 }));
  assert.deepEqual(run(items, PLAIN), items.map((_, i) => i));
});

Deno.test("nms: only the best 5,000 candidates are looked at", () => {
  const items = Array.from({ length: 6000 }, (_, i) => box(2 * i, 0, 2 * i + 1, 1, 0.5));
  assert.equal(run(items, { ...PLAIN, max: 6000 }).length, CANDIDATES_MAX);
  const same = Array.from({ length: 6000 }, () => box(0, 0, 9, 9, 0.5));
  assert.deepEqual(run(same, { ...PLAIN, max: 6000 }, true), [0]);
});

Deno.test("nms: more than two million candidates are still ranked by score, then element", () => {
  const into = new Candidates();
  for (let e = (1 << 21) + 4; e >= 0; e--) into.push(e, 0, (e & 7) / 8);
  const order = ranked(into, 0.8);
  assert.equal(order.length, 262144);
  assert.deepEqual(Array.from(order.subarray(0, 3), (slot) => into.elements[slot]), [7, 15, 23]);
});

Deno.test("nms: decoding 84x8400 with 1,370 candidates and suppression take a few milliseconds", () => {
  const anchors = 8400, classes = 80;
  const data = new Float32Array(84 * anchors);
  let state = 7;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let i = 4 * anchors; i < data.length; i++) data[i] = random() * 0.01;
  for (let k = 0; k < 1370; k++) {
    const a = k * 6, object = k % 60;
    data[a] = (object % 10) * 64 + random() * 12;
    data[anchors + a] = Math.floor(object / 10) * 100 + random() * 12;
    data[2 * anchors + a] = 50 + random() * 10;
    data[3 * anchors + a] = 80 + random() * 10;
    data[(4 + object % classes) * anchors + a] = 0.25 + random() * 0.7;
  }
  const outputs = [{ type: "float32" as const, dims: [1, 84, anchors], data }];
  const context = {
    outputs,
    image: 0,
    classes,
    score: 0.25,
    wanted: null,
    width: 640,
    height: 640,
    strides: [8, 16, 32],
  };
  const into = new Candidates();
  const times: number[] = [];
  for (let round = 0; round < 40 || Math.min(...times) >= 10 && round < 400; round++) {
    const start = performance.now();
    into.clear();
    HEADS.yolov8.decode(context, into);
    const kept = nms(into, { score: 0.25, iou: 0.45, max: 300 });
    times.push(performance.now() - start);
    assert.equal(into.count, 1370);
    assert.ok(kept.length >= 60 && kept.length < 300, String(kept.length));
  }
  const best = Math.min(...times);
  if (Deno.env.get("TRTD_TIMES")) console.log("nms ms", best, times.sort((a, b) => a - b)[20]);
  assert.ok(best < 10, `${best} ms`);
});
