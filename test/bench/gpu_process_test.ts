import assert from "node:assert/strict";
import { runProcess } from "../../scripts/bench/gpu_process.ts";

const deno = (script: string): string[] => [Deno.execPath(), "eval", "--quiet", script];
const PAUSE = "await new Promise((resolve) => setTimeout(resolve, 300));";

Deno.test("gpu process: its output, and when it began", async () => {
  const { out, firstOutputMs } = await runProcess(
    deno(`${PAUSE} console.log("one"); ${PAUSE} console.log(Deno.env.get("WORD"));`),
    { limitS: 60, env: { WORD: "two" } },
  );
  assert.equal(out, "one\ntwo\n");
  assert.ok(firstOutputMs >= 300, String(firstOutputMs));
});

const FAILURES: readonly [string, string, RegExp][] = [
  ["ends with another status", `console.error("no room"); Deno.exit(3);`, /ended with status 3: no room/],
  ["says nothing", ``, /said nothing/],
  [
    "is late",
    `console.error("begun"); await new Promise((resolve) => setTimeout(resolve, 60_000));`,
    /not done in 2 s/,
  ],
];

for (const [name, script, message] of FAILURES) {
  Deno.test(`gpu process: one that ${name} is an error with its words`, async () => {
    await assert.rejects(
      runProcess(deno(script), { limitS: name === "is late" ? 2 : 60 }),
      (error: Error) => message.test(error.message),
    );
  });
}
