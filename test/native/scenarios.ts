/** What the child processes of the native tests do: `scenarios.ts NAME ARGUMENT` prints one JSON value. */

import * as copies from "./copies_scenario.ts";
import * as failures from "./failure_scenarios.ts";
import { fuzz } from "./fuzz_scenario.ts";
import * as pipelines from "./pipeline_scenarios.ts";
import * as real from "./real_scenarios.ts";
import * as runners from "./runner_scenarios.ts";
import { whole } from "./whole_scenario.ts";

const SCENARIOS: Record<string, unknown> = { whole, fuzz, ...copies, ...failures, ...pipelines, ...real, ...runners };

const [name, argument] = Deno.args;
const body = SCENARIOS[name ?? ""] as ((argument: unknown) => Promise<unknown>) | undefined;
if (body === undefined || argument === undefined) {
  console.error(`There is no scenario "${name}"`);
  Deno.exit(2);
}
console.log(JSON.stringify(await body(JSON.parse(argument))));
Deno.exit(0);
