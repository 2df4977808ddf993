import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig } from "../../../src/config/load.ts";
import type { BuildLine } from "../../../src/serving/engine/build_messages.ts";
import { startBuild } from "../../../src/serving/engine/build_process.ts";
import { isAlive } from "../../server/process.ts";
import { until } from "../../until.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const { config } = await loadConfig({}, { cwd: folder });
const question = {
  model: { name: "codes", path: "/nowhere/codes.onnx", manifest: { name: "codes", file: "codes.onnx" } },
};

/** A build by a shell script that has the question in `$question`. */
function shell(script: string) {
  const lines: BuildLine[] = [];
  const args = ["-c", `read -r question; ${script}`];
  return {
    lines,
    build: startBuild({ question, config, onLine: (line) => lines.push(line), command: { path: "sh", args } }),
  };
}

Deno.test("build process: lines become progress, the last one is how it ended", async () => {
  const { lines, build } = shell(`
    case "$question" in *'"model":{"name":"codes"'*) ;; *) exit 1 ;; esac
    echo '{"type":"expected","seconds":12}'; echo '{"type":"progress","phase":"x","fraction":0.5}'
    echo '{"type":"ended","result":"built","error":null}'`);
  assert.deepEqual(await build.ended, { type: "ended", result: "built", error: null });
  assert.deepEqual(lines, [{ type: "expected", seconds: 12 }, { type: "progress", phase: "x", fraction: 0.5 }]);
});

Deno.test("build process: a child that dies or talks nonsense is a failed build, and nothing of it stays", async () => {
  for (
    const [script, how] of [["kill -SEGV $$", /SIGSEGV/], ["exit 7", /exit status 7/], [
      "echo hello",
      /nonsense/,
    ]] as const
  ) {
    const { result, error } = await shell(script).build.ended;
    assert.equal(result, "failed");
    assert.equal(error!.code, "BUILD_CRASHED");
    assert.match(error!.detail, how);
  }
});

Deno.test("build process: to be cancelled is to have its input closed", async () => {
  const marker = join(folder, "pid");
  const { build } = shell(`echo $$ > ${marker}; cat > /dev/null`);
  await until("started", () => exists(marker));
  build.cancel();
  build.cancel();
  assert.equal((await build.ended).result, "cancelled");
  assert.equal(isAlive(Number(Deno.readTextFileSync(marker))), false);
});

Deno.test("build process: on a machine without a GPU the real child says why nothing is built", async () => {
  const { result, error } = await startBuild({ question, config, onLine() {}, args: ["--log-level", "error"] }).ended;
  assert.notEqual(result, "built");
  assert.ok(error!.code.length > 0 && error!.remedy.length > 0, JSON.stringify(error));
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch {
    return false;
  }
}
