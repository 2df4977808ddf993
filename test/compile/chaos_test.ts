import { writeColourModel } from "../chaos/colour_model.ts";
import { crashingRead, poisonCases } from "../chaos/poison_cases.ts";
import { SERVER_CASES } from "../chaos/server_cases.ts";
import { SLOW_CASES } from "../chaos/slow_cases.ts";
import { WORKER_CASES } from "../chaos/worker_cases.ts";
import { boxTest } from "./box.ts";

const cases = [...WORKER_CASES, ...SERVER_CASES, ...SLOW_CASES];

for (const { name, run } of cases) {
  boxTest(`chaos: ${name}`, (box) => run({ program: box.program, model: writeColourModel(box.folder), report }));
}

boxTest("chaos: a picture that crashes workers is refused, and nobody else notices", async (box) => {
  const library = crashingRead(box.folder);
  if (library === null) return console.log("chaos: not run, no C compiler is here");
  for (const { run } of poisonCases(library)) {
    await run({ program: box.program, model: writeColourModel(box.folder), report });
  }
});

function report(line: string): void {
  console.log(`chaos, compiled: ${line}`);
}
