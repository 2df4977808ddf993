/** `trtd worker SOCKET`: the process that holds the models. The serving manager starts it; people do not. */
import { EXIT } from "../../errors.ts";
import type { Model } from "../../models/model.ts";
import type { WorkerSettings } from "../../serving/messages.ts";
import { serveChannel, type ServedDetector } from "../../serving/worker.ts";
import type { CliCommand } from "../command.ts";

export const workerCommand: CliCommand = {
  name: "worker",
  summary: "Hold models for trtd serve",
  hidden: true,

  configure(command) {
    command.argument("<SOCKET>", "Unix socket of the serving manager");
  },

  async run({ args }): Promise<number> {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, outliveTheManager);
    using channel = await Deno.connect({ transport: "unix", path: args[0]! });
    await serveChannel(channel, openServed);
    return EXIT.fine;
  },
};

/** A service manager may signal the whole group: the worker ends when its channel closes, after the last answer. */
function outliveTheManager(): void {}

async function openServed(model: Model, settings: WorkerSettings): Promise<ServedDetector> {
  const { openDetector } = await import("../../detect/open.ts");
  return await openDetector(model, {
    backend: settings.backend,
    maxPixels: settings.max_pixels,
    ...(settings.threads === undefined ? {} : { threads: settings.threads }),
  });
}
