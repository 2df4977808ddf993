/** The command table, and the only place that ends the process. */
import type { CliCommand } from "./cli/command.ts";
import { runCli } from "./cli/run.ts";

/** Commands are imported when they are called, so that one does not pay for another's start. */
export const COMMANDS: Readonly<Record<string, () => Promise<CliCommand>>> = {
  detect: async () => (await import("./cli/detect.ts")).detectCommand,
  serve: async () => (await import("./cli/serve/serve.ts")).serveCommand,
  inspect: async () => (await import("./cli/inspect/inspect.ts")).inspectCommand,
  convert: async () => (await import("./cli/convert.ts")).convertCommand,
  doctor: async () => (await import("./cli/doctor.ts")).doctorCommand,
  bench: async () => (await import("./cli/bench/bench.ts")).benchCommand,
  verify: async () => (await import("./cli/verify/verify.ts")).verifyCommand,
  cache: async () => (await import("./cli/cache/cache.ts")).cacheCommand,
  pull: async () => (await import("./cli/models/pull.ts")).pullCommand,
  models: async () => (await import("./cli/models/models.ts")).modelsCommand,
  config: async () => (await import("./cli/config/config.ts")).configCommand,
  worker: async () => (await import("./cli/children/worker.ts")).workerCommand,
  "build-engine": async () => (await import("./cli/build/build_engine.ts")).buildEngineCommand,
  "build-child": async () => (await import("./cli/children/build_child.ts")).buildChildCommand,
  "load-child": async () => (await import("./cli/children/load_child.ts")).loadChildCommand,
  "engine-build": async () => (await import("./cli/children/engine_build.ts")).engineBuildCommand,
  "engine-lookup": async () => (await import("./cli/children/engine_lookup.ts")).engineLookupCommand,
  probe: async () => (await import("./cli/children/probe.ts")).probeCommand,
};

if (import.meta.main) Deno.exit(await runCli(Deno.args, COMMANDS));
