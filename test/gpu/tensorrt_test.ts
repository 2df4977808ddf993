/**
 * The default model on this machine's GPU, for each TensorRT of TRTD_TEST_TENSORRT=DIR[:DIR]. TRTD_TEST_RUNS sets the
 * number of inferences of the long run on the first of them; the others have a fifth. TRTD_TEST_STEPS=REGEXP leaves out
 * the steps whose names it does not match.
 */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { gpuTest, runScenario, sanitizerMissing, scenario, skipReason, tensorRts } from "./gpu.ts";

const RUNS = Number(Deno.env.get("TRTD_TEST_RUNS") ?? "100000");
/** Share of them on every TensorRT but the first. */
const FEWER = 0.2;
const MB = 1e6;
const STEPS = new RegExp(Deno.env.get("TRTD_TEST_STEPS") ?? "");
const sanitizer = await sanitizerMissing();
/** Errors of the driver do not count: TensorRT asks it for what it may not have. */
const MEMCHECK = [
  "compute-sanitizer",
  ...["--tool", "memcheck"],
  ...["--report-api-errors", "no"],
  ...["--target-processes", "application-only"],
];

interface Side {
  readonly passed: boolean;
  readonly compared: number;
  readonly failures: readonly string[];
}

interface Compared {
  readonly compared: number;
  readonly matched: number;
}

/** A failure is printed where it happens, so that a run that is cut off loses none. */
async function testTensorRt(test: Deno.TestContext, tensorrt: string, runs: number): Promise<void> {
  const t = {
    step: async (name: string, body: () => Promise<void>, isIgnored = false) =>
      void await test.step({
        name,
        ignore: isIgnored || !STEPS.test(name),
        fn: async () => {
          const began = performance.now();
          try {
            await body();
          } catch (error) {
            const text = error instanceof Error ? error.message : String(error);
            console.error(`FAILED on ${basename(tensorrt)}: ${name}\n${text}`);
            throw error;
          } finally {
            console.error(`  ${basename(tensorrt)}: ${((performance.now() - began) / 1000).toFixed(1)} s: ${name}`);
          }
        },
      }),
  };
  const folder = await Deno.makeTempDir({ prefix: "trtd-gpu-test-" });
  const with_ = (settings: Record<string, string>) => ({ tensorrt, models: join(folder, "models"), settings });
  const fp16 = { precision: "fp16", batch: "4" };
  try {
    for (const [precision, batch] of [["f32", "1"], ["fp16", "4"]] as const) {
      await t.step(
        `${precision}, batch ${batch}: the boxes are those of ONNX Runtime on the bundled pictures`,
        async () => {
          type Parity = { info: Record<string, unknown>; batchMax: number; single: Side; batch: Side };
          const result = await scenario<Parity>("scenarios/parity.ts", with_({ precision, batch }));
          const { info, batchMax, single, batch: together } = result;
          assert.deepEqual([info["name"], info["precision"], info["degraded"]], ["tensorrt", precision, null]);
          assert.equal(batchMax, Number(batch));
          assert.ok(single.compared >= 10, "too few boxes to compare");
          assert.deepEqual([single.passed, together.passed], [true, true], JSON.stringify(result, null, 1));
        },
      );
    }
    await t.step("JPEG files decoded by the GPU give the CPU decoder's boxes, damaged ones its errors", async () => {
      const result = await scenario<Record<string, unknown>>("scenarios/jpeg.ts", with_(fp16));
      console.log(`  ${basename(tensorrt)}: ${JSON.stringify(result)}`);
      const { compared, matched } = result as unknown as Compared, repeated = result["repeated"] as Compared;
      const nvjpeg = result["nvjpeg"] as { readonly interpolates: boolean } | null;
      const way = nvjpeg === null || nvjpeg.interpolates
        ? "interpolated"
        : "repeated, since nvJPEG does not interpolate";
      const counts = [`${matched} of ${compared} with colours ${way}`];
      counts.push(`${repeated.matched} of ${repeated.compared} with colours repeated`);
      console.log(`  ${basename(tensorrt)}: within IoU 0.98 of the CPU's boxes: ${counts.join(", ")}`);
      assert.ok(compared >= 100, JSON.stringify(result, null, 1));
      const { passed, codes, mixed, byGpu, damagedByGpu } = result;
      assert.equal(passed, true, JSON.stringify(result, null, 1));
      if (nvjpeg === null || nvjpeg.interpolates) assert.equal(matched, compared, JSON.stringify(result, null, 1));
      assert.ok((result["worst_iou"] as number) >= 0.95, JSON.stringify(result, null, 1));
      // All kinds but the progressive and the turned ones are for the GPU, where it has JPEG engines.
      const kinds = ["q95", "q60", "4:4:4", "standard tables", "gray", "with a tail", "odd size"];
      const taken = kinds.filter((kind) => (byGpu as string[]).some((name) => name.endsWith(kind)));
      if (nvjpeg !== null) assert.deepEqual(taken, kinds, JSON.stringify(result, null, 1));
      assert.equal(damagedByGpu, 0, JSON.stringify(result, null, 1));
      for (const [onGpu, onCpu] of codes as [string, string][]) assert.equal(onGpu, onCpu, JSON.stringify(codes));
      assert.ok((codes as [string, string][]).every(([code]) => code === "IMAGE_CORRUPT"), JSON.stringify(codes));
      const [first, bad, ...others] = mixed as (string | number)[];
      assert.deepEqual([bad, ...others], ["IMAGE_CORRUPT", first, first]);
    });
    await t.step(`8 contexts answer ${runs.toLocaleString("en")} times as one does, and memory is flat`, async () => {
      const argument = { ...with_({ ...fp16, batch: "1", contexts: "8" }), runs, callers: 16 };
      const result = await scenario<Record<string, number>>("scenarios/endurance.ts", argument);
      console.log(`  ${basename(tensorrt)}: ${JSON.stringify(result)}`);
      const { wrong, lanes, handleGrowth } = result;
      assert.deepEqual([result["runs"]! >= runs, wrong, lanes, handleGrowth], [true, 0, 8, 0]);
      assert.ok(result["boxes"]! > runs);
      assert.ok(result["deviceGrowth"]! <= 2 * MB, `the device lost ${result["deviceGrowth"]} bytes`);
      assert.ok(result["hostGrowth"]! <= 64 * MB, `the process grew by ${result["hostGrowth"]} bytes`);
    });
    await t.step("after an illegal address every answer is GPU_FAULT, in this process for good", async () => {
      const result = await scenario<Record<string, unknown>>("scenarios/fault.ts", with_({ ...fp16, batch: "1" }));
      assert.deepEqual(result, {
        before: "ok",
        cuda: 700,
        after: ["GPU_FAULT", "GPU_FAULT"],
        told: "GPU_FAULT",
        again: "GPU_FAULT",
      });
    });
    const unchecked = sanitizer === null ? "" : ` (skipped: ${sanitizer})`;
    await t.step(`compute-sanitizer's memcheck finds nothing in whole runs${unchecked}`, async () => {
      const settings = with_({ ...fp16, contexts: "1" });
      // TensorRT-RTX's build does not end in a child of a process under the tool: the engine is in the cache before.
      await scenario("scenarios/whole.ts", settings);
      const checked = async (script: string) => {
        const { code, stdout, stderr } = await runScenario(script, settings, { under: MEMCHECK });
        const text = stdout + stderr;
        assert.equal(code, 0, text.slice(-4000));
        return text;
      };
      const clean = await checked("scenarios/whole.ts");
      assert.match(clean, /"boxes":[1-9]/);
      assert.match(clean, /ERROR SUMMARY: 0 errors/, clean.slice(-4000));
      assert.match(
        await checked("scenarios/fault.ts"),
        /Invalid __global__ write[^]*at bad/,
        "the tool sees what is wrong",
      );
    }, sanitizer !== null);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

tensorRts.forEach((tensorrt, at) => {
  const runs = Math.round(at === 0 ? RUNS : FEWER * RUNS);
  gpuTest(`gpu: the default model on ${basename(tensorrt)}`, (t) => testTensorRt(t, tensorrt, runs));
});
if (tensorRts.length === 0) {
  const reason = skipReason ?? "TRTD_TEST_TENSORRT=DIR[:DIR] names no TensorRT";
  gpuTest("gpu: the default model on TensorRT", async () => {}, reason);
}
