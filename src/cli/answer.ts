/** How a command tells what came of its work: as text, or with `--json` as one JSON value. */
import { EXIT, type TrtdError, trtdErrorFrom } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { noteError } from "./note_error.ts";

/** A failure in JSON: the words of a problem document. */
export interface Failure {
  readonly code: string;
  readonly detail: string;
  readonly remedy: string;
}

export const failureOf = ({ code, message, remedy }: TrtdError): Failure => ({ code, detail: message, remedy });

export interface Answer<T> {
  work(): Promise<T>;
  text(outcome: T): string;
  /** What `--json` prints. */
  json(outcome: T): unknown;
  /** What `--json` prints of a failure. @default its {@link Failure} as `error` */
  failure?(error: TrtdError): unknown;
}

/**
 * Print what came of the work. With `--json` a failure is printed too, beside its lines on standard error.
 * @returns the exit status
 * @throws what the work throws, without `--json`
 */
export async function answer<T>(
  { flags, terminal }: Pick<CommandContext, "flags" | "terminal">,
  { work, text, json, failure = (error) => ({ error: failureOf(error) }) }: Answer<T>,
): Promise<number> {
  const asJson = flags["json"] === true;
  try {
    const outcome = await work();
    terminal.print(asJson ? JSON.stringify(json(outcome)) : text(outcome));
    return EXIT.fine;
  } catch (thrown) {
    if (!asJson) throw thrown;
    const error = trtdErrorFrom(thrown);
    terminal.print(JSON.stringify(failure(error)));
    noteError(error, terminal);
    return error.row.exit;
  }
}
