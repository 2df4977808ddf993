import assert from "node:assert/strict";
import { mountOf } from "../../src/native/mounts.ts";

/** Lines as proc_pid_mountinfo(5) describes them: with optional fields, with none, and with an escaped space. */
const MOUNTINFO = String.raw`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 22 0:26 / /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=100k
31 22 0:27 / /tmp/a rw,relatime - tmpfs tmpfs rw
32 22 0:28 / /mnt/my\040disk ro,relatime master:2 propagate_from:1 - ext4 /dev/vdb ro
33 22 0:29 / /data rw - tmpfs tmpfs rw
34 33 0:30 / /data rw,noexec - tmpfs tmpfs rw
35 22 0:31 / /frozen rw,relatime - ext4 /dev/vdc ro
not a line
`;

const CASES: readonly { path: string; mount: string; noexec: boolean; ro: boolean }[] = [
  { path: "/", mount: "/", noexec: false, ro: false },
  { path: "/home/u/.cache", mount: "/", noexec: false, ro: false },
  { path: "/tmp", mount: "/tmp", noexec: true, ro: false },
  { path: "/tmp/b/c", mount: "/tmp", noexec: true, ro: false },
  { path: "/tmp/a/c", mount: "/tmp/a", noexec: false, ro: false },
  { path: "/tmpfile", mount: "/", noexec: false, ro: false },
  { path: "/mnt/my disk/x", mount: "/mnt/my disk", noexec: false, ro: true },
  { path: "/data/x", mount: "/data", noexec: true, ro: false },
  { path: "/frozen/x", mount: "/frozen", noexec: false, ro: true },
];

for (const { path, mount, noexec, ro } of CASES) {
  Deno.test(`mounts: "${path}" lies on "${mount}"`, () => {
    const found = mountOf(MOUNTINFO, path);
    assert.equal(found?.path, mount);
    assert.equal(found.options.has("noexec"), noexec);
    assert.equal(found.options.has("ro"), ro);
  });
}

Deno.test("mounts: text without mounts has none", () => {
  assert.equal(mountOf("", "/tmp"), null);
  assert.equal(mountOf("1 2 3\n", "/tmp"), null);
});
