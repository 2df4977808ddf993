import assert from "node:assert/strict";
import { join } from "node:path";
import { childEnd } from "../../../../src/tensorrt/build/child/child_end.ts";
import { type BuildJob, frameFrom } from "../../../../src/tensorrt/build/child/messages.ts";
import { runChild, type RunChildOptions } from "../../../../src/tensorrt/build/child/run_child.ts";

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
    const begun = performance.now();
    const facts = await runChild({ path: Deno.execPath(), args: ["run", "-A", "--no-config", path], env: {} }, job, {
      timeLimitMs: 15_000,
      countMemoryKills: () => 0,
      ...options,
      onLines: (more) => lines.push(...more),
    });
    return { facts, end: childEnd(facts), lines, ms: performance.now() - begun };
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
  const { facts, end, ms } = await play(`${print(report)} setTimeout(() => {}, 60_000);`, { lingerMs: 200 });
  assert.equal(facts.ended, "lingering");
  assert.equal(end.kind, "built");
  assert(ms < 10_000);
});

Deno.test("child: a grandchild in another group that holds the pipe does not hold the build", async () => {
  const { end, ms } = await play(`
    new Deno.Command("sleep", { args: ["8"], detached: true, stdout: "inherit", stderr: "inherit" }).spawn().unref();
    ${print(report)}
    Deno.exit(0);
  `);
  assert.equal(end.kind, "built");
  assert(ms < 7_000, `${ms} ms`);
});

Deno.test("child: at its time limit it is ended with all that it started", async () => {
  const { end, lines } = await play(
    `
    const { pid } = new Deno.Command("sleep", { args: ["60"] }).spawn();
    console.error(pid);
    setTimeout(() => {}, 60_000);
  `,
    { timeLimitMs: 1_500 },
  );
  assert.equal(end.kind, "timed-out");
  const command = await Deno.readTextFile(`/proc/${Number(lines[0])}/cmdline`).catch(() => "");
  assert.doesNotMatch(command, /sleep/);
});

Deno.test("child: one that ends with nothing said, or with nonsense, is lost", async () => {
  assert.equal((await play("Deno.exit(3);")).end.kind, "lost");
  const nonsense = await play(`console.log("@trtd-build {"); console.log("@trtd-build []");`);
  assert.equal(nonsense.end.kind, "lost");
  assert.deepEqual(nonsense.lines, ["@trtd-build {", "@trtd-build []"]);
});
