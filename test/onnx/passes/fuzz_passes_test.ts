import assert from "node:assert/strict";
import { TrtdError } from "../../../src/errors.ts";
import { modelFacts } from "../../../src/onnx/facts.ts";
import { knownOutputs } from "../../../src/onnx/known_outputs.ts";
import { PASSES } from "../../../src/onnx/passes/passes.ts";
import { FIELDS, type ModelProto } from "../../../src/onnx/proto.ts";
import { type OnnxModel, readModel } from "../../../src/onnx/read.ts";
import { walk } from "../../../src/onnx/graph/walk.ts";
import { writeModel } from "../../../src/onnx/write.ts";
import { nested } from "../bad_models.ts";
import { tinyYolo } from "../build_model.ts";
import { nmsModel } from "../nms_models.ts";
import { randomFrom } from "./fp16/photo_variants.ts";
import { quickestMs } from "../../quickest.ts";

const CASES = 4000;
const MS_MAX = 2000;

/** A model with up to three of its parts dropped, doubled, or replaced by others of their kind. */
function shuffled(source: ModelProto, below: (n: number) => number): ModelProto {
  const model = structuredClone(source);
  const places: { holder: Record<string | number, unknown>; key: string | number; kind: string }[] = [];
  walk("ModelProto", model, (type, message, _path) => {
    const holder = message as unknown as Record<string, unknown>;
    for (const { name, kind, repeated } of FIELDS[type]) {
      if (!repeated && holder[name] !== undefined) places.push({ holder, key: name, kind });
      if (repeated) (holder[name] as []).forEach((_, key) => places.push({ holder: holder[name] as never, key, kind }));
    }
  });
  for (let times = 1 + below(3); times > 0; times--) {
    const { holder, key, kind } = places[below(places.length)]!;
    const alike = places.filter((place) => place.kind === kind && place.holder[place.key] !== undefined);
    const other = structuredClone(
      alike.length === 0 ? undefined : (({ holder, key }) => holder[key])(alike[below(alike.length)]!),
    );
    const step = below(4);
    if (step === 0 && Array.isArray(holder)) holder.splice(key as number, 1);
    else if (step === 1 && Array.isArray(holder)) holder.push(other);
    else if (other !== undefined) holder[key] = other;
  }
  return model;
}

Deno.test("passes: 4,000 shuffled models are converted to valid ones or refused with a code, nothing else", () => {
  const random = randomFrom(20261122);
  const below = (n: number) => Math.floor(random() * n);
  const nms = nmsModel({ boxes: [1, 2, 3, 4], scores: [0.5, 0.5], scoreDims: [1, 2], anchors: [1, 2, 3, 4] });
  const yolo = readModel(tinyYolo([], { labels: ["a", "b"] }));
  const seeds = [nested(3), yolo, nms, PASSES["nms-split"].run(nms).model, PASSES["nms-attach"].run(yolo).model];
  const counts = new Map<string, number>();
  let slowest = 0;
  for (let at = 0; at < CASES; at++) {
    let model: OnnxModel;
    try {
      model = readModel(writeModel(shuffled(seeds[below(seeds.length)]!, below)));
    } catch (thrown) {
      assert.ok(thrown instanceof TrtdError, String(thrown));
      continue;
    }
    const act = () => {
      knownOutputs(model, modelFacts(model).outputs);
      for (const name of ["fp16", "nms-split", "nms-attach"] as const) {
        let code = "done";
        try {
          const { model: made } = PASSES[name].run(model);
          const read = readModel(writeModel(made));
          assert.equal(PASSES[name].run(read).model, read, `case ${at}: a second ${name} changes the model`);
        } catch (thrown) {
          assert.ok(thrown instanceof TrtdError, `case ${at}, ${name}: ${(thrown as Error).stack}`);
          assert.ok(["PASS_REFUSED", "MODEL_NOT_A_DETECTOR"].includes(thrown.code), `case ${at}, ${name}: ${thrown}`);
          code = thrown.code;
        }
        counts.set(`${name} ${code}`, (counts.get(`${name} ${code}`) ?? 0) + 1);
      }
    };
    slowest = Math.max(slowest, quickestMs(act, MS_MAX));
  }
  console.log(Object.fromEntries(counts), `slowest ${slowest.toFixed(0)} ms`);
  assert.ok(slowest < MS_MAX);
  for (const key of ["fp16 done", "nms-split done", "nms-split PASS_REFUSED", "nms-attach done"]) {
    assert.ok((counts.get(key) ?? 0) > 10, key);
  }
});
