import { fromSource } from "../server/program.ts";
import { writeColourModel } from "./colour_model.ts";
import { soak } from "./soak.ts";
import { SOAK_MS, SOAK_SKIPPED } from "./soak_arguments.ts";

Deno.test({
  name: `chaos: a long run with 1 % faults leaves memory and descriptors as they were${SOAK_SKIPPED}`,
  ignore: SOAK_SKIPPED !== "",
  async fn() {
    const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
    try {
      const report = (line: string) => console.log(`chaos: ${line}`);
      await soak({ program: fromSource, model: writeColourModel(folder), report, ms: SOAK_MS });
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
