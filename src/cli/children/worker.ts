/** `trtd worker SOCKET`: the process that holds a model. The serving manager starts it; people do not. */
import { EXIT } from "../../errors.ts";
import { loadSharp } from "../../native/sharp.ts";
import { revokeFor } from "../../serving/permissions.ts";
import { serveChannel } from "../../serving/worker/worker.ts";
import { openEmpty } from "../../serving/worker/empty_detector.ts";
import type { CliCommand } from "../command.ts";
import { openGpuSensors, openServed } from "./open_served.ts";

export const workerCommand: CliCommand = {
  name: "worker",
  summary: "Hold a model for trtd serve",
  hidden: true,
  lasts: true,

  configure(command) {
    command.argument("<SOCKET>", "Unix socket of the serving manager");
    command.option("--empty", "Answer without a model: what is measured then is the way there and back");
  },

  async run({ args, flags, config, terminal }): Promise<number> {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, outliveTheManager);
    const gpus = openGpuSensors();
    const open = flags["empty"] === true ? openEmpty : openServed({ config, terminal });
    try {
      using channel = await Deno.connect({ transport: "unix", path: args[0]! });
      await serveChannel(channel, async (model, settings) => {
        const detector = await open(model, settings);
        await loadSharp();
        await revokeFor("worker");
        return detector;
      }, gpus);
      return EXIT.fine;
    } catch (error) {
      if (MANAGER_GONE.some((kind) => error instanceof kind)) return EXIT.interrupted;
      throw error;
    }
  },
};

/** How the channel fails when the manager was killed: nobody is there to be told. */
const MANAGER_GONE = [
  Deno.errors.NotFound,
  Deno.errors.ConnectionRefused,
  Deno.errors.ConnectionReset,
  Deno.errors.BrokenPipe,
];

/** A service manager may signal the whole group: the worker ends when its channel closes, after the last answer. */
function outliveTheManager(): void {}
