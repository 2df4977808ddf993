/** Scenarios of the backend, each in a process of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fakeSet, shimAndFakes } from "../../native/children.ts";

const TIMEOUT_MS = 180_000;

/**
 * Runs a scenario to its end.
 * @param name argument of the script
 * @param env added to the environment
 * @returns what it printed
 */
export async function scenario(
  name: string,
  env: Readonly<Record<string, string>> = {},
  script = "scenarios.ts",
  // deno-lint-ignore no-explicit-any
): Promise<any> {
  const sets = Object.fromEntries(["10.16", "rtx-1.6"].map((set) => [set, fakeSet(set)]));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", join(import.meta.dirname!, script), name],
    env: {
      TRTD_SHIM: shimAndFakes().shim,
      TRTD_FAKE: "",
      TRTD_FAKE_GPUS: "NVIDIA Fake 4090:8.9:24564",
      TRTD_TEST_SETS: JSON.stringify(sets),
      NO_COLOR: "1",
      ...env,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  assert.equal(code, 0, `"${name}" ended with ${signal ?? code}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}
