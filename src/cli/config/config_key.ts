/** `trtd config key`: a new API key, and the line that makes a server take it. */
import { EXIT, TrtdError } from "../../errors.ts";
import { KEY_NAME, keyLine, newKey } from "../../http/access/api_keys.ts";
import type { CommandContext } from "../command.ts";

/**
 * Print a key, which is nowhere kept, and its line for the file of keys.
 * @throws {TrtdError} `USAGE`
 */
export function printKey({ flags, terminal }: CommandContext): number {
  const name = typeof flags["name"] === "string" ? flags["name"] : new Date().toISOString().slice(0, 10);
  if (!KEY_NAME.test(name)) {
    throw new TrtdError("USAGE", `The name ${JSON.stringify(name)} is not allowed`, {
      remedy: "Use 1 to 64 letters, digits, dots, dashes and underscores",
    });
  }
  const key = newKey();
  const line = keyLine(name, key);
  if (flags["json"] === true) terminal.print(JSON.stringify({ name, key, line }));
  else {
    terminal.print(key);
    terminal.note(
      `Give this key to the client; it is kept nowhere. Add this line to the file of api_keys_file:\n${line}`,
    );
  }
  return EXIT.fine;
}
