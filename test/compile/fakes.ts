/** The fake TensorRT and the fake CUDA driver in a box, from which the repository cannot be seen. */
import { basename, join } from "node:path";
import { type FakeSet, skipReason } from "../native/children.ts";
import type { Box } from "./box.ts";

/** Why the tests that need the fakes are skipped, empty when they are not. */
export const CANNOT_FAKE = skipReason === undefined ? "" : ` (skipped: ${skipReason})`;

/**
 * Copies a set to the folders `trt` and `cuda` of the box.
 * @returns the environment in which the driver is found, with one device
 */
export function putFakes(box: Box, { core, parser, plugins, cuda }: FakeSet): Record<string, string> {
  const folders = { trt: [core, parser, ...(plugins === null ? [] : [plugins])], cuda: [cuda] };
  for (const [folder, files] of Object.entries(folders)) {
    Deno.mkdirSync(join(box.folder, folder));
    for (const file of files) Deno.copyFileSync(file, join(box.folder, folder, basename(file)));
  }
  return { TRTD_FAKE_GPUS: "NVIDIA Fake 4090:8.9:24564", LD_LIBRARY_PATH: join(box.folder, "cuda") };
}
