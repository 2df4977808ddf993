/**
 * Wants an engine: `racing_child <modelsDir> <userCacheDir> <milliseconds of the build> <log>`. Each build is a line of
 * the log. Prints whether it built.
 */
import { openEngineCache } from "../../src/cache/store.ts";
import { claimIn, fakeBuild, KEY } from "./set_up.ts";

const [modelsDir, userCacheDir, buildMs, log] = Deno.args as [string, string, string, string];
const cache = openEngineCache({ modelsDir, userCacheDir });
const { built, bytes } = await cache.obtain({
  model: claimIn(modelsDir),
  key: KEY,
  build: async (...given) => {
    await Deno.writeTextFile(log, `${Deno.pid}\n`, { append: true });
    await new Promise((done) => setTimeout(done, Number(buildMs)));
    return await fakeBuild("raced")(...given);
  },
});
console.log(JSON.stringify({ built, bytes: bytes.length }));
Deno.exit(0);
