/** Log lines for people or machines on standard error; standard output belongs to results. */
import { configure, getJsonLinesFormatter, getLogger, getTextFormatter, type TextFormatter } from "@logtape/logtape";
import type { Config } from "./config/config.ts";
import { valueWithoutSecrets, withoutSecrets } from "./secrets.ts";
import { writeStandardError } from "./standard_error.ts";

export { getLogger };

/** Send every `trtd` logger to standard error; secrets are hidden in whatever is logged. */
export async function configureLog(config: Pick<Config, "log_level" | "log_format">): Promise<void> {
  const format = config.log_format === "json" ? jsonFormatter() : textFormatter();
  await configure({
    reset: true,
    sinks: { stderr: (record) => writeStandardError(format(record)) },
    loggers: [
      { category: ["trtd"], lowestLevel: config.log_level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}

function textFormatter(): TextFormatter {
  const format = getTextFormatter({ timestamp: "rfc3339" });
  return (record) => withoutSecrets(format(record));
}

/** The texts inside the JSON are searched, where quotes are not escaped. */
function jsonFormatter(): TextFormatter {
  const format = getJsonLinesFormatter();
  return (record) => `${JSON.stringify(valueWithoutSecrets(JSON.parse(format(record))))}\n`;
}
