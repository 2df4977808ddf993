import assert from "node:assert/strict";
import { join } from "node:path";
import { Evidence, Family, LibraryKind } from "../../ffi/enums.ts";
import { scenario, skipReason } from "./children.ts";
import { type RealLibrary, realLibrary, type WHEELS } from "./fetch_libraries.ts";
import type { CancelledReal, Real, RuntimeAlone } from "./real_scenarios.ts";
import type { Failure } from "./scenario_steps.ts";
import { reluOnnx, tinyOnnx } from "./tiny_onnx.ts";

const MODELS = join(import.meta.dirname!, "..", "..", "models");
const NO_DRIVER = { LD_LIBRARY_PATH: "/nonexistent", CUDA_VISIBLE_DEVICES: "" };

/** Registers a test on a real library; where it cannot be had, the name says why it is skipped. */
async function realTest(name: string, wheel: keyof typeof WHEELS, body: (library: RealLibrary) => Promise<void>) {
  const library = skipReason ?? await realLibrary(wheel);
  if (typeof library === "string") Deno.test({ name: `${name} (skipped: ${library})`, ignore: true, fn: () => {} });
  else Deno.test(name, () => body(library));
}

async function withModel<T>(bytes: Uint8Array, body: (path: string) => Promise<T>): Promise<T> {
  const path = await Deno.makeTempFile({ suffix: ".onnx" });
  try {
    await Deno.writeFile(path, bytes);
    return await body(path);
  } finally {
    await Deno.remove(path);
  }
}

/** The head of a plan: magic, size of the whole, version of the builder. */
function checkPlan(found: Real, version: readonly number[]): void {
  assert.ok(!("status" in found.outcome), JSON.stringify(found.outcome));
  const { head, size, stated } = found.outcome;
  assert.equal(String.fromCharCode(...head.slice(0, 4)), "vtrt");
  assert.deepEqual(head.slice(24, 28), version);
  assert.equal(stated, size);
}

const RTX = [
  { wheel: "rtx-1.7.1", family: Family.RTX_1_5, version: [1, 7, 1, 116] },
  { wheel: "rtx-1.4.0", family: Family.RTX_1_3, version: [1, 4, 0, 76] },
] as const;

for (const { wheel, family, version } of RTX) {
  await realTest(`real ${wheel}: a plan for other GPUs is built on a machine without one`, wheel, async (library) => {
    const found = await withModel(
      reluOnnx([1, 4]),
      (model) => scenario<Real>("real", { ...library, model, targets: [75, 86, 120] }, { env: NO_DRIVER }),
    );
    assert.equal(found.facts.family, family);
    assert.equal(found.facts.evidence, Evidence.RUN);
    assert.equal(found.facts.build, version[3]);
    assert.equal(found.checks, 18);
    assert.deepEqual(found.tensors, [
      { name: "x", type: "FLOAT32", dims: [1, 4] },
      { name: "y", type: "FLOAT32", dims: [1, 4] },
    ]);
    checkPlan(found, version);
    const outcome = found.outcome as Exclude<Real["outcome"], Failure>;
    assert.equal(outcome.threads, 1);
    assert.equal((outcome.foreign as unknown as Failure).status, "PLAN_REFUSED");
    assert.ok(
      found.phases.includes("Building engine") && found.phases.includes("Timing tactics"),
      String(found.phases),
    );

    const refused = Object.entries(found.flags).filter(([, value]) => value !== true).map(([name, value]) => {
      return [name, (value as Failure).status];
    });
    assert.deepEqual(refused, [
      ["FP16", "UNSUPPORTED"],
      ["INT8", "UNSUPPORTED"],
      ["OBEY_PRECISION", "UNSUPPORTED"],
      ["PREFER_PRECISION", "UNSUPPORTED"],
      // Only together with VERSION_COMPATIBLE: the library's own rule.
      ["EXCLUDE_LEAN_RUNTIME", "REFUSED"],
      ["FP8", "UNSUPPORTED"],
      ["BF16", "UNSUPPORTED"],
    ]);
  });

  await realTest(`real ${wheel}: the default model is built with a dynamic batch`, wheel, async (library) => {
    const model = join(MODELS, "codes", "codes.onnx");
    const shape = (batch: number) => [batch, 3, 640, 640];
    const shapes = { images: { min: shape(1), opt: shape(2), max: shape(4) } };
    const argument = { ...library, model, targets: [86], shapes };
    const found = await scenario<Real>("real", argument, { env: NO_DRIVER, timeoutMs: 300_000 });
    assert.deepEqual(found.tensors.map(({ name, dims }) => [name, dims?.[0]]), [["images", -1], ["output0", -1]]);
    checkPlan(found, version);
    assert.ok((found.outcome as { size: number }).size > 1 << 20);
  });

  await realTest(`real ${wheel}: a running build is cancelled`, wheel, async (library) => {
    const shape = (batch: number) => [batch, 3, 640, 640];
    const argument = {
      ...library,
      model: join(MODELS, "codes", "codes.onnx"),
      shapes: { min: shape(1), opt: shape(2), max: shape(4) },
    };
    const found = await scenario<CancelledReal>("cancelReal", argument, { env: NO_DRIVER, timeoutMs: 300_000 });
    assert.ok(found.seen > 0);
    assert.equal((found.outcome as unknown as Failure).status, "CANCELLED");
  });

  await realTest(
    `real ${wheel}: a dynamic input without a profile is told in the library's words`,
    wheel,
    async (library) => {
      const found = await withModel(
        reluOnnx(["batch", 4]),
        (model) => scenario<Real>("real", { ...library, model }, { env: NO_DRIVER }),
      );
      const failure = found.outcome as Failure;
      assert.deepEqual([failure.status, failure.code], ["BUILD_FAILED", 4]);
      assert.match(failure.message, /no optimization profile has been defined/);
    },
  );

  await realTest(
    `real ${wheel}: EfficientNMS_TRT is refused with node, operator and reason`,
    wheel,
    async (library) => {
      const bytes = tinyOnnx({
        inputs: [{ name: "boxes", dims: [1, 10, 4] }, { name: "scores", dims: [1, 10, 2] }],
        outputs: [{ name: "num", dims: [1, 1], type: 6 }],
        nodes: [{ op: "EfficientNMS_TRT", name: "the nms", inputs: ["boxes", "scores"], outputs: ["num"] }],
      });
      const found = await withModel(
        bytes,
        (model) => scenario<Real>("real", { ...library, model }, { env: NO_DRIVER }),
      );
      const failure = found.outcome as Failure;
      assert.equal(failure.status, "PARSE_FAILED");
      assert.match(failure.message, /^The parser refused node 0 "the nms" \(EfficientNMS_TRT\): /);
      assert.equal(found.complaints[0]?.node_operator, "EfficientNMS_TRT");
    },
  );

  await realTest(`real ${wheel}: a target that it does not know is refused by number`, wheel, async (library) => {
    const found = await withModel(
      reluOnnx([1, 4]),
      (model) => scenario<Real>("real", { ...library, model, targets: [86, 90] }, { env: NO_DRIVER }),
    );
    const failure = found.outcome as Failure;
    assert.equal(failure.status, "REFUSED");
    assert.match(failure.message, /refused the target 90: .*Compute capability is invalid or not supported/i);
  });

  await realTest(`real ${wheel}: a file that is no model is refused`, wheel, async (library) => {
    const found = await withModel(
      new TextEncoder().encode("this is no model at all"),
      (model) => scenario<Real>("real", { ...library, model }, { env: NO_DRIVER }),
    );
    assert.equal((found.outcome as Failure).status, "PARSE_FAILED");
  });
}

const LEAN = [
  { wheel: "lean-11.4.0", family: Family.V11, evidence: Evidence.RUN },
  { wheel: "lean-10.16.1", family: Family.V10, evidence: Evidence.RUN },
] as const;

for (const { wheel, family, evidence } of LEAN) {
  await realTest(`real ${wheel}: without a driver the runtime is an error, not a crash`, wheel, async ({ core }) => {
    const run = (unchecked: boolean) => scenario<RuntimeAlone>("runtimeAlone", { core, unchecked }, { env: NO_DRIVER });
    const checked = await run(false);
    assert.deepEqual([checked.facts.family, checked.facts.kind, checked.facts.evidence], [
      family,
      LibraryKind.LEAN,
      evidence,
    ]);
    const builder = checked.builder as unknown as Failure;
    assert.equal(builder.status, "UNSUPPORTED");
    assert.match(builder.message, /is a lean runtime: it has no builder$/);
    const asked = checked.runtime as unknown as Failure;
    assert.ok(["NO_DRIVER", "CUDA_ERROR"].includes(asked.status), asked.message);
    const made = (await run(true)).runtime as unknown as Failure;
    assert.equal(made.status, "NULL_RESULT");
    assert.equal(made.code, 6);
    assert.match(
      made.message,
      /^createInferRuntime returned a pointer into the first page: .*CUDA initialization failure with error: \d+/,
    );
  });
}
