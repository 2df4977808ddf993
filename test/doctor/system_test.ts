import assert from "node:assert/strict";
import { join } from "node:path";
import { systemFacts } from "../../src/doctor/system.ts";
import { cgroupFolders, glibcFromLibrary, memoryFromMeminfo } from "../../src/doctor/system_texts.ts";
import { l4tFromRelease } from "../../src/tensorrt/request/machine_facts.ts";

Deno.test("system: Jetson Linux tells its release", () => {
  const cases: [text: string, expected: string | null][] = [
    ["# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n", "36.4.3"],
    ["# R35 (release), REVISION: 1.0, GCID: 1\n", "35.1.0"],
    ["# R32 (release), REVISION: 7.1, GCID: 1\nmore\n", "32.7.1"],
    ["", null],
    ["R36", null],
  ];
  for (const [text, expected] of cases) assert.equal(l4tFromRelease(text), expected);
});

Deno.test("system: meminfo is read in bytes", () => {
  const text = "MemTotal:       16000 kB\nMemFree:  1000 kB\nMemAvailable:    8000 kB\n";
  assert.deepEqual(memoryFromMeminfo(text), { total: 16_384_000, available: 8_192_000 });
  assert.deepEqual(memoryFromMeminfo("MemTotal: 10 kB\nMemFree: 5 kB\n"), { total: 10_240, available: 5120 });
  assert.equal(memoryFromMeminfo("MemTotal: lots"), null);
});

Deno.test("system: control groups of both versions, nested ones upwards to the root", () => {
  assert.deepEqual(cgroupFolders("0::/a/b\n"), {
    version: 2,
    memory: ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"],
    cpu: ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"],
  });
  assert.deepEqual(cgroupFolders("9:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n"), {
    version: 1,
    memory: ["/sys/fs/cgroup/memory/docker/1", "/sys/fs/cgroup/memory/docker", "/sys/fs/cgroup/memory"],
    cpu: ["/sys/fs/cgroup/cpu,cpuacct/x", "/sys/fs/cgroup/cpu,cpuacct"],
  });
  assert.deepEqual(cgroupFolders("0::/../../x\n")?.memory, ["/sys/fs/cgroup/x", "/sys/fs/cgroup"]);
  assert.equal(cgroupFolders(""), null);
});

Deno.test("system: the version of glibc is found in the bytes of its library", () => {
  const bytes = new TextEncoder().encode("\0\0GNU C Library (x 2.99) stable release version 2.31.\nCopyright");
  assert.equal(glibcFromLibrary(bytes), "2.31");
  assert.equal(glibcFromLibrary(new TextEncoder().encode("musl")), null);
});

Deno.test("system: this machine tells what the checks need", { ignore: Deno.build.os !== "linux" }, async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-system-" });
  try {
    const facts = await systemFacts({ models: join(folder, "a", "b"), cacheDir: join(folder, "cache") });
    assert.match(facts.glibc!, /^2\.\d+$/);
    assert.ok(facts.memory!.available > 0 && facts.memory!.available <= facts.memory!.total);
    assert.ok(facts.disk!.free > 0);
    assert.deepEqual(facts.models, { path: join(folder, "a", "b"), exists: false, problem: null });
    assert.deepEqual(facts.cache, { path: join(folder, "cache"), exists: false, problem: null });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("system: folders that cannot be used are told with the reason", async () => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-system-" });
  try {
    await Deno.writeTextFile(join(folder, "file"), "");
    await Deno.mkdir(join(folder, "open"));
    await Deno.chmod(join(folder, "open"), 0o777);
    const { models, cache } = await systemFacts({ models: join(folder, "file"), cacheDir: join(folder, "open") });
    assert.match(models.problem!, /^The models folder ".*file" is not a folder$/);
    assert.match(cache.problem!, /can be written by other users$/);
    const beneath = await systemFacts({ models: "/proc/nowhere/models", cacheDir: undefined });
    assert.match(beneath.models.problem!, /^The models folder "\/proc\/nowhere\/models" cannot be made: \S/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
