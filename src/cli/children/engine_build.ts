/** `trtd engine-build`: builds and checks an engine for `trtd serve`; people do not start it. */
import { EXIT, TrtdError, trtdErrorFrom } from "../../errors.ts";
import { getLogger } from "../../log.ts";
import { type BuildLine, type BuildQuestion, ENGINE_BUILD_COMMAND } from "../../serving/engine/build_messages.ts";
import type { BuildBar } from "../build/build_progress.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { questionFrom } from "./question.ts";

const log = getLogger(["trtd", "serving"]);

/** Time for what was asked to end to say so. */
const GRACE_MS = 4000;
/** Failures of the plan: nothing was begun. */
const REFUSALS: readonly string[] = [
  "BACKEND_UNAVAILABLE",
  "TENSORRT_NOT_FOUND",
  "TENSORRT_UNSUPPORTED",
  "GPU_UNAVAILABLE",
  "GPU_UNSUPPORTED",
  "DRIVER_TOO_OLD",
  "PRECISION_UNSUPPORTED",
  "PLUGIN_MISSING",
];

export const engineBuildCommand: CliCommand = {
  name: ENGINE_BUILD_COMMAND,
  summary: "Build an engine for trtd serve",
  hidden: true,

  configure() {},

  async run(context): Promise<number> {
    const asked = await questionFrom<BuildQuestion>();
    if (asked === null) return EXIT.usage;
    const say = (line: BuildLine) => context.terminal.print(JSON.stringify(line));
    const ended = await Promise.race([build(context, asked.question, say), asked.closed.then(endBuild)]);
    say(ended);
    return ended.result === "built" ? EXIT.fine : EXIT.build;
  },
};

type Ended = Extract<BuildLine, { type: "ended" }>;

/** What a worker does when it loads the model, with a build on a miss: the next worker finds all of it done. */
async function build(
  { config, terminal }: CommandContext,
  { model }: BuildQuestion,
  say: (line: BuildLine) => void,
): Promise<Ended> {
  const quiet = { ...terminal, interactive: false, note: (text: string) => log.info("{text}", { text }) };
  try {
    const { openDetector } = await import("../../detect/open.ts");
    const detector = await openDetector(model, {
      backend: "tensorrt",
      maxPixels: config.max_pixels,
      engines: {
        config,
        terminal: quiet,
        build: async (planned, cache) => {
          const { obtainShown } = await import("../build/obtain_shown.ts");
          await obtainShown(planned, cache, { config, terminal: quiet, bar: barOf(say) });
          say({ type: "checking" });
        },
      },
    });
    await detector.close();
    return { type: "ended", result: "built", error: null };
  } catch (thrown) {
    const { code, message: detail, remedy } = trtdErrorFrom(thrown);
    if (code === "INTERRUPTED") return { type: "ended", result: "cancelled", error: null };
    return { type: "ended", result: REFUSALS.includes(code) ? "refused" : "failed", error: { code, detail, remedy } };
  }
}

function barOf(say: (line: BuildLine) => void): BuildBar {
  let last = "";
  return {
    start: (seconds) => say({ type: "expected", seconds }),
    update({ phase, fraction }) {
      const line = { type: "progress", phase, fraction: Math.round(100 * fraction) / 100 } as const;
      const text = JSON.stringify(line);
      if (text !== last) say(line);
      last = text;
    },
    pause: (print) => print(),
    stop() {},
  };
}

/** Nobody waits any more: a build that is under way ends its children by the signal that it listens for. */
async function endBuild(): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = () => resolve();
  Deno.addSignalListener("SIGTERM", listener);
  Deno.kill(Deno.pid, "SIGTERM");
  await promise;
  await new Promise((resolve) => setTimeout(resolve, GRACE_MS));
  Deno.removeSignalListener("SIGTERM", listener);
  throw new TrtdError("INTERRUPTED", "The build was cancelled");
}
