import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import type { VerifyAnswer } from "../../src/cli/verify/verify.ts";
import { readModel } from "../../src/onnx/read.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { doubling, fakeModelText } from "../backends/tensorrt/doubling.ts";
import { fakeSet, nativeTest, shimAndFakes } from "../native/children.ts";
import { floatTensor } from "../onnx/build_model.ts";
import { cleanEnvironment } from "../clean_environment.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");
const GPU = "NVIDIA Fake 4090:8.9:24564";

/** A detector of 126 anchors and two classes, which the fake TensorRT computes as ONNX Runtime does. */
const MODEL = { input: [3, 64, 96], output: [6, 126] } as const;

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A folder with a model whose engine computes 2 x + 1. @param added what ONNX Runtime adds */
async function withModel(
  added: number,
  body: (trtd: (...args: string[]) => Promise<Said>, model: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-verify-" });
  try {
    const model = join(folder, "doubling.onnx");
    const proto = readModel(doubling(MODEL));
    const initializer = proto.graph!.initializer.map((one) =>
      one.name === "one" ? floatTensor("one", [], [added]) : one
    );
    await Deno.writeFile(model, writeModel({ ...proto, graph: { ...proto.graph!, initializer } }));
    await Deno.writeTextFile(join(folder, "doubling.txt"), fakeModelText(MODEL));
    const trtd = async (...args: string[]): Promise<Said> => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-check", "-A", MAIN, ...args, "--tensorrt", dirname(fakeSet("10.16").core)],
        cwd: folder,
        clearEnv: true,
        env: cleanEnvironment({
          NO_COLOR: "1",
          INIT_CWD: folder,
          TRTD_SHIM: shimAndFakes().shim,
          LD_LIBRARY_PATH: dirname(fakeSet("10.16").cuda),
          TRTD_FAKE_GPUS: GPU,
          TRTD_FAKE: "",
          TRTD_FAKE_MODEL: join(folder, "doubling.txt"),
          TRTD_CACHE_DIR: join(folder, "cache"),
        }),
      }).output();
      return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
    };
    await body(trtd, model);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

nativeTest("verify, end to end: an engine that computes what ONNX Runtime does passes, and serves", async () => {
  await withModel(1, async (trtd, model) => {
    const missing = await trtd("verify", model);
    assert.equal(missing.code, 3, missing.err);
    assert.match(missing.err, /^trtd: BACKEND_UNAVAILABLE: There is no f32 engine of "doubling"/m);
    assert.match(missing.err, /remedy: Build it: trtd build-engine /);
    const built = await trtd("build-engine", model, "--json");
    assert.equal(built.code, 0, built.err);
    const { code, out, err } = await trtd("verify", model, "--json");
    assert.equal(code, 0, err);
    const { report, not_remembered, engine }: VerifyAnswer = JSON.parse(out);
    assert.deepEqual([report.passed, report.pictures.count, not_remembered], [true, 8, null]);
    assert.ok(report.compared > 0);
    assert.equal(JSON.parse(await Deno.readTextFile(`${engine}.json`)).verified[0].passed, true);
    const detected = await trtd("detect", "--model", model, "--json");
    assert.equal(detected.code, 0, detected.err);
    assert.equal(JSON.parse(detected.out)[0].backend.name, "tensorrt");
    assert.doesNotMatch(detected.err, /agrees with ONNX Runtime/, "it was compared already");
  });
});

nativeTest(
  "verify, end to end: an engine that computes something else ends with status 4 and does not serve",
  async () => {
    await withModel(1.5, async (trtd, model) => {
      const built = await trtd("build-engine", model, "--json");
      assert.equal(built.code, 0, built.err);
      const { code, err } = await trtd("verify", model);
      assert.equal(code, 4, err);
      assert.match(err, /^trtd: PARITY_FAILED: The f32 engine of "doubling" does not agree with ONNX Runtime: /m);
      const detected = await trtd("detect", "--model", model, "--json");
      assert.equal(detected.code, 0, detected.err);
      const [{ backend }] = JSON.parse(detected.out);
      assert.equal(backend.name, "onnxruntime");
      assert.match(backend.degraded, /^The f32 engine was found on .* not to agree with ONNX Runtime: /);
      const forced = await trtd("detect", "--model", model, "--json", "--backend", "tensorrt");
      assert.equal(forced.code, 4, forced.err);
    });
  },
);
