import { writeColourModel } from "./colour_model.ts";
import { crashingRead, poisonCases } from "./poison_cases.ts";
import { fromSource } from "../server/program.ts";
import { SERVER_CASES } from "./server_cases.ts";
import { SLOW_CASES } from "./slow_cases.ts";
import { WORKER_CASES } from "./worker_cases.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
const model = writeColourModel(folder);
const library = crashingRead(folder);
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const cases = [...WORKER_CASES, ...SERVER_CASES, ...SLOW_CASES, ...(library === null ? [] : poisonCases(library))];

for (const { name, run } of cases) {
  Deno.test(`chaos: ${name}`, () =>
    run({ program: fromSource, model, report: (line) => console.log(`chaos: ${line}`) }));
}

if (library === null) Deno.test.ignore("chaos: a picture that crashes workers (skipped: no C compiler)", () => {});
