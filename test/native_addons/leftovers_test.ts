import assert from "node:assert/strict";
import { join } from "node:path";
import { partName, removeLeftovers } from "../../src/native/leftovers.ts";

const NOW = new Date("2026-11-22T12:00:00Z");
const DAY_MS = 24 * 3600 * 1000;
const [OURS, OTHER] = ["a".repeat(64), "b".repeat(64)];

async function inNative(action: (native: string) => void | Promise<void>): Promise<void> {
  const native = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  try {
    Deno.mkdirSync(join(native, OURS), { mode: 0o700 });
    await action(native);
  } finally {
    Deno.removeSync(native, { recursive: true });
  }
}

function exists(path: string): boolean {
  return [...Deno.readDirSync(join(path, ".."))].some((entry) => join(path, "..", entry.name) === path);
}

/** A folder of another version, last used `days` ago. */
function otherVersion(native: string, name: string, days: number): string {
  const path = join(native, name);
  Deno.mkdirSync(join(path, "@img"), { recursive: true, mode: 0o700 });
  Deno.writeTextFileSync(join(path, "@img", "a.node"), "library");
  const used = new Date(NOW.getTime() - days * DAY_MS);
  Deno.utimeSync(path, used, used);
  return path;
}

/** The id of a process that has ended. */
async function endedPid(): Promise<number> {
  const child = new Deno.Command("true").spawn();
  await child.status;
  return child.pid;
}

Deno.test("leftovers: a half-written file of an ended process goes, that of a living one stays", async () => {
  await inNative(async (native) => {
    const dead = join(native, OURS, `${await endedPid()}-0123abcd.part`);
    const alive = join(native, OURS, partName("0123abcd"));
    for (const path of [dead, alive]) Deno.writeTextFileSync(path, "half");
    removeLeftovers(native, OURS, NOW);
    assert.equal(exists(dead), false);
    assert.equal(exists(alive), true);
  });
});

Deno.test("leftovers: another version's folder goes a week after its last use", async () => {
  await inNative((native) => {
    const old = otherVersion(native, OTHER, 8);
    const recent = otherVersion(native, "c".repeat(64), 6);
    removeLeftovers(native, OURS, NOW);
    assert.equal(exists(old), false);
    assert.equal(exists(recent), true);
  });
});

Deno.test("leftovers: the folder in use is marked as used now and never removed", async () => {
  await inNative((native) => {
    otherVersion(native, OURS, 400);
    removeLeftovers(native, OURS, NOW);
    assert.equal(Deno.statSync(join(native, OURS)).mtime?.getTime(), NOW.getTime());
    assert.equal(exists(join(native, OURS, "@img", "a.node")), true);
  });
});

Deno.test("leftovers: what trtd did not make is not touched", async () => {
  await inNative(async (native) => {
    const pid = await endedPid();
    const foreign = [`${pid}.part`, `x-${pid}-0123abcd.part`, "notes.part", `${pid}-0123abcd.part.txt`];
    for (const name of foreign) Deno.writeTextFileSync(join(native, OURS, name), "");
    const folders = ["documents", "B".repeat(64), "b".repeat(63)].map((name) => otherVersion(native, name, 400));
    removeLeftovers(native, OURS, NOW);
    for (const name of foreign) assert.equal(exists(join(native, OURS, name)), true, name);
    for (const folder of folders) assert.equal(exists(join(folder, "@img", "a.node")), true, folder);
  });
});

Deno.test("leftovers: links are not followed and not removed", async () => {
  await inNative(async (native) => {
    const elsewhere = otherVersion(native, "documents", 400);
    Deno.symlinkSync(elsewhere, join(native, OTHER));
    const part = join(native, OURS, `${await endedPid()}-0123abcd.part`);
    Deno.symlinkSync(join(elsewhere, "@img", "a.node"), part);
    removeLeftovers(native, OURS, NOW);
    assert.equal(exists(join(elsewhere, "@img", "a.node")), true);
    assert.equal(exists(join(native, OTHER)), true);
    assert.equal(exists(part), true);
  });
});

Deno.test({
  name: `leftovers: a folder of another user is not touched${Deno.uid() === 0 ? "" : " (skipped: needs root)"}`,
  ignore: Deno.uid() !== 0,
  fn: () =>
    inNative((native) => {
      const old = otherVersion(native, OTHER, 400);
      Deno.chownSync(old, 65534, 65534);
      removeLeftovers(native, OURS, NOW);
      assert.equal(exists(old), true);
    }),
});

Deno.test("leftovers: a folder that does not exist is no failure", () => {
  removeLeftovers("/nonexistent/native", OURS, NOW);
});
