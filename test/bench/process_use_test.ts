import assert from "node:assert/strict";
import { childrenOf, cpuMsFrom, gpuUseFrom, ProcessWatch } from "../../scripts/bench/process_use.ts";

Deno.test("process use: the name in a stat file may have spaces and brackets", () => {
  assert.equal(cpuMsFrom("7 (a) b) R) S 1 7 7 0 -1 4194304 10 0 0 0 250 50 0 0 20 0 1 0 100"), 3000);
});

Deno.test("process use: a busy thread is seen, and a child is found", {
  ignore: Deno.build.os !== "linux", // there is no /proc elsewhere
}, async () => {
  const child = new Deno.Command("sleep", { args: ["60"], stdin: "null", stdout: "null", stderr: "null" }).spawn();
  try {
    const watch = new ProcessWatch([Deno.pid, child.pid]);
    const used = () => cpuMsFrom(Deno.readTextFileSync("/proc/self/stat"));
    for (const begun = used(); used() < begun + 300;);
    const [own, other] = watch.end();
    assert.equal(own!.pid, Deno.pid);
    assert.ok(own!.cores > 2 * other!.cores, `${own!.cores} cores, ${other!.cores} of one that sleeps`);
    assert.ok(other!.mainThread <= other!.cores + 0.001);
    assert.ok(childrenOf(Deno.pid).includes(child.pid));
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
  assert.ok(!childrenOf(Deno.pid).includes(child.pid));
});

Deno.test("process use: nvidia-smi's lines become means, and what it does not know stays unknown", () => {
  assert.deepEqual(gpuUseFrom("40, 10, 200.5\n60, 20, [N/A]\n"), { gpu: 50, memory: 15, watts: 200.5 });
  assert.deepEqual(gpuUseFrom("No devices were found\n"), { gpu: null, memory: null, watts: null });
});
