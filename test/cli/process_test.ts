import assert from "node:assert/strict";
import { join } from "node:path";
import { abortOnSignals } from "../../src/cli/interrupt.ts";
import { TrtdError } from "../../src/errors.ts";

const MAIN = join(import.meta.dirname!, "../../src/main.ts");

/** Run a shell command in which `"$@"` is trtd with these arguments. */
async function shell(script: string, args: readonly string[], env: Record<string, string> = {}) {
  const trtd = [Deno.execPath(), "run", "--quiet", "-A", "--no-check", MAIN, ...args];
  const { code, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", script, "sh", ...trtd], env }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("process: a reader that goes after one line is no failure", async () => {
  const { out, err } = await shell('{ "$@"; echo "status $?" >&2; } | head -n 1', ["config"]);
  assert.match(out, /^SETTING .*\n$/);
  assert.equal(err, "status 0\n");
});

Deno.test("process: an output that takes nothing is told, with its remedy and status", async () => {
  const { code, err } = await shell('exec "$@" > /dev/full', ["config"]);
  assert.equal(code, 3);
  assert.match(err, /^trtd: OUTPUT_UNWRITABLE: Cannot write to standard output: .*\n {2}remedy: [A-Z].*\n$/);
});

Deno.test("process: without standard input, output and error the status tells", async () => {
  const { code } = await shell('exec "$@" <&- >&- 2>&-', ["inspect", "/nowhere/x.onnx"]);
  assert.equal(code, 1);
});

Deno.test("process: without HOME nothing is missing", async () => {
  const deno = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { denoDir } = JSON.parse(new TextDecoder().decode(deno.stdout));
  const script = 'unset HOME XDG_CACHE_HOME; exec "$@"';
  const { code, out, err } = await shell(script, ["models", "--models", "/nowhere", "--json"], { DENO_DIR: denoDir });
  assert.deepEqual([code, err], [0, ""]);
  assert.equal(JSON.parse(out)[0].name, "codes");
});

Deno.test("process: a worker whose manager is gone ends without a word", async () => {
  assert.deepEqual(await shell('exec "$@"', ["worker", "/nowhere/socket"]), { code: 130, out: "", err: "" });
});

Deno.test("process: a signal interrupts work that listens, until it is disposed of", async () => {
  let signal: AbortSignal;
  {
    using interrupt = abortOnSignals("test", "Go on");
    signal = interrupt.signal;
    Deno.kill(Deno.pid, "SIGHUP");
    for (let i = 0; i < 2000 && !signal.aborted; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.throws(() => signal.throwIfAborted(), (error) => {
    assert.ok(error instanceof TrtdError);
    assert.deepEqual([error.code, error.message, error.remedy], [
      "INTERRUPTED",
      "The test was interrupted",
      "Go on",
    ]);
    return true;
  });
});
