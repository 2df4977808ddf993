/** Messages between manager and worker: what is looked at by hand is what the schema takes. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { replyFrom, replySchema, requestFrom, requestSchema } from "../../../src/serving/channel/messages.ts";

const DETECT = {
  type: "detect",
  id: 7,
  request_id: "a-1",
  picture: { kind: "file", ring: "/dev/shm/trtd-1", offset: 0, length: 240_000 },
  options: { score: 0.25 },
  annotate: false,
  deadline: 1_790_000_000_000,
};
const ANSWER = { type: "answer", id: 7, batch: 1, result: { model: "codes", detections: [{ label: "qr_code" }] } };

type Parse = (header: unknown) => unknown;

/** What it gives, or that it throws. */
function outcome(parse: Parse, header: unknown): unknown {
  try {
    return { message: parse(header) };
  } catch {
    return "refused";
  }
}

/** Values that a field may have instead of its own; undefined takes it away. */
const odd = fc.oneof(
  fc.constantFrom(undefined, null, "", "detect", "answer", -1, 0, 1, 1.5, 1e300, true, [], {}, { detections: 3 }),
  fc.constantFrom({ score: 2 }, { score: "1" }, { iou: 0.5 }, { max: 3, score: 0 }, { kind: "rgb" }, {
    classes: ["a"],
  }),
  fc.jsonValue(),
);

const PATHS = ["", "picture.", "options.", "result."] as const;
const NAMES = [
  ...Object.keys(DETECT),
  ...Object.keys(DETECT.picture),
  "score",
  "batch",
  "result",
  "detections",
  "more",
];

/** A message with up to three fields changed, as it comes out of JSON. */
const changed = (message: object) =>
  fc.array(fc.tuple(fc.constantFrom(...PATHS), fc.constantFrom(...NAMES), odd), { maxLength: 3 }).map((changes) => {
    const copy = structuredClone(message) as Record<string, unknown>;
    for (const [path, name, value] of changes) {
      const part = path === "" ? copy : copy[path.slice(0, -1)];
      if (typeof part === "object" && part !== null) (part as Record<string, unknown>)[name] = structuredClone(value);
    }
    return JSON.parse(JSON.stringify(copy)) as unknown;
  });

for (
  const [name, message, byHand, schema] of [
    ["request", DETECT, requestFrom, requestSchema],
    ["reply", ANSWER, replyFrom, replySchema],
  ] as const
) {
  Deno.test(`messages: a ${name} is taken as the schema takes it, and refused as it refuses`, () => {
    assert.deepEqual(byHand(message), message);
    let refused = 0, taken = 0;
    fc.assert(
      fc.property(changed(message), (header) => {
        const expected = outcome((one) => schema.parse(one), header);
        assert.deepEqual(outcome(byHand, header), expected);
        if (expected === "refused") refused++;
        else taken++;
      }),
      { numRuns: 2000, seed: 7 },
    );
    assert.ok(refused > 200 && taken > 200, `${refused} refused, ${taken} taken`);
  });
}
