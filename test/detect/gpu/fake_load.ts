/** A cache with one engine, and a load child that is a function. */
import type { Json } from "../../../src/cache/key.ts";
import type { Hit } from "../../../src/cache/store.ts";
import type { FirstLoad } from "../../../src/detect/gpu/first_load.ts";
import type { EngineCheck } from "../../../src/tensorrt/load/check_engine.ts";
import type { EngineLoad } from "../../../src/tensorrt/load/load_messages.ts";

export type CheckedLoad = FirstLoad;

export const MACHINE = {
  gpu: "NVIDIA Fake 4090",
  compute_capability: "8.9",
  driver: "580.1",
  tensorrt: "TensorRT 10.16.1",
} as const;

/** A hit with metadata that can be amended. */
export function hitOf(facts: Record<string, Json>): { hit: Hit; cache: FirstLoad["cache"] } {
  const entry = { engine: { sha256: "a".repeat(64) }, facts };
  const hit = { kind: "hit", path: "/models/trt/pets.engine", entry } as unknown as Hit;
  const cache: FirstLoad["cache"] = {
    amend: (_, change) => {
      entry.facts = change(entry.facts) as Record<string, Json>;
      return Promise.resolve(null);
    },
    sideFile: () => Promise.reject(new Error("There are no kernels to keep")),
  };
  return { hit, cache };
}

/** @param failure of every load @default none */
export function fakeLoad(failure?: Error): { load: NonNullable<FirstLoad["load"]>; loads: EngineCheck[] } {
  const loads: EngineCheck[] = [];
  const load = (check: EngineCheck) => {
    loads.push(check);
    return failure === undefined ? Promise.resolve({ runtime_cache: null } as EngineLoad) : Promise.reject(failure);
  };
  return { load, loads };
}
