import assert from "node:assert/strict";
import { join } from "node:path";
import type { SearchSystem } from "../../../src/tensorrt/discovery/discovery_folders.ts";
import { nvJpegPaths } from "../../../src/tensorrt/discovery/nvjpeg_paths.ts";

Deno.test("nvJPEG: the wheels of CUDA 12 and 13 and toolkits beside the usual one are found, whole files only", async () => {
  const root = await Deno.makeTempDir();
  try {
    const site = "venv/lib/python3.12/site-packages/nvidia";
    const files = [
      `${site}/cu13/lib/libnvjpeg.so.13`,
      `${site}/cu13/lib/libnvrtc.so.13`,
      `${site}/nvjpeg/lib/libnvjpeg.so.12`,
      "cuda-12.4/lib64/libnvjpeg.so.12",
      "cuda-12.4/lib64/libnvjpeg.so.12.3.1.117",
      "cuda-12.4/lib64/libnvjpeg_static.a",
    ];
    for (const file of files) {
      await Deno.mkdir(join(root, file, ".."), { recursive: true });
      await Deno.writeTextFile(join(root, file), "");
    }
    const system: SearchSystem = {
      environment: { VIRTUAL_ENV: join(root, "venv") },
      architecture: "x86_64",
      loaderCache: join(root, "none"),
      usualFolders: [],
      packageStatus: join(root, "none"),
    };
    assert.deepEqual(
      nvJpegPaths(system, [join(root, "cuda-*/lib64")]),
      [files[0]!, files[2]!, files[3]!].map((file) => join(root, file)),
    );
    assert.deepEqual(nvJpegPaths({ ...system, environment: {} }, []), []);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
