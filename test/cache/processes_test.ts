import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { acquireLock, type LockWait, tryAcquireLock } from "../../src/cache/lock/lock.ts";
import { TrtdError } from "../../src/errors.ts";
import { engineBytes, fakeBuild, KEY, type SetUp, setUp } from "./set_up.ts";
import { until } from "../until.ts";

/** A wait for a lock that is given up goes on behind the scenes until the kernel grants it. */
const LOOSE = { sanitizeOps: false };

const CHILD = fileURLToPath(import.meta.resolve("./racing_child.ts"));

interface Racer {
  readonly pid: number;
  kill(signal: Deno.Signal): void;
  /** Its answer, null when it died. */
  readonly end: Promise<{ built: boolean; bytes: number } | null>;
}

function startRacer(box: SetUp, buildMs: number): Racer {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", CHILD, box.modelsDir, box.userCacheDir, String(buildMs), logOf(box)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return {
    pid: child.pid,
    kill: (signal) => child.kill(signal),
    end: child.output().then(({ success, stdout }) => success ? JSON.parse(new TextDecoder().decode(stdout)) : null),
  };
}

const logOf = (box: SetUp): string => join(box.folder, "builds.log");

const buildsIn = async (box: SetUp): Promise<string[]> =>
  (await Deno.readTextFile(logOf(box)).catch(() => "")).split("\n").filter((line) => line !== "");

for (const count of [2, 8]) {
  Deno.test(`cache: ${count} processes that want the same engine at once make one build`, async () => {
    await using box = await setUp();
    const ends = await Promise.all(Array.from({ length: count }, () => startRacer(box, 250).end));
    assert.equal((await buildsIn(box)).length, 1);
    assert.equal(ends.filter((end) => end?.built).length, 1);
    assert.ok(ends.every((end) => end?.bytes === 5000));
  });
}

/** Waits until the racer builds, so that it holds the lock. */
async function untilBuilding(box: SetUp, { pid }: Racer): Promise<void> {
  await until("building", async () => (await buildsIn(box)).includes(String(pid)));
}

Deno.test(
  "cache: a builder that is killed frees the lock by dying, and the waiting process builds",
  LOOSE,
  async () => {
    await using box = await setUp();
    const racer = startRacer(box, 600_000);
    await untilBuilding(box, racer);
    const waits: LockWait[] = [];
    const build = fakeBuild("ours");
    const obtaining = box.open().obtain({
      model: box.model,
      key: KEY,
      build,
      wait: {
        limitMs: 120_000,
        onWait: (wait) => {
          if (waits.push(wait) === 1) racer.kill("SIGKILL");
        },
      },
    });
    const obtained = await obtaining;
    assert.equal(obtained.built, true);
    assert.deepEqual(obtained.bytes, engineBytes("ours"));
    assert.equal(waits[0]!.owner?.pid, racer.pid);
    assert.equal(waits[0]!.state, "alive");
    assert.equal(await racer.end, null);
  },
);

Deno.test("cache: a stopped builder is reported as such, and the wait ends at its limit", LOOSE, async () => {
  await using box = await setUp();
  const racer = startRacer(box, 600_000);
  await untilBuilding(box, racer);
  racer.kill("SIGSTOP");
  // A process that runs stops when it is looked at the next time.
  await until("stopped", () => /\) T /.test(Deno.readTextFileSync(`/proc/${racer.pid}/stat`)));
  const waits: LockWait[] = [];
  try {
    const obtaining = box.open().obtain({
      model: box.model,
      key: KEY,
      build: fakeBuild("ours"),
      wait: { limitMs: 700, onWait: (wait) => waits.push(wait) },
    });
    await assert.rejects(obtaining, (error: unknown) => {
      assert.ok(error instanceof TrtdError);
      assert.equal(error.code, "ENGINE_LOCKED");
      assert.match(error.message, new RegExp(`^Process ${racer.pid} of .* still holds .* and is stopped$`));
      assert.match(error.remedy, new RegExp(`kill -CONT ${racer.pid}`));
      return true;
    });
    assert.equal(waits.at(-1)!.state, "stopped");
  } finally {
    racer.kill("SIGKILL");
    await racer.end;
  }
  const lock = await acquireLock(join(box.modelsDir, "trt/shelf/fp16/bs4/shelf.engine.lock"), { limitMs: 60_000 });
  await lock[Symbol.asyncDispose]();
});

Deno.test("cache: a wait can be interrupted, and a wait that was given up does not keep the lock", LOOSE, async () => {
  await using box = await setUp();
  const path = join(box.folder, "lock");
  const held = await acquireLock(path);
  const interrupt = new AbortController();
  const waiting = acquireLock(path, { signal: interrupt.signal });
  setTimeout(() => interrupt.abort(), 100);
  await assert.rejects(waiting, { code: "INTERRUPTED" });
  assert.equal(await tryAcquireLock(path, 60), null);
  await held[Symbol.asyncDispose]();
  const next = await acquireLock(path, { limitMs: 60_000 });
  assert.equal(
    await Deno.readTextFile(path).then((text) => JSON.parse(text).pid),
    Deno.pid,
    "its text names the owner",
  );
  await next[Symbol.asyncDispose]();
  assert.equal(await Deno.readTextFile(path), "", "nobody is named once it is free");
});

Deno.test("cache: within one process too, who asks for the same engine at once makes one build", LOOSE, async () => {
  await using box = await setUp();
  const build = fakeBuild("one");
  const all = await Promise.all(
    Array.from({ length: 5 }, () => box.open().obtain({ model: box.model, key: KEY, build })),
  );
  assert.equal(build.count, 1);
  assert.equal(all.filter(({ built }) => built).length, 1);
});
