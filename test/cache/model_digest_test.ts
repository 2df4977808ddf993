import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { type DigestMemo, isStill, modelDigest } from "../../src/cache/model_digest.ts";
import { scratchFolder } from "./set_up.ts";

const MEMO: DigestMemo = {
  format: 1,
  path: "/m.onnx",
  size: 10,
  mtime: 10_000,
  ctime: 10_000,
  ino: 5,
  dev: 6,
  hashed_at: 12_000,
  sha256: "00",
  derived: null,
};

Deno.test("model digest: it is remembered when nothing changed and both times were 2 s older than the hashing", () => {
  const rows: [string, Partial<DigestMemo>, Partial<DigestMemo>, number, boolean][] = [
    ["unchanged", {}, {}, 12_000, true],
    ["another size", {}, { size: 11 }, 12_000, false],
    ["another mtime", {}, { mtime: 9_999 }, 12_000, false],
    ["another ctime", {}, { ctime: 9_999 }, 12_000, false],
    ["another inode", {}, { ino: 4 }, 12_000, false],
    ["another device", {}, { dev: 4 }, 12_000, false],
    ["another path", {}, { path: "/n.onnx" }, 12_000, false],
    ["changed 1.999 s before hashing", { mtime: 10_001 }, { mtime: 10_001 }, 12_000, false],
    ["inode changed 1.999 s before hashing", { ctime: 10_001 }, { ctime: 10_001 }, 12_000, false],
    ["from the future", { mtime: 99_000 }, { mtime: 99_000 }, 99_999, false],
    ["a clock that went back", {}, {}, 11_999, false],
    ["no inode", { ino: NaN }, { ino: NaN }, 12_000, false],
  ];
  for (const [name, memo, mark, now, still] of rows) {
    assert.equal(isStill({ ...MEMO, ...memo }, { ...MEMO, ...mark }, now), still, name);
  }
});

Deno.test("model digest: facts are remembered with the digest, for one version of what makes them", async () => {
  const folder = await scratchFolder();
  try {
    const path = join(folder, "m.onnx");
    const old = new Date(Date.now() - 60_000);
    await Deno.writeTextFile(path, "model");
    await Deno.utime(path, old, old);
    let made = 0;
    const ask = (version: string) =>
      modelDigest(path, {
        memoDir: join(folder, "memo"),
        now: () => Date.now() + 5_000,
        derive: { version, make: (bytes) => ({ length: bytes.length, made: ++made }) },
      });
    const answers = [];
    for (const version of ["1", "1", "2", "2", "1"]) answers.push(await ask(version));
    assert.deepEqual(answers.map(({ remembered }) => remembered), [false, true, false, true, false]);
    assert.deepEqual(answers.map(({ derived }) => derived.made), [1, 1, 2, 2, 3]);
    assert.equal(answers[1]!.derived.length, 5);
    const failing = modelDigest(path, {
      memoDir: join(folder, "memo"),
      derive: {
        version: "3",
        make: () => {
          throw new RangeError("no model");
        },
      },
    });
    await assert.rejects(failing, RangeError);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("model digest: the second question is answered from memory, any change of the file by reading it", async () => {
  const folder = await scratchFolder();
  try {
    const path = join(folder, "m.onnx");
    const old = new Date(Date.now() - 60_000);
    const write = async (text: string) => {
      await Deno.writeTextFile(path, text);
      await Deno.utime(path, old, old);
    };
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    let now = Date.now() + 3_600_000;
    const ask = (always = false) => modelDigest(path, { memoDir: join(folder, "memo"), now: () => now, always });
    await write("one");
    assert.deepEqual(await ask(), { bytes: 3, sha256: sha256("one"), derived: null, remembered: false });
    assert.deepEqual(await ask(), { bytes: 3, sha256: sha256("one"), derived: null, remembered: true });
    assert.equal((await ask(true)).remembered, false, "always hashes");
    const memo = join(folder, "memo", Array.from(Deno.readDirSync(join(folder, "memo")))[0]!.name);
    assert.equal((await Deno.stat(memo)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(join(folder, "memo"))).mode! & 0o777, 0o700);

    await new Promise((done) => setTimeout(done, 1100));
    await write("two");
    assert.deepEqual(
      await ask(),
      { bytes: 3, sha256: sha256("two"), derived: null, remembered: false },
      "same size and mtime",
    );
    assert.equal((await ask()).remembered, true);
    now -= 60_000;
    assert.equal((await ask()).remembered, false, "the clock went back");
    now += 60_000;

    await ask();
    await Deno.chmod(memo, 0o666);
    assert.equal((await ask()).remembered, false, "somebody else could have written it");
    await Deno.chmod(memo, 0o600);
    for (const text of ["", "{}", "null", `{"format":1,"sha256":"${"0".repeat(64)}"}`]) {
      await Deno.writeTextFile(memo, text, { mode: 0o600 });
      assert.equal((await ask()).sha256, sha256("two"), "a damaged memory is no memory");
    }
    assert.equal((await modelDigest(path, { memoDir: null })).remembered, false);
    assert.equal((await modelDigest(path, { memoDir: "/proc/none" })).remembered, false, "nowhere to remember");
    await assert.rejects(() => modelDigest(folder, { memoDir: null }), { code: "FILE_UNREADABLE" });
    await assert.rejects(() => modelDigest(`${path}.not`, { memoDir: null }), { code: "FILE_NOT_FOUND" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
