import assert from "node:assert/strict";
import fc from "fast-check";
import { join } from "node:path";
import { ownedName, removeLeftovers, startTime } from "../../../src/serving/ring/owned_name.ts";
import { Ring } from "../../../src/serving/ring/ring.ts";
import { RingPool } from "../../../src/serving/ring/ring_pool.ts";
import { RingReader } from "../../../src/serving/ring/ring_reader.ts";
import { SlotMap } from "../../../src/serving/ring/slot_map.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const names = () => [...Deno.readDirSync(folder)].map(({ name }) => name);

Deno.test("ring: slots have one owner at a time, whatever is taken and given", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 6 })), { maxLength: 60 }), (steps) => {
      const map = new SlotMap(12);
      const owners = new Map<number, number>();
      for (const [taking, count] of steps) {
        if (taking) {
          const fits = map.fits(count);
          const first = map.take(count);
          assert.equal(first !== null, fits);
          if (first === null) continue;
          for (const [start, length] of owners) {
            assert.ok(first + count <= start || start + length <= first, "two owners of one slot");
          }
          assert.ok(first >= 0 && first + count <= 12);
          owners.set(first, count);
        } else {
          const [first] = owners.keys();
          if (first === undefined) continue;
          owners.delete(first);
          map.give(first);
        }
        assert.equal(map.free, 12 - [...owners.values()].reduce((sum, length) => sum + length, 0));
      }
    }),
  );
  assert.throws(() => new SlotMap(3).give(1), RangeError);
  assert.throws(() => new SlotMap(0), RangeError);
});

Deno.test("ring: what is put in one process's ring is read by the reader, in memory that is used again", () => {
  const ring = Ring.create({ bytes: 200_000, folder });
  const reader = new RingReader();
  assert.throws(() => reader.read(ring.path, { offset: 0, length: 1 }), /not open/);
  reader.attach(ring.path);
  const first = crypto.getRandomValues(new Uint8Array(60_000));
  const second = crypto.getRandomValues(new Uint8Array(60_000));
  const regions = [ring.put(first)!, ring.put(second)!];
  const one = reader.read(ring.path, regions[0]!);
  const two = reader.read(ring.path, regions[1]!);
  assert.deepEqual([one.bytes, two.bytes], [first, second]);
  const memory = one.bytes.buffer;
  one.release();
  one.release();
  const again = reader.read(ring.path, regions[1]!);
  assert.equal(again.bytes.buffer, memory);
  assert.deepEqual(again.bytes, second);
  assert.deepEqual(ring.read(regions[0]!), first);
  assert.throws(() => reader.read(ring.path, { offset: ring.bytes - 4, length: 8 }), /ends inside a picture/);
  reader.close();
  ring.close();
  ring.close();
  assert.deepEqual(names(), []);
});

Deno.test("ring: it is full when there are not enough slots in a row", () => {
  const ring = Ring.create({ bytes: 4 * 65_536, folder });
  const three = ring.put(new Uint8Array(3 * 65_536))!;
  assert.equal(ring.put(new Uint8Array(65_537)), null);
  assert.equal(ring.fits(65_537), false);
  const one = ring.put(new Uint8Array(0))!;
  assert.equal(ring.fits(1), false);
  ring.give(three);
  assert.equal(ring.empty, false);
  ring.give(one);
  assert.equal(ring.empty, true);
  ring.close();
});

Deno.test("ring: its memory is there before it is used, and only this user may open it", () => {
  const ring = Ring.create({ bytes: 1_000_000, folder });
  const { size, blocks, mode } = Deno.statSync(ring.path);
  assert.equal(size, ring.bytes);
  assert.ok(512 * blocks! >= ring.bytes, `${blocks} blocks are reserved`);
  assert.equal(mode! & 0o777, 0o600);
  ring.close();
});

Deno.test("ring: too little shared memory is an error with its remedy, and nothing is left", async () => {
  const small = join(folder, "small");
  Deno.mkdirSync(small);
  const url = (path: string) => JSON.stringify(new URL(`../../../src/serving/ring/${path}`, import.meta.url).href);
  const script = `import { Ring } from ${url("ring.ts")};
    try { Ring.create({ bytes: 4_000_000, folder: ${JSON.stringify(small)} }); console.log("made"); }
    catch (error) { console.log(JSON.stringify([error.code, error.message, error.remedy, [...Deno.readDirSync(${
    JSON.stringify(small)
  })].length])); }`;
  const { stdout, stderr, success } = await new Deno.Command("unshare", {
    args: [
      "-rm",
      "sh",
      "-c",
      `mount -t tmpfs -o size=1m none "$1" && exec "$2" eval "$3"`,
      "sh",
      small,
      Deno.execPath(),
      script,
    ],
    cwd: new URL("../../..", import.meta.url),
  }).output().catch(() => ({ stdout: new Uint8Array(), stderr: new Uint8Array(), success: false }));
  const text = new TextDecoder().decode(stdout).trim();
  Deno.removeSync(small);
  if (!success && text === "") {
    console.log(`skipped: no small tmpfs can be mounted here: ${new TextDecoder().decode(stderr).split("\n")[0]}`);
    return;
  }
  const [code, message, remedy, left] = JSON.parse(text);
  assert.equal(code, "SHARED_MEMORY_UNAVAILABLE");
  assert.match(message, /Cannot reserve 4 MB of shared memory in ".*": No space left/);
  assert.match(remedy, /--shm-size/);
  assert.equal(left, 0);
});

Deno.test("ring: a pool's ring has one owner, and comes back empty", () => {
  const pool = RingPool.create(2, { bytes: 65_536, folder });
  const [one, two] = [pool.take(), pool.take()];
  assert.notEqual(one.path, two.path);
  assert.throws(() => pool.take(), { code: "SHARED_MEMORY_UNAVAILABLE" });
  assert.ok(one.put(new Uint8Array(10)));
  pool.give(one);
  pool.give(one);
  const again = pool.take();
  assert.equal(again, one);
  assert.equal(again.empty, true);
  assert.throws(() => pool.take());
  pool.close();
  assert.deepEqual(names(), []);
});

Deno.test("ring: what a dead process left is removed, what lives and what is another's stays", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { ownedName } from ${
        JSON.stringify(new URL("../../../src/serving/ring/owned_name.ts", import.meta.url).href)
      };
       console.log(ownedName("ring")); setInterval(() => {}, 1000);`,
    ],
    cwd: new URL("../../..", import.meta.url),
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const theirs = (await reader.read()).value!.trim();
  const mine = ownedName("ring");
  const reused = theirs.replace(/-(\d+)\.\d+\./, `-${Deno.pid}.1.`);
  const elsewhere = theirs.replace(/\.\d+-/, ".1-");
  for (const name of [theirs, mine, reused, elsewhere, "trtd-ring-x", "other"]) {
    Deno.writeTextFileSync(join(folder, name), "");
  }
  assert.deepEqual(removeLeftovers(folder), [reused], "the number alone does not tell a process");
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  assert.deepEqual(removeLeftovers(folder), [theirs]);
  assert.deepEqual(names().sort(), [mine, elsewhere, "trtd-ring-x", "other"].sort());
  for (const name of names()) Deno.removeSync(join(folder, name));
  assert.equal(startTime(2 ** 30), null);
});
