import assert from "node:assert/strict";
import { writeColourModel } from "../chaos/colour_model.ts";
import { soak } from "../chaos/soak.ts";
import { SOAK_MS, SOAK_SKIPPED } from "../chaos/soak_arguments.ts";
import { boxTest } from "./box.ts";

/** To start and to stop, beside the run itself. */
const MARGIN_MS = 300_000;

boxTest("chaos: a long run with 1 % faults leaves memory and descriptors as they were", async (box) => {
  await soak({
    program: (args, { env = {} }) => box.spawn(args, { env, timeoutMs: SOAK_MS + MARGIN_MS }),
    model: writeColourModel(box.folder),
    report: (line) => console.log(`chaos, compiled: ${line}`),
    ms: SOAK_MS,
    temporary: box.temp,
  });
  assert.deepEqual([...Deno.readDirSync(box.temp)], [], "what it unpacks does not go to the temporary folder");
}, { skipped: SOAK_SKIPPED });
