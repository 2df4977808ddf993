/** What TensorRT logs in this process: to trtd's log, and kept for explaining failures. */
import { getLogger } from "@logtape/logtape";
import { Severity } from "../../../ffi/enums.ts";
import { drainLog, logToDescriptor, logToRing } from "../../../ffi/log.ts";

const log = getLogger(["trtd", "tensorrt"]);

const RING_BYTES = 1 << 20;
const STANDARD_ERROR = 2;
/** Lines that are kept: TensorRT's last errors follow each other within a few. */
const KEPT = 400;
const WORDS: Readonly<Record<Severity, string>> = {
  [Severity.NONE]: "INFO",
  [Severity.INTERNAL_ERROR]: "FATAL",
  [Severity.ERROR]: "ERROR",
  [Severity.WARNING]: "WARN",
  [Severity.INFO]: "INFO",
  [Severity.VERBOSE]: "VERBOSE",
};

let begun = false;
let kept: string[] = [];

/** Begin to listen; again is harmless. A fatal line goes to standard error before TensorRT may abort. */
export function startNativeLog(): void {
  if (begun) return;
  begun = true;
  logToRing(RING_BYTES, Severity.INFO);
  logToDescriptor(STANDARD_ERROR, Severity.INTERNAL_ERROR);
}

/** Move what was logged since the last call to trtd's log. */
export function drainNativeLog(): void {
  if (!begun) return;
  for (const event of drainLog().events) {
    if (event.kind !== "log") continue;
    const { severity, source, text, timeUs } = event;
    const time = new Date(timeUs / 1000).toISOString().replace("Z", "000Z");
    kept.push(`${time} ${WORDS[severity]} ${source}: ${text}`);
    if (severity === Severity.WARNING) log.warning("{source}: {text}", { source, text });
    else log.debug("{source}: {text}", { source, text, severity: WORDS[severity] });
  }
  if (kept.length > KEPT) kept = kept.slice(-KEPT);
}

/** The last lines, as libtrtd writes them, and forgets them: the next failure has lines of its own. */
export function takeNativeLog(): string[] {
  drainNativeLog();
  const lines = kept;
  kept = [];
  return lines;
}
