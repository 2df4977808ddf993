import assert from "node:assert/strict";
import { TrtdError } from "../../src/errors.ts";
import { modelFacts } from "../../src/onnx/facts.ts";
import { modelAbilities } from "../../src/onnx/abilities.ts";
import { FIELDS, type ModelProto } from "../../src/onnx/proto.ts";
import { decodeModel, readModel } from "../../src/onnx/read.ts";
import { walk } from "../../src/onnx/graph/walk.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { BAD_MODELS, goodModel, nested } from "./bad_models.ts";
import { tinyYolo } from "./build_model.ts";
import { quickestMs } from "../quickest.ts";

const CASES = 10_000;
const SEED_BYTES_MAX = 5000;
const CASE_MS_MAX = 2000;
const MEMORY_MAX = 256e6;

/** Mulberry32: small, seeded, good enough to pick bytes. */
function randomFrom(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function mutated(source: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = [...source];
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(bytes.length + 1);
    const size = 1 + random(16);
    switch (random(7)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes.splice(at, size);
        break;
      case 4:
        bytes.splice(at, 0, ...Array.from({ length: size }, () => random(256)));
        break;
      case 5:
        bytes.splice(at, 0, ...bytes.slice(random(bytes.length + 1)).slice(0, size * 8));
        break;
      default:
        bytes.splice(at, size, ...Array.from({ length: size }, () => [0x00, 0x7f, 0x80, 0xff][random(4)]!));
    }
  }
  return Uint8Array.from(bytes);
}

/** Swap values of equal type between messages, drop them, repeat them: valid protobuf, broken ONNX. */
function shuffled(source: ModelProto, random: (below: number) => number): Uint8Array {
  const model = structuredClone(source);
  const values = new Map<string, unknown[]>();
  const places: { holder: Record<string, unknown> | unknown[]; key: string | number; type: string }[] = [];
  walk("ModelProto", model, (type, message, _path) => {
    for (const { name, kind, repeated } of FIELDS[type]) {
      const holder = message as unknown as Record<string, unknown>;
      const value = holder[name];
      if (value === undefined) continue;
      const items = repeated ? value as unknown[] : [value];
      items.forEach((item, index) => {
        places.push(repeated ? { holder: items, key: index, type: kind } : { holder, key: name, type: kind });
        values.set(kind, [...values.get(kind) ?? [], item]);
      });
    }
  });
  for (let times = 1 + random(3); times > 0; times--) {
    const { holder, key, type } = places[random(places.length)]!;
    const others = values.get(type)!;
    const other = structuredClone(others[random(others.length)]);
    const step = random(4);
    if (step === 0 && Array.isArray(holder)) holder.splice(key as number, 1);
    else if (step === 0) delete (holder as Record<string, unknown>)[key];
    else if (step === 1 && Array.isArray(holder)) holder.push(other);
    else (holder as Record<string | number, unknown>)[key] = other;
  }
  return writeModel(model);
}

Deno.test("onnx fuzz: 10,000 damaged models are read or refused with a model's code, nothing else", () => {
  const random = randomFrom(20261122);
  const good = [writeModel(goodModel()), writeModel(nested(5)), tinyYolo([], { labels: ["a", "b"], anchors: 4 })];
  const bad = BAD_MODELS.map(({ bytes }) => bytes()).filter(({ length }) => length < SEED_BYTES_MAX);
  const models = good.map((bytes) => decodeModel(bytes));
  const codes = new Map<string, number>();
  const before = Deno.memoryUsage().rss;
  let slowest = 0;
  for (let run = 0; run < CASES; run++) {
    const seeds = random(2) === 0 ? good : bad;
    const bytes = random(3) === 0
      ? shuffled(models[random(models.length)]!, random)
      : mutated(seeds[random(seeds.length)]!, random);
    let code = "accepted";
    const act = () => {
      try {
        modelAbilities(modelFacts(readModel(bytes)));
      } catch (thrown) {
        assert.ok(thrown instanceof TrtdError, `case ${run}: ${thrown instanceof Error ? thrown.stack : thrown}`);
        assert.match(thrown.code, /^MODEL_/, `case ${run}`);
        assert.match(thrown.message, /^\P{C}{1,600}$/u, `case ${run}`);
        code = thrown.code;
      }
    };
    slowest = Math.max(slowest, quickestMs(act, CASE_MS_MAX));
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  const grown = Deno.memoryUsage().rss - before;
  console.log(Object.fromEntries(codes), `slowest ${slowest.toFixed(0)} ms, ${(grown / 1e6).toFixed(0)} MB more`);
  assert.ok(slowest < CASE_MS_MAX);
  assert.ok(grown < MEMORY_MAX);
  const common = ["MODEL_TRUNCATED", "MODEL_INVALID", "MODEL_NOT_PROTOBUF", "MODEL_INPUT_MISSING", "MODEL_CYCLE"];
  for (const code of ["accepted", "MODEL_DIMENSIONS_INVALID", "MODEL_EXTERNAL_DATA", ...common]) {
    assert.ok((codes.get(code) ?? 0) > 10, `only ${codes.get(code) ?? 0} of ${code}`);
  }
});
