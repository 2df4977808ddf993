/** nvJPEG behind libtrtd, over a fake. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { buildShim } from "../../scripts/build_shim.ts";
import { fakeSet, GPUS, nativeTest, shimAndFakes } from "./children.ts";
import type { JpegScenario } from "./jpeg_scenario.ts";

const fakeNvJpeg = () => join(shimAndFakes().fakes, "nvjpeg", "libnvjpeg.so.13");

interface Answer {
  readonly result: Record<string, unknown>;
  readonly handles: number;
}

async function run(
  options: Partial<JpegScenario>,
  wishes = "nvjpeg-hardware=1",
  env: Record<string, string> = {},
): Promise<Answer> {
  const scenario: JpegScenario = {
    driver: fakeSet("10.16").cuda,
    nvjpeg: fakeNvJpeg(),
    backend: "AUTO",
    pictures: ["10 20 30", "40 50 60", "70 80 90"],
    ...options,
  };
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(import.meta.dirname!, "jpeg_scenario.ts"), JSON.stringify(scenario)],
    env: { TRTD_SHIM: shimAndFakes().shim, TRTD_FAKE_GPUS: GPUS, TRTD_FAKE: wishes, ...env },
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout)) as Answer;
}

/** First and last pixel of the fake's pictures of 16 x 8. */
const PIXELS = [[10, 20, 30], [40, 50, 60], [70, 80, 90]].map(([r, g, b]) => [[r, g, b], [r! + 15, g! + 7, b]]);

for (const backend of ["HYBRID", "HARDWARE"] as const) {
  nativeTest(`jpeg: ${backend} puts each picture of a batch in its place, again and again`, async () => {
    const { result, handles } = await run({ backend, times: 3 });
    assert.deepEqual(result["pixels"], PIXELS);
    const { path, ...facts } = result["facts"] as Record<string, unknown>;
    const name = backend.toLowerCase();
    const counts = { decoded: 9, refused: 0 };
    assert.deepEqual(facts, { version: "13.0.4", backend: name, engines: 7, interpolates: true, ...counts });
    assert.match(path as string, /libnvjpeg\.so\.13$/);
    assert.equal(handles, 0);
  });
  nativeTest(`jpeg: ${backend} interpolates colours where nvJPEG can and nobody says otherwise`, async () => {
    const cases = [["", {}, true], ["nvjpeg-interpolate=2", {}, false], ["nvjpeg-old=1", {}, false]] as const;
    for (const [wish, told, interpolates] of [...cases, ["", { interpolate: false }, false] as const]) {
      const { result, handles } = await run({ backend, ...told }, `nvjpeg-hardware=1 ${wish}`);
      const blue = (pixels: unknown) => (pixels as number[][][])[0]![0]![2];
      assert.equal(blue(result["pixels"]), interpolates ? 30 : 29, wish);
      assert.equal((result["facts"] as { interpolates: boolean }).interpolates, interpolates, wish);
      assert.equal(handles, 0);
    }
  });
  for (const word of ["bad", "short", "unsupported"]) {
    nativeTest(`jpeg: ${backend} refuses a picture that is "${word}" by its index`, async () => {
      const pictures = ["1 2 3", "1 2 3", `1 2 3 ${word}`, "1 2 3"];
      const { result } = await run({ backend, pictures });
      const { status, code, message } = result["failure"] as Record<string, unknown>;
      assert.deepEqual([status, code], ["PICTURE_REFUSED", 2]);
      assert.match(message as string, /^Picture 2 is not decoded on the GPU: nvJPEG says "/);
      assert.equal((result["facts"] as { refused: number }).refused, 1);
    });
  }
}

const FAILURES: readonly (readonly [string, Partial<JpegScenario>, string, Record<string, unknown>])[] = [
  [
    "a picture that nvJPEG reads larger than its header says is refused before a pixel is written",
    {},
    "nvjpeg-hardware=1 nvjpeg-wider=1",
    {
      status: "PICTURE_REFUSED",
      code: 0,
      message: "Picture 0 is not decoded on the GPU: nvJPEG reads 17 x 8 pixels instead of 16 x 8",
    },
  ],
  ["a failure on the device in a healthy context is the picture's", {}, "nvjpeg-hardware=1 nvjpeg-device=6", {
    status: "PICTURE_REFUSED",
    code: 0,
    message: 'Picture 0 is not decoded on the GPU: nvJPEG says "execution failed"',
  }],
  [
    "a failure on the device in a broken context is the context's",
    {},
    "nvjpeg-hardware=1 nvjpeg-device=6 cuda-sync=700",
    {
      status: "CUDA_ERROR",
      code: 700,
      message: "cuStreamSynchronize failed with an unknown error (700)",
    },
  ],
  ["memory that runs out is said as that", { pictures: ["1 2 3 memory"] }, "nvjpeg-hardware=1", {
    status: "OUT_OF_MEMORY",
    code: 0,
    message: "nvJPEG has no memory for the picture",
  }],
];
for (const [what, options, wishes, expected] of FAILURES) {
  nativeTest(`jpeg: ${what}`, async () => {
    const { result, handles } = await run(options, wishes);
    const { origin: _, ...failure } = result["failure"] as Record<string, unknown>;
    assert.deepEqual(failure, expected);
    assert.equal(handles, 0);
  });
}

nativeTest("jpeg: without nvJPEG the answer names all places that were tried", async () => {
  const { result, handles } = await run({ nvjpeg: null });
  assert.equal(result["status"], "LIBRARY_NOT_LOADED");
  for (const name of ["libnvjpeg.so.13", "libnvjpeg.so.12", "libnvjpeg.so.11", "/usr/local/cuda/lib64"]) {
    assert.ok((result["message"] as string).includes(name), name);
  }
  assert.equal(handles, 0);
});

nativeTest("jpeg: a library that is not nvJPEG is SYMBOL_MISSING", async () => {
  const { result } = await run({ nvjpeg: fakeSet("10.16").cuda });
  assert.equal(result["status"], "SYMBOL_MISSING");
  assert.match(result["message"] as string, /has no nvjpegGetProperty/);
});

nativeTest(
  "jpeg: without engines on the GPU the CPU decodes: that is UNSUPPORTED unless hybrid is asked for",
  async () => {
    const { result, handles } = await run({}, "");
    assert.equal(result["status"], "UNSUPPORTED");
    assert.deepEqual((await run({ backend: "HYBRID" }, "")).result["pixels"], PIXELS);
    assert.equal(handles, 0);
  },
);

nativeTest("jpeg: the loader's path is searched for the usual names", async () => {
  const { result } = await run({ nvjpeg: null }, "nvjpeg-hardware=1", {
    LD_LIBRARY_PATH: join(shimAndFakes().fakes, "nvjpeg"),
  });
  assert.deepEqual(result["pixels"], PIXELS);
});

nativeTest("jpeg: sound files pass the check, and no damaged file does that the CPU's decoder refuses", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(import.meta.dirname!, "jpeg_check_scenario.ts")],
    env: { TRTD_SHIM: shimAndFakes().shim },
  }).output();
  const decoder = new TextDecoder();
  assert.equal(code, 0, decoder.decode(stderr));
  const { sound, soundRefused, passed, refused, wrong } = JSON.parse(decoder.decode(stdout));
  assert.deepEqual({ sound, soundRefused, wrong }, { sound: 14, soundRefused: [], wrong: [] });
  assert.equal(passed + refused, 14 * 150);
  assert.ok(refused > 14 * 80, `${refused} of ${14 * 150} were refused`);
});

nativeTest("jpeg: no byte beside a picture is touched and nothing leaks, under AddressSanitizer", async () => {
  const built = await buildShim({ fakes: true, sanitize: true });
  if (built.status === "missing") throw new Error(built.reason);
  for (const [backend, flags] of [["1", "0"], ["3", "0"], ["1", "1"], ["3", "1"]] as const) {
    const { stdout, stderr } = await new Deno.Command(join(built.fakes!, "drive-jpeg"), {
      args: [
        join(built.fakes!, "cuda", "libcuda.so.1"),
        join(built.fakes!, "nvjpeg", "libnvjpeg.so.13"),
        backend,
        flags,
      ],
      env: { TRTD_FAKE_GPUS: GPUS, TRTD_FAKE: "nvjpeg-hardware=1" },
    }).output();
    const decoder = new TextDecoder();
    assert.equal(decoder.decode(stdout), "fine\n", decoder.decode(stderr));
  }
});
