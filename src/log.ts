/** Log lines for people or machines on standard error; standard output belongs to results. */
import { configure, getJsonLinesFormatter, getLogger, getTextFormatter } from "@logtape/logtape";
import type { Config } from "./config/config.ts";

export { getLogger };

/** Send every `trtd` logger to standard error. */
export async function configureLog(config: Pick<Config, "log_level" | "log_format">): Promise<void> {
  const format = config.log_format === "json" ? getJsonLinesFormatter() : getTextFormatter({ timestamp: "rfc3339" });
  const encoder = new TextEncoder();
  await configure({
    reset: true,
    sinks: { stderr: (record) => writeAll(encoder.encode(format(record))) },
    loggers: [
      { category: ["trtd"], lowestLevel: config.log_level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}

/** A full or closed pipe must not end the process. */
function writeAll(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    return;
  }
}
