/** A tiny detector whose right answer is arithmetic: each plain colour has one box of its own. */
import { writeModel } from "../../src/onnx/write.ts";
import { floatTensor, int64Tensor, model, node, value } from "../onnx/build_model.ts";
import { colourPicture } from "./colour_picture.ts";

const SIZE = 64;
const ANCHORS = 84;
const LABELS = ["red", "green", "blue"] as const;
/** Detections below it are left out by the server, unless it is told otherwise. */
const SCORE_MIN = 0.25;
/** Rounding on the way: pixels of the model's input, and parts of one. */
const BOX_TOLERANCE = 0.1, SCORE_TOLERANCE = 0.004;

/** A picture of one colour, and what the detector finds in it. */
export interface KnownPicture {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Longest side, pixels. */
  readonly side: number;
  /** The same box once for each colour that is strong enough, the strongest first. */
  readonly labels: readonly { readonly label: string; readonly score: number }[];
  readonly box: { readonly x1: number; readonly y1: number; readonly x2: number; readonly y2: number };
}

/**
 * `images` `[N, 3, 64, 64]` f32 to `output0` `[N, 7, 84]` f32, a raw YOLOv8 output: one box around (32, 32), as wide as
 * 8 + 40 x the mean of red and as high as 8 + 40 x that of green, whose three scores are the means of the channels.
 */
export function colourModel(): Uint8Array<ArrayBuffer> {
  const rows = [[0, 0, 0], [0, 0, 0], [40, 0, 0], [0, 40, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const first = Array.from({ length: ANCHORS }, (_, anchor) => anchor === 0 ? 1 : 0);
  return writeModel(model({
    name: "colour_detector",
    node: [
      node("GlobalAveragePool", { inputs: ["images"], outputs: ["means"] }),
      node("Conv", { inputs: ["means", "weights", "bias"], outputs: ["row"] }),
      node("Reshape", { inputs: ["row", "column"], outputs: ["spread"] }),
      node("Mul", { inputs: ["spread", "first"], outputs: ["output0"] }),
    ],
    initializer: [
      floatTensor("weights", [7, 3, 1, 1], rows.flat()),
      floatTensor("bias", [7], [32, 32, 8, 8, 0, 0, 0]),
      int64Tensor("column", [3], [-1, 7, 1]),
      floatTensor("first", [1, 1, ANCHORS], first),
    ],
    input: [value("images", ["batch", 3, SIZE, SIZE])],
    output: [value("output0", ["batch", 7, ANCHORS])],
  }, {
    metadata: {
      names: `{${LABELS.map((label, index) => `${index}: '${label}'`).join(", ")}}`,
      stride: "32",
      imgsz: `[${SIZE}, ${SIZE}]`,
      task: "detect",
    },
  }));
}

/** Write the model as `colour.onnx`. @returns its path */
export function writeColourModel(folder: string): string {
  const path = `${folder}/colour.onnx`;
  Deno.writeFileSync(path, colourModel());
  return path;
}

/** A square picture of one colour. @param side 64 times or one part of a power of two, so that scaling is exact */
export function knownPicture(colour: readonly [number, number, number], side: number): KnownPicture {
  const [red, green] = colour.map((channel) => channel / 255) as [number, number];
  const [width, height] = [8 + 40 * red, 8 + 40 * green].map((size) => size * side / SIZE) as [number, number];
  const scores = colour.map((channel, index) => ({ label: LABELS[index]!, score: channel / 255 }));
  return {
    name: `${side}x${side} ${colour.join(" ")}`,
    bytes: colourPicture(colour, side, side),
    side,
    labels: scores.filter(({ score }) => score > SCORE_MIN).toSorted((a, b) => b.score - a.score),
    box: { x1: (side - width) / 2, y1: (side - height) / 2, x2: (side + width) / 2, y2: (side + height) / 2 },
  };
}

/** Pictures of different colours and sizes, no two with the same answer. */
export const PICTURES: readonly KnownPicture[] = [32, 64, 128].flatMap((side) =>
  [0, 1, 2, 3, 4, 5, 6, 7].map((step) => {
    const channels = [255 - 5 * step, 20 + 25 * step, 10 + 15 * step];
    const turn = step % 3;
    const colour = [...channels.slice(turn), ...channels.slice(0, turn)];
    return knownPicture(colour as [number, number, number], side);
  })
);

interface Answer {
  readonly detections?: readonly {
    readonly label: string;
    readonly score: number;
    readonly box: KnownPicture["box"];
  }[];
}

/** What is wrong with an answer; null when it is the picture's own. */
export function wrongness({ detections = [] }: Answer, picture: KnownPicture): string | null {
  const { labels, box, side } = picture;
  const tolerance = BOX_TOLERANCE * Math.max(1, side / SIZE);
  const right = detections.length === labels.length && labels.every(({ label, score }, index) => {
    const found = detections[index]!;
    return found.label === label && Math.abs(found.score - score) <= SCORE_TOLERANCE &&
      (["x1", "y1", "x2", "y2"] as const).every((end) => Math.abs(found.box[end] - box[end]) <= tolerance);
  });
  return right ? null : `${picture.name}: ${JSON.stringify(detections)}`;
}
