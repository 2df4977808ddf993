import assert from "node:assert/strict";
import { join } from "node:path";
import { childEnd } from "../../../../src/tensorrt/build/child/child_end.ts";
import { type BuildJob, frameFrom } from "../../../../src/tensorrt/build/child/messages.ts";
import { runChild, type RunChildOptions } from "../../../../src/tensorrt/build/child/run_child.ts";
import { isAlive, killQuietly } from "../../../server/process.ts";
import { until } from "../../../until.ts";

const built = {
  outcome: "built",
  bytes: 1,
  layers: 1,
  inputs: [],
  outputs: [],
  library: "1.2.3",
  timings_ms: {},
  remarks: [],
} as const;
const report = JSON.stringify(frameFrom({ event: "report", report: built }));
const job = { output: "/nowhere" } as unknown as BuildJob;

/** Runs a program that plays the build child. */
async function play(script: string, options: Partial<RunChildOptions> = {}) {
  const folder = await Deno.makeTempDir({ prefix: "trtd-child-" });
  try {
    const path = join(folder, "child.ts");
    await Deno.writeTextFile(path, script);
    const lines: string[] = [];
    const facts = await runChild({ path: Deno.execPath(), args: ["run", "-A", "--no-config", path], env: {} }, job, {
      timeLimitMs: 120_000,
      countMemoryKills: () => 0,
      ...options,
      onLines: (more) => lines.push(...more),
    });
    return { facts, end: childEnd(facts), lines };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const print = (text: string) => `Deno.stdout.writeSync(new TextEncoder().encode(${text}));`;

Deno.test("child: the job is its first line, and what it prints beside its report is kept", async () => {
  const { end, lines } = await play(`
    const bytes = new Uint8Array(100);
    const line = new TextDecoder().decode(bytes.subarray(0, Deno.stdin.readSync(bytes) ?? 0));
    console.error("err " + line.trim());
    ${print('"half a line"')}
    ${print(report)}
    ${print('"the last"')}
  `);
  assert.equal(end.kind, "built");
  assert.deepEqual(lines.toSorted(), [`err ${JSON.stringify(job)}`, "half a line", "the last"]);
});

Deno.test("child: one that reports and does not go is sent away, and its report counts", async () => {
  const { facts, end } = await play(`${print(report)} setTimeout(() => {}, 600_000);`, { lingerMs: 200 });
  assert.equal(facts.ended, "lingering");
  assert.equal(end.kind, "built");
});

Deno.test("child: a grandchild in another group that holds the pipe does not hold the build", async () => {
  const { end, lines } = await play(`
    const options = { args: ["600"], detached: true, stdout: "inherit", stderr: "inherit" };
    const sleep = new Deno.Command("sleep", options).spawn();
    sleep.unref();
    console.error(sleep.pid);
    ${print(report)}
    Deno.exit(0);
  `);
  const grandchild = Number(lines[0]);
  const outlived = isAlive(grandchild);
  killQuietly(grandchild);
  assert.equal(end.kind, "built");
  assert(outlived, "it was not waited for");
});

Deno.test("child: at its time limit it is ended with all that it started", async () => {
  const { end, lines } = await play(
    `
    const { pid } = new Deno.Command("sleep", { args: ["600"] }).spawn();
    console.error(pid);
    setTimeout(() => {}, 600_000);
  `,
    { timeLimitMs: 3_000 },
  );
  assert.equal(end.kind, "timed-out");
  if (lines[0] !== undefined) await until("gone", () => !isAlive(Number(lines[0])));
});

Deno.test("child: one that ends with nothing said, or with nonsense, is lost", async () => {
  assert.equal((await play("Deno.exit(3);")).end.kind, "lost");
  const nonsense = await play(`console.log("@trtd-build {"); console.log("@trtd-build []");`);
  assert.equal(nonsense.end.kind, "lost");
  assert.deepEqual(nonsense.lines, ["@trtd-build {", "@trtd-build []"]);
});
