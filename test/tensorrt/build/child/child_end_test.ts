import assert from "node:assert/strict";
import { childEnd, type ChildFacts } from "../../../../src/tensorrt/build/child/child_end.ts";
import { killCounters, killsIn, memoryKills } from "../../../../src/tensorrt/build/child/memory_kills.ts";
import type { BuiltReport, FailedReport } from "../../../../src/tensorrt/build/child/messages.ts";

const built: BuiltReport = {
  outcome: "built",
  bytes: 10,
  layers: 1,
  inputs: [],
  outputs: [],
  library: "10.16.1",
  timings_ms: {},
  remarks: [],
};
const failed: FailedReport = {
  outcome: "failed",
  stage: "build",
  status: "BUILD_FAILED",
  message: "no engine",
  complaints: [],
};

const ENDS: readonly (readonly [title: string, facts: Partial<ChildFacts>, kind: string])[] = [
  ["a report and status 0 are an engine", { report: built }, "built"],
  [
    "a report of an engine and a crash after it are a crash",
    { report: built, code: 139, signal: "SIGSEGV" },
    "crashed",
  ],
  ["a report of a failure is a refusal", { report: failed, code: 4 }, "refused"],
  ["an abort is a crash", { code: 134, signal: "SIGABRT" }, "crashed"],
  ["an invalid access is a crash", { code: 135, signal: "SIGBUS" }, "crashed"],
  ["our kill at the time limit is a hang", { code: 137, signal: "SIGKILL", ended: "time-limit" }, "timed-out"],
  [
    "our kill counts before the kernel's count",
    { signal: "SIGKILL", ended: "time-limit", memoryKills: 3 },
    "timed-out",
  ],
  ["our kill after Ctrl-C is an interruption", { code: 137, signal: "SIGKILL", ended: "cancelled" }, "interrupted"],
  ["a cancelled build that reports is an interruption", { report: failed, code: 4, ended: "cancelled" }, "interrupted"],
  ["a kill that the kernel counted is memory", { code: 137, signal: "SIGKILL", memoryKills: 1 }, "out-of-memory"],
  ["a kill that nobody counted is one from outside", { code: 137, signal: "SIGKILL", memoryKills: 0 }, "killed"],
  ["a kill without a counter is one from outside", { code: 137, signal: "SIGKILL", memoryKills: null }, "killed"],
  ["a request to end is one from outside", { code: 143, signal: "SIGTERM" }, "killed"],
  ["a status without a report is a loss", { code: 0 }, "lost"],
];

for (const [title, facts, kind] of ENDS) {
  Deno.test(`child: ${title}`, () => {
    const whole: ChildFacts = {
      code: 0,
      signal: null,
      report: null,
      stage: "build",
      ended: null,
      memoryKills: null,
      ...facts,
    };
    const end = childEnd(whole);
    assert.equal(end.kind, kind);
    if (end.kind === "killed") assert.equal(end.memory, end.signal === "SIGKILL");
  });
}

Deno.test("memory kills: the counter of version 2 and of version 1 is found by the control group", () => {
  assert.deepEqual(killCounters("0::/user.slice/app.scope\n").map(({ path }) => path), [
    "/sys/fs/cgroup/user.slice/app.scope/memory.events",
    "/sys/fs/cgroup/unified/user.slice/app.scope/memory.events",
    "/sys/fs/cgroup/memory.events",
  ]);
  assert.deepEqual(killCounters("5:devices:/\n4:cpu,memory:/docker/1\n0::/\n").map(({ path }) => path), [
    "/sys/fs/cgroup/memory/docker/1/memory.oom_control",
    "/sys/fs/cgroup/memory/memory.oom_control",
    "/sys/fs/cgroup/memory.events",
    "/sys/fs/cgroup/unified/memory.events",
  ]);
  assert.deepEqual(killCounters("nonsense"), []);
});

Deno.test("memory kills: both files have the count on a line of its own", () => {
  assert.equal(killsIn("low 0\nhigh 0\nmax 31\noom 3\noom_kill 2\noom_group_kill 0\n"), 2);
  assert.equal(killsIn("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), 7);
  assert.equal(killsIn("oom_kill_disable 0\nunder_oom 0\n"), null);
});

Deno.test("memory kills: the first counter that can be read counts, and none is no mistake", () => {
  const files: Record<string, string> = {
    "/proc/self/cgroup": "4:memory:/a\n0::/\n",
    "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill 5\n",
  };
  const read = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  };
  assert.equal(memoryKills(read), 5);
  delete files["/proc/self/cgroup"];
  assert.equal(memoryKills(read), null);
});
