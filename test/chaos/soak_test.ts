import { writeColourModel } from "./colour_model.ts";
import { fromSource } from "./program.ts";
import { soak } from "./soak.ts";

const [word, minutes = "10"] = Deno.args;
const skipped = word === "soak" ? "" : " (skipped: deno task test:soak runs it)";

Deno.test({
  name: `chaos: a long run with 1 % faults leaves memory and descriptors as they were${skipped}`,
  ignore: skipped !== "",
  async fn() {
    const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
    try {
      const report = (line: string) => console.log(`chaos: ${line}`);
      await soak({ program: fromSource, model: writeColourModel(folder), report }, Number(minutes) * 60_000);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
