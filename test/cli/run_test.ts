import assert from "node:assert/strict";
import { resolve } from "node:path";
import { type CommandTable, runCli } from "../../src/cli/run.ts";
import type { CliCommand, CommandContext, Terminal } from "../../src/cli/command.ts";
import { EXIT, TrtdError } from "../../src/errors.ts";
import { VERSION } from "../../src/version.ts";

/** A terminal that remembers. */
function listen(): Terminal & { out: string; err: string } {
  const terminal = {
    out: "",
    err: "",
    cwd: "/nowhere",
    interactive: false,
    resolve: (path: string) => resolve("/nowhere", path),
    print: (text: string) => void (terminal.out += `${text}\n`),
    note: (text: string) => void (terminal.err += `${text}\n`),
  };
  return terminal;
}

function tableWith(run: CliCommand["run"]): CommandTable {
  const command: CliCommand = {
    name: "detect",
    summary: "Look",
    configure: (command) => void command.argument("[IMAGE...]").option("--json", "Print JSON"),
    run,
  };
  return {
    detect: () => Promise.resolve(command),
    worker: () => Promise.resolve({ ...command, name: "worker", hidden: true }),
  };
}

Deno.test("cli: a command gets its arguments, its own flags and the settings", async () => {
  const seen: CommandContext[] = [];
  const table = tableWith((context) => {
    seen.push(context);
    return Promise.resolve(7);
  });
  const status = await runCli(
    ["detect", "a.jpg", "--json", "--score", "0.5", "--max-pixels", "9", "b"],
    table,
    listen(),
  );
  assert.equal(status, 7);
  assert.deepEqual(seen[0]?.args, ["a.jpg", "b"]);
  assert.deepEqual(seen[0]?.flags, { json: true });
  assert.deepEqual([seen[0]?.config.score, seen[0]?.config.max_pixels], [0.5, 9]);
});

Deno.test("cli: a failure is printed with its code and remedy and ends with the code's status", async () => {
  const terminal = listen();
  const table = tableWith(() => Promise.reject(new TrtdError("CACHE_FOLDER_UNUSABLE", 'The folder "/c" is full')));
  assert.equal(await runCli(["detect"], table, terminal), EXIT.environment);
  assert.match(terminal.err, /^trtd: CACHE_FOLDER_UNUSABLE: The folder "\/c" is full\n {2}remedy: \S/);
  assert.equal(terminal.out, "");
});

Deno.test("cli: an unforeseen error is INTERNAL and shows no stack", async () => {
  const terminal = listen();
  assert.equal(await runCli(["detect"], tableWith(() => Promise.reject(new Error("Odd"))), terminal), EXIT.internal);
  assert.match(terminal.err, /^trtd: INTERNAL: Odd\n/);
  assert.doesNotMatch(terminal.err, /\bat .*:\d+/);
});

const MISTAKES: readonly [name: string, argv: string[], says: RegExp][] = [
  ["an unknown command", ["detekt"], /Unknown command 'detekt' \(Did you mean detect\?\)\n/],
  ["an unknown flag", ["detect", "--scoer", "1"], /Unknown option '--scoer' \(Did you mean --score\?\)\n/],
  ["a flag without its value", ["detect", "--score"], /--score/],
  ["a wrong value", ["detect", "--score", "high"], /--score/],
];
for (const [name, argv, says] of MISTAKES) {
  Deno.test(`cli: ${name} is a usage error with a remedy`, async () => {
    const terminal = listen();
    assert.equal(await runCli(argv, tableWith(() => Promise.resolve(0)), terminal), EXIT.usage);
    assert.match(terminal.err, /^trtd: USAGE: /);
    assert.match(terminal.err, says);
    assert.match(terminal.err, /remedy:/);
    assert.equal(terminal.out, "");
  });
}

Deno.test("cli: help and version go to standard output with status 0", async () => {
  for (
    const [argv, says] of [[["--help"], /detect/], [["detect", "--help"], /--max-pixels/], [
      ["--version"],
      VERSION,
    ]] as const
  ) {
    const terminal = listen();
    assert.equal(await runCli(argv, tableWith(() => Promise.resolve(1)), terminal), EXIT.fine);
    assert.match(terminal.out, says instanceof RegExp ? says : new RegExp(says.replaceAll(".", "\\.")));
    assert.equal(terminal.err, "");
  }
});

Deno.test("cli: hidden commands and other commands' settings are not in the help", async () => {
  const terminal = listen();
  await runCli(["--help"], tableWith(() => Promise.resolve(1)), terminal);
  await runCli(["detect", "--help"], tableWith(() => Promise.resolve(1)), terminal);
  assert.doesNotMatch(terminal.out, /worker|queue-limit/);
});

Deno.test("cli: no command prints the help and is a usage error", async () => {
  const terminal = listen();
  assert.equal(await runCli([], tableWith(() => Promise.resolve(1)), terminal), EXIT.usage);
  assert.match(terminal.out, /Usage: trtd/);
});

Deno.test("cli: a named configuration file must exist", async () => {
  const terminal = listen();
  assert.equal(
    await runCli(["detect", "--config", "no.json"], tableWith(() => Promise.resolve(0)), terminal),
    EXIT.input,
  );
  assert.match(terminal.err, /FILE_NOT_FOUND: .*"\/nowhere\/no\.json"/);
});
