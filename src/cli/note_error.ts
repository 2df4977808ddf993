/** How the command line tells a failure. */
import type { TrtdError } from "../errors.ts";
import { plainText } from "../onnx/quoted.ts";
import { withoutSecrets } from "../secrets.ts";
import type { Terminal } from "./command.ts";

/**
 * Print `trtd: CODE: detail` and the remedy. Names out of files may stand in the detail, so nothing in it reaches the
 * terminal as a control character.
 * @param file the input that failed, when there are several
 */
export function noteError(error: TrtdError, terminal: Pick<Terminal, "note">, file?: string): void {
  const where = file === undefined ? "" : `${plainText(file)}: `;
  terminal.note(`trtd: ${error.code}: ${where}${withoutSecrets(plainText(error.message))}`);
  terminal.note(`  remedy: ${error.remedy}`);
}
