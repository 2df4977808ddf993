import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { keyName } from "../../src/cache/key.ts";
import { otherPair } from "../../src/cache/others.ts";
import { engineBytes, fakeBuild, KEY, keyOf, noBuild, setUp } from "./set_up.ts";

type Damage = readonly [name: string, change: (bytes: Uint8Array) => Uint8Array];

const flip = (part: number, bit: number): Damage => [
  `bit ${bit} flipped at ${part} of it`,
  (bytes) => {
    const damaged = bytes.slice();
    damaged[Math.min(bytes.length - 1, Math.floor(bytes.length * part))]! ^= 1 << bit;
    return damaged;
  },
];

const DAMAGES: readonly Damage[] = [
  ["emptied", () => new Uint8Array()],
  ["cut to one byte", (bytes) => bytes.slice(0, 1)],
  ["cut to a third", (bytes) => bytes.slice(0, Math.floor(bytes.length / 3))],
  ["cut to a half", (bytes) => bytes.slice(0, bytes.length >> 1)],
  ["one byte short", (bytes) => bytes.slice(0, -1)],
  ["two bytes short", (bytes) => bytes.slice(0, -2)],
  ["one byte longer", (bytes) => new Uint8Array([...bytes, 0])],
  ["twice as long", (bytes) => new Uint8Array([...bytes, ...bytes])],
  ["a page of zeros in it", (bytes) => bytes.map((byte, at) => at >= 100 && at < 4196 ? 0 : byte)],
  ["another file of the same size", (bytes) => new Uint8Array(bytes.length).fill(0x5a)],
  ...[0, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 1].map((part, at) => flip(part, at % 8)),
];

for (const kind of ["engine", "metadata"] as const) {
  Deno.test(`cache: of ${DAMAGES.length} kinds of damage to the ${kind} none is loaded, and the next start serves`, async () => {
    await using box = await setUp();
    const cache = box.open();
    const { place } = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("good") });
    for (const [name, change] of DAMAGES) {
      const whole = await Deno.readFile(place[kind]);
      await Deno.writeFile(place[kind], change(whole));
      const found = await cache.find(box.model, KEY);
      if (kind === "metadata" && meansTheSame(change(whole), whole)) {
        assert.equal(found.kind, "hit", `${name}: white space is no damage`);
        continue;
      }
      assert.equal(found.kind, "miss", name);
      const [reason] = found.kind === "miss" ? found.missedBecause : [];
      // Metadata whose format reads as another number cannot be told from that of another version.
      assert.ok(reason!.field === "engine" && reason!.old !== "intact" || reason!.field === "metadata_format", name);
      const again = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("good") });
      assert.equal(again.built, true, name);
      assert.equal(Buffer.compare(again.bytes, engineBytes("good")), 0, name);
      assert.equal((await cache.obtain({ model: box.model, key: KEY, build: noBuild })).built, false, name);
    }
    const kept = Array.from(Deno.readDirSync(place.quarantine));
    assert.ok(kept.length > 0 && kept.length <= 8, `${kept.length} are kept to be looked at`);
  });
}

function meansTheSame(one: Uint8Array, other: Uint8Array): boolean {
  try {
    const [a, b] = [one, other].map((bytes) => JSON.stringify(JSON.parse(new TextDecoder().decode(bytes))));
    return a === b;
  } catch {
    return false;
  }
}

Deno.test("cache: a damaged engine among those of other keys is set aside once, and built", async () => {
  for (const kind of ["engine", "metadata"] as const) {
    await using box = await setUp();
    const cache = box.open();
    await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("good") });
    const { place } = await cache.obtain({ model: box.model, key: keyOf("9.9.9.9"), build: fakeBuild("theirs") });
    const other = otherPair(place, keyName(KEY));
    const bytes = await Deno.readFile(other[kind]);
    bytes[bytes.length >> 1]! ^= 2;
    await Deno.writeFile(other[kind], bytes);
    assert.equal((await cache.find(box.model, KEY)).kind, "miss");
    assert.equal((await cache.find(box.model, KEY)).kind, "miss");
    assert.equal(box.remarks.filter(({ code }) => code === "set-aside").length, 1);
    const again = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("good") });
    assert.deepEqual([again.built, again.missedBecause.map(({ field }) => field)], [true, ["tensorrt_version"]]);
  }
});

Deno.test("cache: metadata of any bytes never makes an engine usable, and never ends in an exception", async () => {
  await using box = await setUp();
  const cache = box.open();
  const { place } = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("good") });
  const texts = [
    "null",
    "[]",
    "{}",
    '"engine"',
    "1e999",
    '{"format":2}',
    '{"format":2,"check":{"sha256":"00"}}',
    '{"format":"2"}',
    '{"format":2,"key":{},"engine":{"file":"x","bytes":1e999,"sha256":""},"check":{"sha256":""}}',
    `${"[".repeat(20_000)}`,
    '{"__proto__":{"format":2}}',
    "\u0000",
    "\ufeff{}",
  ];
  for (const text of texts) {
    await Deno.writeTextFile(place.metadata, text);
    await Deno.writeFile(place.engine, engineBytes("good"));
    assert.equal((await cache.find(box.model, KEY)).kind, "miss", text.slice(0, 40));
  }
});

Deno.test("cache: a folder or a pipe in the place of a file is set aside and never waited for", async () => {
  for (const kind of ["engine", "metadata"] as const) {
    for (const make of ["mkdir", "mkfifo"]) {
      await using box = await setUp();
      const { place } = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("good") });
      for (const path of [place[kind], join(place.root, "shelf", "model.json")]) {
        await Deno.remove(path);
        assert.ok((await new Deno.Command(make, { args: ["-m", "755", path] }).output()).success);
      }
      const model = { ...box.model, named: "file" as const };
      const obtaining = box.open().obtain({ model, key: KEY, build: fakeBuild("good") });
      if (make === "mkfifo") assert.equal((await obtaining).built, true);
      // A folder cannot be replaced by the file that tells whose the name is.
      else await assert.rejects(obtaining, { code: "OUTPUT_UNWRITABLE" });
    }
  }
});

Deno.test("cache: an engine with the metadata of another engine is not loaded", async () => {
  await using box = await setUp();
  const cache = box.open();
  const { place } = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("one") });
  const metadata = await Deno.readFile(place.metadata);
  await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("two"), rebuild: true });
  await Deno.writeFile(place.metadata, metadata);
  const found = await cache.find(box.model, KEY);
  // The engine of those metadata is still there as the one before.
  assert.ok(found.kind === "hit" && found.from === "previous");
  assert.deepEqual(found.bytes, engineBytes("one"));
});
