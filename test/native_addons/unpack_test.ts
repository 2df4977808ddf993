import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { type BundledLibrary, unpackedStamp } from "../../src/native/bundle.ts";
import { TrtdError } from "../../src/errors.ts";
import { unpackLibrary } from "../../src/native/unpack.ts";

const BYTES = crypto.getRandomValues(new Uint8Array(60_000));
const PACKED = zstdCompressSync(BYTES);
const LIBRARY: BundledLibrary = {
  owner: "sharp",
  path: "@img/sharp-linux/lib/a.node",
  size: BYTES.length,
  sha256: createHash("sha256").update(BYTES).digest("hex"),
  blob: "0.zst",
  addon: null,
};

const neverAsked = (): Uint8Array => assert.fail("The library is there and must not be read again");

function inFolder(action: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
  try {
    action(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

const entriesOf = (folder: string) => [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();

Deno.test("unpack: the library lies at its path, for this user alone, and nothing else is left", () => {
  inFolder((folder) => {
    const path = unpackLibrary(folder, LIBRARY, () => PACKED);
    assert.equal(path, join(folder, LIBRARY.path));
    assert.deepEqual(Deno.readFileSync(path), BYTES);
    assert.equal(Deno.lstatSync(path).mode! & 0o777, 0o600);
    assert.equal(Deno.lstatSync(dirname(path)).mode! & 0o777, 0o700);
    assert.deepEqual(entriesOf(folder), ["@img"]);
    assert.deepEqual(entriesOf(dirname(path)), ["a.node"]);
  });
});

Deno.test("unpack: a second start uses what the first one wrote", () => {
  inFolder((folder) => {
    unpackLibrary(folder, LIBRARY, () => PACKED);
    unpackLibrary(folder, LIBRARY, neverAsked);
  });
});

/** How a copy can be wrong, and what is done to make it so. */
const SPOILED: readonly { how: string; spoil: (path: string) => void }[] = [
  { how: "cut short", spoil: (path) => Deno.truncateSync(path, 1000) },
  { how: "empty", spoil: (path) => Deno.truncateSync(path, 0) },
  { how: "longer", spoil: (path) => Deno.writeFileSync(path, new Uint8Array(1), { append: true }) },
  { how: "written to at the same size", spoil: (path) => Deno.writeFileSync(path, new Uint8Array(BYTES.length)) },
  { how: "writable by the group", spoil: (path) => Deno.chmodSync(path, 0o620) },
  { how: "missing", spoil: (path) => Deno.removeSync(path) },
  {
    how: "a link to a whole copy",
    spoil: (path) => {
      Deno.renameSync(path, `${path}.moved`);
      Deno.symlinkSync(`${path}.moved`, path);
    },
  },
];

for (const { how, spoil } of SPOILED) {
  Deno.test(`unpack: a copy that is ${how} is replaced`, () => {
    inFolder((folder) => {
      const path = unpackLibrary(folder, LIBRARY, () => PACKED);
      spoil(path);
      unpackLibrary(folder, LIBRARY, () => PACKED);
      assert.equal(Deno.lstatSync(path).isFile, true);
      assert.deepEqual(Deno.readFileSync(path), BYTES);
      unpackLibrary(folder, LIBRARY, neverAsked);
    });
  });
}

/** Damage inside the executable. */
const DAMAGED: readonly { how: string; packed: Uint8Array }[] = [
  { how: "cut short", packed: PACKED.subarray(0, 20_000) },
  { how: "empty", packed: new Uint8Array() },
  { how: "not compressed", packed: BYTES },
  { how: "another library's", packed: zstdCompressSync(BYTES.map((byte) => byte ^ 1)) },
  { how: "larger than declared", packed: zstdCompressSync(new Uint8Array(1_000_000)) },
];

for (const { how, packed } of DAMAGED) {
  Deno.test(`unpack: packed bytes that are ${how} are refused and leave nothing behind`, () => {
    inFolder((folder) => {
      assert.throws(
        () => unpackLibrary(folder, LIBRARY, () => packed),
        (error) => error instanceof TrtdError && error.code === "NATIVE_LOAD_FAILED" && /damaged/.test(error.message),
      );
      assert.deepEqual(entriesOf(folder), []);
    });
  });
}

Deno.test("unpack: a failed write leaves no half-written file", () => {
  inFolder((folder) => {
    Deno.mkdirSync(join(folder, LIBRARY.path), { recursive: true, mode: 0o700 });
    assert.throws(() => unpackLibrary(folder, LIBRARY, () => PACKED));
    assert.deepEqual(entriesOf(folder), ["@img"]);
  });
});

Deno.test("unpack: the stamp is a whole even second before now", () => {
  for (const sha256 of ["0".repeat(64), "f".repeat(64), LIBRARY.sha256]) {
    const stamp = unpackedStamp({ ...LIBRARY, sha256 });
    assert.equal(stamp % 2, 0);
    assert.ok(stamp >= 0 && stamp * 1000 < Date.now());
  }
});
