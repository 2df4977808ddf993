/** Signals that end a command's work in order, instead of the process at once. */
import { TrtdError } from "../errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface Interrupt extends Disposable {
  /** Aborted by the first signal, with the error that the work is to end with. */
  readonly signal: AbortSignal;
}

/**
 * Listens until it is disposed of.
 * @param what the work, for the message: `The ${what} was interrupted`
 * @param remedy @default the code's own
 */
export function abortOnSignals(what: string, remedy?: string): Interrupt {
  const controller = new AbortController();
  const onSignal = () =>
    controller.abort(
      new TrtdError("INTERRUPTED", `The ${what} was interrupted`, remedy === undefined ? {} : { remedy }),
    );
  for (const signal of SIGNALS) Deno.addSignalListener(signal, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const signal of SIGNALS) Deno.removeSignalListener(signal, onSignal);
    },
  };
}
