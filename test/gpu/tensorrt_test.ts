/**
 * The default model on this machine's GPU, for each TensorRT of TRTD_TEST_TENSORRT=DIR[:DIR]. TRTD_TEST_RUNS sets the
 * number of inferences of the long run.
 */
import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { gpuTest, scenario, skipReason, tensorRts } from "./gpu.ts";

const RUNS = Number(Deno.env.get("TRTD_TEST_RUNS") ?? "100000");
const MB = 1e6;

interface Side {
  readonly passed: boolean;
  readonly compared: number;
  readonly failures: readonly string[];
}

async function testTensorRt(t: Deno.TestContext, tensorrt: string): Promise<void> {
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
      const { passed, codes, mixed, nvjpeg, decodedByGpu } = result;
      assert.equal(passed, true, JSON.stringify(result, null, 1));
      // 8 of 10 kinds of files are for the GPU, where it has JPEG engines; three photos of each.
      if (nvjpeg !== null) assert.ok((decodedByGpu as number) >= 18, JSON.stringify(result, null, 1));
      console.log(`  ${basename(tensorrt)}: ${nvjpeg === null ? "no nvJPEG" : JSON.stringify(nvjpeg)}`);
      for (const [onGpu, onCpu] of codes as [string, string][]) assert.equal(onGpu, onCpu);
      assert.ok((codes as [string, string][]).every(([code]) => code === "IMAGE_CORRUPT"), JSON.stringify(codes));
      const [first, bad, ...others] = mixed as (string | number)[];
      assert.deepEqual([bad, ...others], ["IMAGE_CORRUPT", first, first]);
    });
    await t.step("8 contexts answer at once as one does", async () => {
      const argument = { ...with_({ ...fp16, batch: "1", contexts: "8" }), runs: 2000, callers: 16 };
      const { wrong, lanes, boxes } = await scenario<Record<string, number>>("scenarios/endurance.ts", argument);
      assert.deepEqual({ wrong, lanes }, { wrong: 0, lanes: 8 });
      assert.ok(boxes! > 2000);
    });
    await t.step(`${RUNS.toLocaleString("en")} inferences leave memory of host and device flat`, async () => {
      const argument = { ...with_({ ...fp16, batch: "1", contexts: "4" }), runs: RUNS, callers: 8 };
      const result = await scenario<Record<string, number>>("scenarios/endurance.ts", argument);
      console.log(`  ${basename(tensorrt)}: ${JSON.stringify(result)}`);
      assert.deepEqual([result["runs"]! >= RUNS, result["wrong"], result["handleGrowth"]], [true, 0, 0]);
      assert.ok(result["deviceGrowth"]! <= 2 * MB, `the device lost ${result["deviceGrowth"]} bytes`);
      assert.ok(result["hostGrowth"]! <= 48 * MB, `the process grew by ${result["hostGrowth"]} bytes`);
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
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const tensorrt of tensorRts) {
  gpuTest(`gpu: the default model on ${basename(tensorrt)}`, (t) => testTensorRt(t, tensorrt));
}
if (tensorRts.length === 0) {
  const reason = skipReason ?? "TRTD_TEST_TENSORRT=DIR[:DIR] names no TensorRT";
  Deno.test({ name: `gpu: the default model on TensorRT (skipped: ${reason})`, ignore: true, fn: () => {} });
}
