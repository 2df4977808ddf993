import assert from "node:assert/strict";
import { join } from "node:path";
import { keyLine, keysFromText, matchingKey, newKey, storedKey } from "../../../src/http/access/api_keys.ts";
import { KeyRing } from "../../../src/http/access/key_ring.ts";
import { TrtdError } from "../../../src/errors.ts";

Deno.test("keys: a new key has 256 bits, another one each time, and its line has none of it", () => {
  const keys = Array.from({ length: 50 }, newKey);
  assert.equal(new Set(keys).size, 50);
  for (const key of keys) {
    assert.match(key, /^trtd_[A-Za-z0-9_-]{43}$/);
    assert.ok(!keyLine("a", key).includes(key.slice(5)));
  }
});

Deno.test("keys: a file has names and digests, comments and empty lines", () => {
  const [a, b] = [newKey(), newKey()];
  const keys = keysFromText(`# who\n\n  ${keyLine("a", a)}\r\n${keyLine("b", b)}\n`);
  assert.deepEqual(keys.map(({ name }) => name), ["a", "b"]);
  assert.equal(matchingKey(b, keys)?.name, "b");
  assert.equal(matchingKey(newKey(), keys), null);
  assert.deepEqual(keysFromText(""), []);
});

Deno.test("keys: a wrong line is named and not quoted", () => {
  const good = keyLine("a", newKey());
  const digest = good.split(":")[1]!;
  for (
    const line of [
      "trtd_hunter2hunter2",
      `sha256:${digest}`,
      `a sha256:${digest.slice(1)}`,
      `a sha256:${digest.toUpperCase().replace(/\d/g, "G")}`,
      `a b sha256:${digest}`,
      `a/b sha256:${digest}`,
      `a md5:${digest}`,
      `${good} more`,
    ]
  ) {
    assert.throws(() => keysFromText(`${good}\n${line}\n`), (error: Error) => {
      assert.match(error.message, /^Line 2 is not of the form/);
      return !error.message.includes(line) && !/hunter2/.test(error.message);
    });
  }
});

Deno.test("keys: empty, long and similar ones are nobody's", () => {
  const keys = [storedKey("own", "k".repeat(32))];
  assert.equal(matchingKey("k".repeat(32), keys)?.name, "own");
  for (const given of ["", "k".repeat(31), "k".repeat(33), "K".repeat(32), "k".repeat(100_000), `${"k".repeat(32)} `]) {
    assert.equal(matchingKey(given, keys), null);
  }
});

Deno.test("keys: the time of a comparison does not tell how much of a key is right", () => {
  const right = newKey();
  const keys = Array.from({ length: 20 }, (_, i) => storedKey(`k${i}`, i === 0 ? right : newKey()));
  const nearly = right.slice(0, -1) + (right.endsWith("A") ? "B" : "A");
  const foreign = `x${right.slice(1)}`;
  const all = [right, nearly, foreign];
  const took = (given: string): number => {
    const begun = performance.now();
    for (let i = 0; i < 5; i++) matchingKey(given, keys);
    return performance.now() - begun;
  };
  // One beside the other, so that what else the machine does meets all of them.
  const medians = (): number[] => {
    const rounds = Array.from({ length: 400 }, () => all.map(took));
    return all.map((_, which) => rounds.map((times) => times[which]!).sort((a, b) => a - b)[200]!);
  };
  medians();
  let told = medians();
  const differ = () => Math.max(...told) >= 3 * Math.min(...told);
  for (let attempt = 1; attempt < 10 && differ(); attempt++) told = medians();
  assert.ok(!differ(), told.join(" "));
});

async function withFile(run: (path: string, write: (text: string) => void) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "trtd-keys-" });
  const path = join(folder, "keys");
  try {
    await run(path, (text) => {
      Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o600 });
      Deno.renameSync(`${path}.new`, path);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("keys: rotation by file: old and new are valid while both are listed", async () => {
  await withFile(async (path, write) => {
    let now = 0;
    const [first, second] = [newKey(), newKey()];
    write(keyLine("first", first));
    const ring = await KeyRing.open({ file: path, now: () => now });
    assert.deepEqual([await ring.ownerOf(first), await ring.ownerOf(second)], ["first", null]);
    write(`${keyLine("first", first)}\n${keyLine("second", second)}`);
    assert.equal(await ring.ownerOf(second), null);
    now = 1000;
    assert.deepEqual([await ring.ownerOf(first), await ring.ownerOf(second)], ["first", "second"]);
    write(keyLine("second", second));
    now = 2000;
    assert.deepEqual([await ring.ownerOf(first), await ring.ownerOf(second)], [null, "second"]);
    write("# nobody\n");
    now = 3000;
    assert.equal(await ring.ownerOf(second), null);
  });
});

Deno.test("keys: of a file that goes away or wrong the last good keys count, until it is right again", async () => {
  await withFile(async (path, write) => {
    let now = 0;
    const [first, second] = [newKey(), newKey()];
    write(keyLine("first", first));
    const ring = await KeyRing.open({ file: path, key: "the-key-of-the-setting", now: () => now });
    for (const spoil of [() => Deno.removeSync(path), () => write("rubbish"), () => Deno.chmodSync(path, 0o666)]) {
      write(keyLine("first", first));
      now += 1000;
      assert.equal(await ring.ownerOf(first), "first");
      spoil();
      now += 1000;
      assert.deepEqual([await ring.ownerOf(first), await ring.ownerOf(second)], ["first", null]);
      assert.equal(await ring.ownerOf("the-key-of-the-setting"), "api_key");
    }
    write(keyLine("second", second));
    now += 1000;
    assert.deepEqual([await ring.ownerOf(first), await ring.ownerOf(second)], [null, "second"]);
  });
});

Deno.test("keys: a file that cannot be used refuses the start", async () => {
  await withFile(async (path, write) => {
    const refusals: [prepare: () => void, says: RegExp][] = [
      [() => {}, /No such file/i],
      [() => write("rubbish"), /Line 1/],
      [() => {
        write("");
        Deno.chmodSync(path, 0o646);
      }, /Everybody may write it/],
      [() => {
        Deno.removeSync(path);
        Deno.mkdirSync(path);
      }, /keys"/],
    ];
    for (const [prepare, says] of refusals) {
      prepare();
      await assert.rejects(KeyRing.open({ file: path }), (error: unknown) => {
        assert.ok(error instanceof TrtdError);
        assert.equal(error.code, "API_KEYS_INVALID");
        assert.match(error.message, says);
        return true;
      });
    }
  });
});
