import assert from "node:assert/strict";
import { join } from "node:path";
import { nvidiaPresence } from "../../../src/backends/tensorrt/presence.ts";

async function presenceWith(nodes: readonly string[], libraries: readonly string[] = []): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-presence-" });
  try {
    const [devices, lib] = [join(folder, "dev"), join(folder, "lib")];
    for (const path of [devices, lib]) await Deno.mkdir(path);
    for (const node of nodes) await Deno.writeTextFile(join(devices, node), "");
    for (const library of libraries) await Deno.writeTextFile(join(lib, library), "");
    return await nvidiaPresence({ devices, libraryPath: `:${lib}:${folder}/nowhere`, folders: [] });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const CASES: readonly (readonly [title: string, nodes: string[], libraries: string[], presence: string])[] = [
  ["a machine without any", ["null", "sda", "dri"], [], "none"],
  ["a desktop or server", ["null", "nvidia0", "nvidiactl", "nvidia-uvm"], ["libcuda.so.1"], "device"],
  ["a GPU without its driver library", ["nvidia0"], [], "device"],
  ["a Jetson of the Tegra driver", ["nvhost-gpu", "nvmap"], [], "device"],
  ["a Jetson of the open driver", ["nvgpu"], [], "device"],
  ["an image with the driver library on a machine without a GPU", ["null"], ["libcuda.so.1"], "driver"],
  ["WSL 2 on a machine of another maker", ["dxg"], [], "none"],
  ["other names that begin alike", ["nvidia", "nvme0n1", "nvidia-settings"], ["libcuda.so"], "none"],
];

for (const [title, nodes, libraries, presence] of CASES) {
  Deno.test(`presence: ${title} is "${presence}"`, async () => {
    assert.equal(await presenceWith(nodes, libraries), presence);
  });
}

Deno.test("presence: a folder of devices that is missing shows none, and looking takes no time", async () => {
  const begun = performance.now();
  assert.equal(await nvidiaPresence({ devices: "/nowhere", libraryPath: "", folders: [] }), "none");
  assert(performance.now() - begun < 10_000);
});
