import assert from "node:assert/strict";
import { resolve } from "node:path";

const SCRIPT = resolve(import.meta.dirname!, "../../scripts/cache_speed.ts");

/** Measurements on a machine that does other things too; the best counts. */
const ATTEMPTS = 4;

interface Speed {
  readonly rows: readonly { readonly name: string; readonly best_ms: number }[];
}

Deno.test("cache: at 45 MB a hit costs under 150 ms more than reading, a digest under 120 ms and under 5 ms when it is remembered", async () => {
  const missed: string[] = [];
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const problem = goalsMissed(await measured());
    if (problem === null) return;
    missed.push(problem);
  }
  assert.fail(missed.join("\n"));
});

async function measured(): Promise<Speed> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SCRIPT, "--json", "--rounds", "5"],
    stderr: "inherit",
  }).output();
  assert.ok(success);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** What was measured when it is too slow, else null. */
function goalsMissed({ rows }: Speed): string | null {
  const best = (name: string) => rows.find((row) => row.name === name)!.best_ms;
  // The goals are for a machine that hashes 45 MB in 50 ms; a slower or busier one has as much more time.
  const slow = Math.max(1, best("sha256 alone") / 50);
  const reached = best("hit of the cache") - best("read the engine") < 150 * slow &&
    best("digest, hashed") < 120 * slow && best("digest, remembered") < 5 * slow;
  return reached ? null : JSON.stringify({ slow, rows });
}
