import assert from "node:assert/strict";
import { join } from "node:path";
import { setFault } from "../../src/cache/disk/fault.ts";
import type { Hit } from "../../src/cache/store.ts";
import { acquireLock } from "../../src/cache/lock/lock.ts";
import { type VerificationRecord, verificationsOf } from "../../src/verify/record.ts";
import { rememberIn } from "../../src/verify/remember.ts";
import { fakeBuild, KEY, keyOf, setUp } from "../cache/set_up.ts";
import { apart } from "./boxes.ts";
import { compareFakes, MACHINE } from "./fakes.ts";

const boxes = { photo: apart(12) };
const report: VerificationRecord = await compareFakes({ boxes }, { boxes });

const recordFor = (hit: Hit, words: Partial<VerificationRecord> = {}): VerificationRecord => ({
  ...report,
  engine_sha256: hit.entry.engine.sha256,
  ...words,
});

Deno.test("remember: a result lies in the engine's metadata, and the engine is a hit as before", async () => {
  await using box = await setUp();
  const cache = box.open();
  const built = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
  assert.equal(await rememberIn(cache, built, recordFor(built)), null);
  const found = await box.open().find(box.model, KEY);
  assert.ok(found.kind === "hit" && found.from === "place");
  assert.deepEqual(verificationsOf(found.entry.facts), [recordFor(built)]);
  const { verified: _, ...others } = found.entry.facts;
  assert.deepEqual(others, built.entry.facts);
  assert.deepEqual(found.entry.engine, built.entry.engine);
  assert.deepEqual(box.remarks, []);
});

Deno.test("remember: results of processes that judge at once are all kept", async () => {
  await using box = await setUp();
  const hit = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
  const gpus = ["A", "B", "C", "D"];
  const answers = await Promise.all(
    gpus.map((gpu) => rememberIn(box.open(), hit, recordFor(hit, { machine: { ...MACHINE, gpu } }))),
  );
  assert.deepEqual(answers, [null, null, null, null]);
  const found = await box.open().find(box.model, KEY);
  assert.ok(found.kind === "hit");
  assert.deepEqual(verificationsOf(found.entry.facts).map(({ machine }) => machine.gpu).sort(), gpus);
});

Deno.test("remember: a new build of the engine knows of no result", async () => {
  await using box = await setUp();
  const cache = box.open();
  const hit = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
  await rememberIn(cache, hit, recordFor(hit));
  const rebuilt = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("another"), rebuild: true });
  assert.deepEqual(verificationsOf(rebuilt.entry.facts), []);
  assert.match(await rememberIn(cache, hit, recordFor(hit)) ?? "", /is another engine by now, or none$/);
});

Deno.test("remember: an engine that was kept apart meanwhile is found there", async () => {
  await using box = await setUp();
  const cache = box.open();
  const hit = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("ours") });
  await cache.obtain({ model: box.model, key: keyOf("10.12.0.36"), build: fakeBuild("theirs") });
  assert.equal(await rememberIn(cache, hit, recordFor(hit)), null);
  const found = await cache.find(box.model, KEY);
  assert.ok(found.kind === "hit");
  assert.equal(verificationsOf(found.entry.facts).length, 1);
});

Deno.test("remember: signed metadata are signed again, and left alone where the key is not known", async () => {
  await using box = await setUp();
  const signed = { hmacKey: new Uint8Array(32).fill(7) };
  const hit = await box.open(signed).obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
  assert.match(await rememberIn(box.open(), hit, recordFor(hit)) ?? "", /is signed, and the key is not known here$/);
  assert.equal(await rememberIn(box.open(signed), hit, recordFor(hit)), null);
  const found = await box.open(signed).find(box.model, KEY);
  assert.ok(found.kind === "hit");
  assert.equal(verificationsOf(found.entry.facts).length, 1);
});

// A wait for a lock that is given up goes on behind the scenes until the kernel grants it.
Deno.test("remember: while another process builds there, the result is not kept and nobody waits", {
  sanitizeOps: false,
}, async () => {
  await using box = await setUp();
  const cache = box.open();
  const hit = await cache.obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
  const lock = await acquireLock(hit.place.lock);
  assert.match(await rememberIn(cache, hit, recordFor(hit)) ?? "", /^Another process works in /);
  await lock[Symbol.asyncDispose]();
});

Deno.test("remember: whatever operation fails, the metadata are the old or the new ones, and the next start serves", async () => {
  for (const kind of ["fail", "full"] as const) {
    let [kept, lost] = [0, 0];
    for (let at = 1; at <= 12; at++) {
      await using box = await setUp();
      const hit = await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
      setFault({ kind, at });
      const answer = await rememberIn(box.open(), hit, recordFor(hit)).finally(() => setFault(null));
      const found = await box.open().find(box.model, KEY);
      assert.ok(found.kind === "hit" && found.from === "place", `operation ${at}`);
      const records = verificationsOf(found.entry.facts);
      if (records.length === 1) kept++;
      else lost++;
      assert.ok(answer !== null || records.length === 1, "what was not kept is told");
      assert.deepEqual(leftovers(found), []);
    }
    assert.ok(kept > 0 && lost > 2, `${kept} kept, ${lost} lost`);
  }
});

const leftovers = ({ place }: Hit): string[] =>
  Array.from(Deno.readDirSync(place.folder), ({ name }) => name).filter((name) => name.endsWith(".part"));

Deno.test("remember: whatever operation the process is killed at, the metadata are the old or the new ones", async () => {
  const program = `
    import { openEngineCache } from ${JSON.stringify(import.meta.resolve("../../src/cache/store.ts"))};
    import { claimIn, KEY } from ${JSON.stringify(import.meta.resolve("../cache/set_up.ts"))};
    import { rememberIn } from ${JSON.stringify(import.meta.resolve("../../src/verify/remember.ts"))};
    const [modelsDir, record] = Deno.args;
    const cache = openEngineCache({ modelsDir, userCacheDir: null });
    const hit = await cache.find(claimIn(modelsDir), KEY);
    await rememberIn(cache, hit, { ...JSON.parse(record), engine_sha256: hit.entry.engine.sha256 });
  `;
  let [killed, whole] = [0, 0];
  for (let at = 1; whole === 0 && at <= 20; at++) {
    await using box = await setUp();
    await box.open().obtain({ model: box.model, key: KEY, build: fakeBuild("engine") });
    const path = join(box.folder, "remember.ts");
    await Deno.writeTextFile(path, program);
    const { success, signal, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", "--quiet", "--config", join(import.meta.dirname!, "../../deno.json"), path],
        ...[box.modelsDir, JSON.stringify(report)],
      ],
      env: { TRTD_TEST_CACHE_FAULT: `kill:${at}` },
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.ok(success || signal === "SIGKILL", new TextDecoder().decode(stderr));
    if (success) whole++;
    else killed++;
    const found = await box.open().find(box.model, KEY);
    assert.ok(found.kind === "hit" && found.from === "place", `killed at operation ${at}`);
    const records = verificationsOf(found.entry.facts);
    assert.ok(!success || records.length === 1);
    assert.deepEqual(records, records.length === 0 ? [] : [recordFor(found)]);
    assert.deepEqual(leftovers(found), []);
  }
  assert.ok(killed >= 4 && whole === 1, `killed ${killed} times`);
});

Deno.test("remember: metadata with something else under that name have no result", () => {
  for (const verified of [undefined, null, "yes", {}, [1], [{ passed: true }], [{ ...report, gate: 999 }]]) {
    assert.deepEqual(verificationsOf({ verified }), []);
  }
  assert.deepEqual(verificationsOf({ verified: [{ passed: true }, report] }), [report]);
});
