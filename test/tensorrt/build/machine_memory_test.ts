import assert from "node:assert/strict";
import { hostAvailable } from "../../../src/tensorrt/build/machine_memory.ts";

const MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000 kB\nMemAvailable:    8000000 kB\n";

function available(files: Readonly<Record<string, string>>): number | null {
  return hostAvailable((path) => {
    const text = files[path];
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  });
}

const CASES: readonly (readonly [title: string, files: Readonly<Record<string, string>>, bytes: number | null])[] = [
  ["what the kernel says", { "/proc/meminfo": MEMINFO }, 8_000_000 * 1024],
  ["nothing where it says nothing", {}, null],
  ["a control group without a limit does not matter", {
    "/proc/meminfo": MEMINFO,
    "/proc/self/cgroup": "0::/box\n",
    "/sys/fs/cgroup/box/memory.max": "max\n",
    "/sys/fs/cgroup/box/memory.current": "1000\n",
  }, 8_000_000 * 1024],
  ["the limit of version 2, where cached files do not count as used", {
    "/proc/meminfo": MEMINFO,
    "/proc/self/cgroup": "0::/box\n",
    "/sys/fs/cgroup/box/memory.max": "1000000000\n",
    "/sys/fs/cgroup/box/memory.current": "900000000\n",
    "/sys/fs/cgroup/box/memory.stat": "anon 100000000\nactive_file 300000000\ninactive_file 200000000\n",
  }, 600_000_000],
  ["a limit of the container that is seen at the root", {
    "/proc/meminfo": MEMINFO,
    "/proc/self/cgroup": "0::/\n",
    "/sys/fs/cgroup/memory.max": "500000000\n",
    "/sys/fs/cgroup/memory.current": "600000000\n",
  }, 0],
  ["the limit of version 1", {
    "/proc/meminfo": MEMINFO,
    "/proc/self/cgroup": "5:cpu:/box\n4:memory:/box\n",
    "/sys/fs/cgroup/memory/box/memory.limit_in_bytes": "2000000000\n",
    "/sys/fs/cgroup/memory/box/memory.usage_in_bytes": "500000000\n",
  }, 1_500_000_000],
  ["no limit in version 1", {
    "/proc/meminfo": MEMINFO,
    "/proc/self/cgroup": "4:memory:/\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "500000000\n",
  }, 8_000_000 * 1024],
];

for (const [title, files, bytes] of CASES) {
  Deno.test(`memory: ${title}`, () => assert.equal(available(files), bytes));
}
