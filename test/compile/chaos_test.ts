import { writeColourModel } from "../chaos/colour_model.ts";
import { crashingRead, poisonCases } from "../chaos/poison_cases.ts";
import type { Program } from "../chaos/program.ts";
import { SERVER_CASES } from "../chaos/server_cases.ts";
import { SLOW_CASES } from "../chaos/slow_cases.ts";
import { WORKER_CASES } from "../chaos/worker_cases.ts";
import { type Box, boxTest } from "./box.ts";

/** No case takes longer. */
const TIMEOUT_MS = 300_000;

const cases = [...WORKER_CASES, ...SERVER_CASES, ...SLOW_CASES];

for (const { name, run } of cases) {
  boxTest(`chaos: ${name}`, (box) => run({ program: fromBox(box), model: writeColourModel(box.folder), report }));
}

boxTest("chaos: a picture that crashes workers is refused, and nobody else notices", async (box) => {
  const library = crashingRead(box.folder);
  if (library === null) return console.log("chaos: not run, no C compiler is here");
  for (const { run } of poisonCases(library)) {
    await run({ program: fromBox(box), model: writeColourModel(box.folder), report });
  }
});

/** The executable in its box. */
function fromBox(box: Box): Program {
  return (args, { env = {}, openFiles }) =>
    box.spawn(args, {
      env: { ...env },
      timeoutMs: TIMEOUT_MS,
      ...(openFiles === undefined ? {} : { before: `ulimit -n ${openFiles}` }),
    });
}

function report(line: string): void {
  console.log(`chaos, compiled: ${line}`);
}
