import assert from "node:assert/strict";
import type { Tensor } from "../../src/backends/backend.ts";
import { openServed } from "../../src/cli/children/open_served.ts";
import { mergeConfig } from "../../src/config/config.ts";
import { batchDifference } from "../../src/detect/batch_check.ts";
import type { Detector } from "../../src/detect/detector.ts";
import type { Picture } from "../../src/detect/letterbox/letterbox.ts";
import { openDetector } from "../../src/detect/open.ts";
import { TrtdError } from "../../src/errors.ts";
import { colourModel, PICTURES, wrongness } from "../chaos/colour_model.ts";

const SIZE = { width: 32, height: 32 };

async function withModel(
  bytes: Uint8Array,
  use: (model: { name: string; path: string; manifest: { name: string; file: string } }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/colour.onnx`;
    await Deno.writeFile(path, bytes);
    await use({ name: "colour", path, manifest: { name: "colour", file: "colour.onnx" } });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** All known pictures in one call: what is wrong with the answers. */
async function wrongAnswers(detector: Pick<Detector, "detectBatch">): Promise<string[]> {
  const results = await detector.detectBatch(PICTURES.map(({ bytes }) => ({ bytes })));
  const wrong = results.map((result, i) =>
    result instanceof TrtdError ? result.message : wrongness(result, PICTURES[i]!)
  );
  return wrong.filter((one) => one !== null);
}

Deno.test("batches on the CPU: with several threads two pictures, once the model has answered both as each alone", async () => {
  await withModel(colourModel(), async (model) => {
    for (const [threads, expected] of [[1, 1], [2, 2]] as const) {
      const detector = await openDetector(model, { threads });
      assert.equal(detector.batchMax, 1, "nobody asked for batches");
      await detector.allowBatches();
      assert.equal(detector.batchMax, expected);
      assert.deepEqual(await wrongAnswers(detector), []);
      await detector.close();
    }
  });
});

Deno.test("batches on the CPU: a model whose free batch is 1 in truth answers one by one", async () => {
  await withModel(colourModel(1), async (model) => {
    const detector = await openDetector(model, { threads: 2 });
    await detector.allowBatches();
    assert.equal(detector.batchMax, 1);
    assert.deepEqual(await wrongAnswers(detector), []);
    await detector.close();
  });
});

Deno.test("batches on the CPU: serving allows them unless the configuration wants single pictures", async () => {
  const { config } = mergeConfig({ environment: {}, flags: {} });
  const terminal = { cwd: ".", interactive: false, resolve: (path: string) => path, print: () => {}, note: () => {} };
  const open = openServed({ config, terminal });
  await withModel(colourModel(), async (model) => {
    for (const [wish, expected] of [[{}, 2], [{ batch_max: 4 }, 2], [{ batch_max: 1 }, 1]] as const) {
      const settings = { backend: "onnxruntime", threads: 2, max_pixels: 1e6, ...wish } as const;
      const detector = await open(model, settings);
      assert.equal(detector.batchMax, expected);
      await detector.close();
    }
  });
});

const meanOf = ({ data }: Picture): number => data.reduce((sum, one) => sum + one, 0) / data.length;
const f32 = (dims: number[], values: number[]): Tensor => ({
  type: "float32",
  dims,
  data: Float32Array.from(values),
});
/** A model that says each picture's mean. */
const means = (pictures: readonly Picture[]): Promise<Tensor[]> =>
  Promise.resolve([f32([pictures.length, 1], pictures.map(meanOf))]);

Deno.test("batch check: outputs that are the same to their last bits are the same", async () => {
  assert.equal(await batchDifference(means, SIZE, 2), null);
  assert.equal(await batchDifference(means, SIZE, 5), null);
  const noisy = async (pictures: readonly Picture[]) =>
    (await means(pictures)).map(({ dims, data }) =>
      f32([...dims], Array.from(data as Float32Array, (one) => one * (1 + 1e-5 * pictures.length)))
    );
  assert.equal(await batchDifference(noisy, SIZE, 2), null);
  const nothing = (pictures: readonly Picture[]) =>
    Promise.resolve([f32([pictures.length, 1], pictures.map(() => NaN))]);
  assert.equal(await batchDifference(nothing, SIZE, 2), null, "NaN is NaN");
  const empty = (pictures: readonly Picture[]) => Promise.resolve([f32([pictures.length, 0, 6], [])]);
  assert.equal(await batchDifference(empty, SIZE, 2), null);
});

Deno.test("batch check: what mixes pictures, drops one or cannot run is found", async () => {
  const mixed = (pictures: readonly Picture[]) => {
    const mean = pictures.map(meanOf).reduce((a, b) => a + b) / pictures.length;
    return Promise.resolve([f32([pictures.length, 1], pictures.map(() => mean))]);
  };
  assert.match(
    (await batchDifference(mixed, SIZE, 2))!,
    /^output 0 holds [\d.]+ where the picture alone gives [\d.]+$/,
  );
  const first = async (pictures: readonly Picture[]) => {
    const [{ data }] = await means(pictures) as [Tensor];
    return [f32([pictures.length, 1], pictures.map(() => Number(data[0])))];
  };
  assert.match((await batchDifference(first, SIZE, 2))!, /^output 0 holds/);
  const one = async (pictures: readonly Picture[]) => await means(pictures.slice(-1));
  assert.equal(await batchDifference(one, SIZE, 2), "output 0 is [1,1] and not [2,1]");
  const counted = (pictures: readonly Picture[]): Promise<Tensor[]> =>
    Promise.resolve([{
      type: "int64",
      dims: [pictures.length],
      data: BigInt64Array.from(pictures, () => BigInt(pictures.length)),
    }]);
  assert.equal(await batchDifference(counted, SIZE, 2), "output 0 holds 2 where the picture alone gives 1");
  const half = (pictures: readonly Picture[]): Promise<Tensor[]> =>
    Promise.resolve([{
      type: "float16",
      dims: [pictures.length],
      data: Uint16Array.from(pictures, () => 0x3c00 + 64 * pictures.length),
    }]);
  assert.match((await batchDifference(half, SIZE, 2))!, /^output 0 holds 1.125 where/);
  const refused = (pictures: readonly Picture[]) =>
    pictures.length > 1
      ? Promise.reject(new TrtdError("INFERENCE_FAILED", "Reshape refuses 2 pictures"))
      : means(pictures);
  assert.equal(await batchDifference(refused, SIZE, 2), "Reshape refuses 2 pictures");
  const lost = () => Promise.reject(new TrtdError("GPU_FAULT", "gone"));
  await assert.rejects(() => batchDifference(lost, SIZE, 2), { code: "GPU_FAULT" });
});
