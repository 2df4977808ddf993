/** A plan for tests, with any changes. */
import type { BuildPlan } from "../../../src/tensorrt/plan/plan.ts";

/** TensorRT 10.16.1, f32, batch 8, on one GPU. */
export function fakePlan(changes: Partial<BuildPlan> = {}): BuildPlan {
  return {
    format: 1,
    tensorrt: { product: "tensorrt", version: "10.16.1", family: "10" },
    libraries: { core: "/lib/core.so", parser: "/lib/parser.so", plugins: null, cuda_driver: null },
    passes: [],
    plugin_operators: [],
    force: false,
    device: 0,
    precision: "f32",
    batch: 8,
    flags: [],
    set_targets: [],
    targets: [89],
    profile: [
      { input: "images", min: [4, 3, 64, 64], opt: [8, 3, 64, 64], max: [8, 3, 64, 64] },
      { input: "table", min: [2, 1], opt: [2, 2], max: [2, 4] },
    ],
    workspace_bytes: null,
    optimization_level: null,
    hardware_compatibility: null,
    tactic_sources: null,
    dla_core: null,
    timing_cache: null,
    remarks: [],
    ...changes,
  };
}
