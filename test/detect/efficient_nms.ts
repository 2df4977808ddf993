/** EfficientNMS_TRT's filter path in f32, the slow obvious way (TensorRT plugin/efficientNMSPlugin). */

export interface PluginInputs {
  /** `[A, 4]`, or `[A, C, 4]` when {@link perClass}. */
  readonly boxes: readonly number[];
  readonly perClass: boolean;
  /** `[A, C]` */
  readonly scores: readonly number[];
  readonly classes: number;
  /** `[A, 4]`, null with two inputs. */
  readonly anchors: readonly number[] | null;
}

export interface PluginAttributes {
  readonly scoreThreshold: number;
  readonly iouThreshold: number;
  readonly maxOutputBoxes: number;
  readonly backgroundClass: number;
  readonly sigmoid: boolean;
  readonly classAgnostic: boolean;
  readonly centerSize: boolean;
}

/** One row of the plugin's outputs. */
export interface PluginRow {
  readonly box: readonly number[];
  readonly score: number;
  readonly classId: number;
}

type Corners = readonly [y1: number, x1: number, y2: number, x2: number];

const f = Math.fround;

export function efficientNms(inputs: PluginInputs, attributes: PluginAttributes): PluginRow[] {
  const { classes, perClass, anchors } = inputs;
  const threshold = thresholdOf(attributes);
  const candidates = inputs.scores.flatMap((given, element) => {
    const score = f(given), classId = element % classes, anchor = Math.floor(element / classes);
    if (!(score >= threshold) || classId === attributes.backgroundClass) return [];
    const from = 4 * (perClass ? element : anchor);
    const box = inputs.boxes.slice(from, from + 4).map(f);
    return [{
      score,
      classId,
      element,
      box: cornersOf(box, anchors?.slice(4 * anchor, 4 * anchor + 4).map(f), attributes),
    }];
  });
  candidates.sort((a, b) => b.score - a.score || a.element - b.element);
  const kept: typeof candidates = [];
  for (const one of candidates.slice(0, 5000)) {
    if (kept.length === attributes.maxOutputBoxes) break;
    const isFree = kept.every((other) =>
      (!attributes.classAgnostic && other.classId !== one.classId) ||
      iou(one.box, other.box) < f(attributes.iouThreshold)
    );
    if (isFree) kept.push(one);
  }
  return kept.map(({ box, score, classId }) => ({
    box,
    score: attributes.sigmoid ? f(1 / (1 + Math.exp(-score))) : score,
    classId,
  }));
}

function thresholdOf({ scoreThreshold, sigmoid }: PluginAttributes): number {
  const threshold = f(scoreThreshold);
  if (!sigmoid) return threshold;
  return threshold <= 0 ? -32768 : f(Math.log(f(threshold / f(1 - threshold))));
}

function cornersOf(box: number[], anchor: number[] | undefined, { centerSize }: PluginAttributes): Corners {
  let [a, b, c, d] = box as [number, number, number, number];
  if (anchor !== undefined) {
    const [p, q, r, s] = anchor as [number, number, number, number];
    if (centerSize) {
      [a, b, c, d] = [f(f(a * r) + p), f(f(b * s) + q), f(r * f(Math.exp(c))), f(s * f(Math.exp(d)))];
    } else {
      const own = reordered([a, b, c, d]), other = reordered([p, q, r, s]);
      [a, b, c, d] = own.map((v, i) => f(v + other[i]!)) as [number, number, number, number];
    }
  }
  return centerSize ? [f(a - f(0.5 * c)), f(b - f(0.5 * d)), f(a + f(0.5 * c)), f(b + f(0.5 * d))] : [a, b, c, d];
}

/** Swapped by adding and subtracting, as the plugin does. */
function reordered([y1, x1, y2, x2]: Corners): Corners {
  if (y1 > y2) {
    y1 = f(y1 - y2);
    y2 = f(y1 + y2);
    y1 = f(y2 - y1);
  }
  if (x1 > x2) {
    x1 = f(x1 - x2);
    x2 = f(x1 + x2);
    x1 = f(x2 - x1);
  }
  return [y1, x1, y2, x2];
}

function iou(first: Corners, second: Corners): number {
  const a = reordered(first), b = reordered(second);
  const area = ([y1, x1, y2, x2]: Corners): number => {
    const h = f(y2 - y1), w = f(x2 - x1);
    return h <= 0 || w <= 0 ? 0 : f(h * w);
  };
  const inter = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  if (inter <= 0) return 0;
  const union = f(f(area(a) + area(b)) - inter);
  return union <= 0 ? 0 : f(inter / union);
}
